import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import type { Scheduler } from '../world/scheduler.ts';
import type { NetworkCounts } from './counts.ts';
import type { End } from './end.ts';
import type { WireFrame } from './frame-cutter.ts';

/** What all connections of a network share. */
export interface Fabric {
  readonly scheduler: Scheduler;
  readonly random: Draw;
  readonly counts: NetworkCounts;
  /** How long TCP tries to get something through. */
  readonly giveUpUs: number;
  note(who: string, text: () => string): void;
  /** A process sends these bytes: they are part of what makes a life the same. */
  sends(chunks: readonly Uint8Array[]): void;
  /** A frame of kind `raft` leaves the process. */
  leaves(from: End, to: End, frame: WireFrame): void;
  /** What became of a Raft message on its way. */
  noteFrame(from: End, frame: WireFrame, fate: string): void;
  closed(end: End): void;
  /** So much has been written and cannot be sent yet. */
  waits(bytes: number, from: End, betweenPeers: boolean): void;
  /** A connection of the process broke; it is told as soon as it does not stand still. */
  breaks(process: Process): void;
  tellsOfBreak(process: Process, brokenUs: number): void;
}
