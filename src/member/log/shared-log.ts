import { ConclaveError } from '../../errors/index.ts';
import type { GroupId, SnapshotMeta } from '../../raft/types.ts';
import { type LogWrite, LogWriter, type WriterParts } from './writer.ts';

interface Append {
  readonly writes: readonly LogWrite[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Appends that wait are written together, up to about this much. */
const mostBytesTogether = 8 * 1024 * 1024;
/** Writes that need no sync wait for one that does, but not more of them than this. */
const mostDeferred = 64;

/** The log of all groups of a member, open for appending. */
export class SharedLog implements AsyncDisposable {
  readonly #writer: LogWriter;
  #queue: Append[] = [];
  #writing: Promise<void> | undefined;
  #removing: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #failure: unknown;

  constructor(parts: WriterParts) {
    this.#writer = new LogWriter(parts);
  }

  /** Bytes of all segments. */
  get bytes(): number {
    return this.#writer.bytes;
  }

  /**
   * Writes to one or more groups, all or nothing. Appends made while others are written go to disk together, in
   * one call of the system that writes and syncs (O_DSYNC; apart they would cost two hops to a thread and back).
   * Promises resolve in the order of the calls, when all is durable; without `sync`, one that holds no more than hard
   * states may resolve before, and go to disk with the next one or with `close`.
   *
   * After an error nothing is accepted any more: what a failed sync left on the disk is unknown, and trying again
   * would not tell (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).
   *
   * @throws ConclaveError 'disk-failed' and 'disk-full' (outcome 'unknown'), 'closed', 'internal'.
   */
  append(writes: readonly LogWrite[], options: { sync: boolean }): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const deferred = !options.sync && this.#writing === undefined && this.#queue.length < mostDeferred;
    if (deferred && writes.every((write) => write.entries.length === 0 && write.snapshot === undefined)) {
      // No more than a commit index, which is a hint: not worth a system call of its own.
      this.#queue.push({ writes, resolve: () => {}, reject: () => {} });
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ writes, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /**
   * The group needs its entries up to the snapshot no more; the snapshot's file is durable. Resolves when that is
   * recorded and the segments that no group needs are removed.
   *
   * @throws ConclaveError as `append`.
   */
  async compacted(group: GroupId, snapshot: SnapshotMeta): Promise<void> {
    await this.append([{ group, snapshot, keepsLog: true, entries: [] }], { sync: true });
    await this.#removing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Finishes the appends under way, makes all durable and closes the files. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #writeAll(): Promise<void> {
    // Not at once, so that all appends of one turn go together.
    await undefined;
    while (this.#queue.length > 0 && this.#failure === undefined) {
      const appends = this.#takeTogether();
      try {
        await this.#write(appends);
        for (const append of appends) append.resolve();
      } catch (error) {
        this.#fail(error, appends);
      }
    }
    this.#writing = undefined;
  }

  async #write(appends: readonly Append[]): Promise<void> {
    const [first] = appends;
    const alone = appends.length === 1 && first !== undefined;
    const writes = alone ? first.writes : appends.flatMap((append) => append.writes);
    await this.#writer.write(writes);
    if (writes.every((write) => write.snapshot === undefined)) return;
    const unneeded = this.#writer.takeUnneeded();
    // Beside the appends that follow: nobody needs these any more, so nobody has to wait for them.
    this.#removing = this.#removing
      .then(() => this.#writer.remove(unneeded))
      .catch((error: unknown) => this.#fail(error, []));
  }

  #takeTogether(): Append[] {
    let bytes = 0;
    let count = 0;
    for (const append of this.#queue) {
      if (bytes > mostBytesTogether) break;
      for (const write of append.writes) for (const entry of write.entries) bytes += entry.data.length;
      count += 1;
    }
    const taken = this.#queue;
    if (count < taken.length) return taken.splice(0, count);
    this.#queue = [];
    return taken;
  }

  #fail(error: unknown, appends: readonly Append[]): void {
    this.#failure ??= error;
    const all = [...appends, ...this.#queue];
    this.#queue = [];
    for (const append of all) append.reject(error);
  }

  async #close(): Promise<void> {
    await this.#writing;
    try {
      if (this.#failure === undefined) {
        if (this.#queue.length > 0) await this.#write(this.#queue.splice(0));
        await this.#writer.finish();
        await this.#removing;
      }
    } catch (error) {
      this.#fail(error, []);
      throw error;
    } finally {
      await this.#writer.closeFiles();
    }
  }
}

function closed(): ConclaveError {
  return new ConclaveError('closed', 'The log was closed: the member is stopping.');
}
