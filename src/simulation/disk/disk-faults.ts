import { type DiskOperation, type FailureOptions, Failures } from '../../runtime/virtual/index.ts';
import type { Draw } from '../world/random.ts';

/** How often each fault took place, and not only was asked for. */
export interface DiskFaultCounts {
  failedOperations: number;
  fullDisk: number;
  hangs: number;
  rottenBits: number;
  rottenSectors: number;
  misdirectedReads: number;
  rottenReads: number;
  wipes: number;
  powerFailures: number;
}

/** What is wrong with a disk just now: changed by the nemesis at any time, obeyed by the operations. */
export class DiskFaults {
  readonly counts: DiskFaultCounts = {
    failedOperations: 0,
    fullDisk: 0,
    hangs: 0,
    rottenBits: 0,
    rottenSectors: 0,
    misdirectedReads: 0,
    rottenReads: 0,
    wipes: 0,
    powerFailures: 0,
  };
  /** Writes beyond this total fail with 'disk-full'. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Latencies are multiplied by this. */
  slowness = 1;
  /** What is read from files whose path contains this is not what was written, half of the time; on the platter it is. */
  rottenReads: { readonly path: string; readonly onRead: () => void } | undefined;
  /** A member starts from what it reads now. Rot that it met there would need the `DamageRecord`'s leave. */
  recovering = false;
  #failures = new Failures();
  #misdirected: { readonly path: string; after: number; readonly onRead: () => void } | undefined;

  /**
   * Makes the next such operation fail, with EIO unless told otherwise. A write to a file with durable writes is a
   * 'write' and then a 'sync'. A failed sync loses what it should have made durable, and the next one succeeds; that of a
   * folder leaves it to the next one, since file systems with a journal do not go on after losing a part of it.
   */
  failNext(operation: DiskOperation, options: FailureOptions = {}): void {
    this.#failures.add(operation, options);
  }

  /**
   * The next read of a file whose path contains this gets some bytes from elsewhere in that file. A member that
   * recovers may cut off what it should have read: ask the `DamageRecord`, and call `readsAreRight` when it runs.
   *
   * @param after so many such reads are right first.
   */
  misdirectNextRead(path = '', after = 0, onRead = () => {}): void {
    this.#misdirected = { path, after, onRead };
  }

  readsAreRight(): void {
    this.#misdirected = undefined;
  }

  /** Takes back what was asked for and has not happened, and all that lasts. */
  heal(): void {
    this.#failures = new Failures();
    this.#misdirected = undefined;
    this.capacityBytes = Number.POSITIVE_INFINITY;
    this.slowness = 1;
    this.rottenReads = undefined;
  }

  /** For the disk: the error that this operation, now, is to fail with. */
  failureOf(operation: DiskOperation | 'other', path: string): unknown {
    const failure = this.#failures.of(operation, path);
    if (failure !== undefined) this.counts.failedOperations += 1;
    return failure;
  }

  /** For the disk: whether this read is the one that goes astray. */
  takeMisdirection(path: string): boolean {
    const misdirected = this.#misdirected;
    if (misdirected === undefined || !path.includes(misdirected.path)) return false;
    if (misdirected.after-- > 0) return false;
    this.#misdirected = undefined;
    misdirected.onRead();
    return true;
  }

  /** For the disk: whether this read is to be spoilt. */
  takeRot(path: string, random: Draw): boolean {
    const rotten = this.rottenReads;
    if (rotten === undefined || this.recovering || !path.includes(rotten.path)) return false;
    if (!random.chance(0.5)) return false;
    this.counts.rottenReads += 1;
    rotten.onRead();
    return true;
  }
}
