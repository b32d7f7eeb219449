/** Between a test and the front ends of held-thread.ts, which tell on it their thread's number when they are asked to listen. */
export const listeningChannel = 'front ends that are asked to listen';

/** What the one of that number does now. */
export interface ToListening {
  readonly thread: number;
  readonly does: 'listen' | 'fail';
}
