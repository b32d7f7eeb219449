import { joined, type WireFrame } from './frame-cutter.ts';

/** What goes over a connection at once, in order with all others: its beginning, bytes, or its end. */
export interface Segment {
  readonly kind: 'open' | 'data' | 'end';
  chunks: Uint8Array[];
  bytes: number;
  /** What it consists of on the way to a peer port, until a middlebox has chosen what becomes of each. */
  frames: WireFrame[] | undefined;
  /** The scheduler's step in which it was written: what is written in the same one leaves with it. -1: not so. */
  step: number;
  arrivesUs: number;
  /** Ends within a frame: nothing may come between it and the next segment. */
  partial: boolean;
}

export function segment(kind: Segment['kind'], step = -1): Segment {
  return { kind, chunks: [], bytes: 0, frames: undefined, step, arrivesUs: 0, partial: false };
}

/** Takes off what follows the first so many bytes. */
export function cutAt(whole: Segment, at: number): Segment {
  const bytes = joined(whole.chunks);
  const rest = segment('data');
  rest.chunks = [bytes.subarray(at)];
  rest.bytes = whole.bytes - at;
  rest.partial = whole.partial;
  whole.chunks = [bytes.subarray(0, at)];
  whole.bytes = at;
  whole.step = -1;
  whole.partial = true;
  return rest;
}
