import { maxKeptResultBytes } from './clients.ts';

/** Keys that the ranges of one command look at: above, its result is not kept for when it comes again. */
const mostKeptKeys = 10_000;

/**
 * What the ranges of one command have looked at and given. They change nothing, so only who answers the command needs
 * them, and whoever keeps its result for when it comes again: all replicas, and so only where that is little work.
 */
export class RangeTally {
  private readonly use: 'answered' | 'kept' | 'none';
  private keys = 0;
  private bytes = 0;

  constructor(use: 'answered' | 'kept' | 'none') {
    this.use = use;
  }

  /** Nobody needs more of them. */
  get isOver(): boolean {
    return this.use !== 'answered' && (this.use === 'none' || this.isTooMuchToKeep);
  }

  /** The same on every replica. */
  get isTooMuchToKeep(): boolean {
    return this.keys > mostKeptKeys || this.bytes > maxKeptResultBytes;
  }

  /** One more key was looked at. */
  countKey(): void {
    this.keys++;
  }

  /** So much of it is in the result. */
  countBytes(bytes: number): void {
    this.bytes += bytes;
  }
}
