/** A log file that only the newest leader can append to. */
import { dirname } from 'node:path';
import { ConclaveError } from '../../errors/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { bytesOf } from '../bytes.ts';
import {
  type CheckedWriter,
  checkCount,
  checkLeadership,
  checkToken,
  type FencedLeadership,
} from '../writer.ts';
import { LogAppender } from './appender.ts';
import { Appends, type Waiting } from './appends.ts';
import { limits } from './frame.ts';
import type { History } from './history.ts';
import { failureAt, LogScan } from './scan.ts';

export interface FencedLogOptions {
  /** Bytes of appends that may wait in this process; beyond it they are refused. 1 to 2^32, default 64 MiB. */
  readonly maxWaitingBytes?: number | undefined;
  readonly runtime?: Runtime | undefined;
}

export interface AppendOptions {
  /** Append only if this is the last record (0: the log is empty); else 'version-conflict'. Default: wherever the end is. */
  readonly expectedSequence?: number | undefined;
}

export interface LogRecord {
  /** 1 for the first, without gaps. */
  readonly sequence: number;
  /** The token that it was appended with; never falls along the log. */
  readonly token: number;
  /** The election that the token is from. */
  readonly election: string;
  readonly data: Uint8Array;
}

export interface LogState {
  /** Of the last record; 0: there is none. */
  readonly sequence: number;
  /** The highest token that appended or claimed; 0: none did. */
  readonly token: number;
  readonly election: string;
}

export interface LogReadOptions {
  /** The first record wanted. Default 1. */
  readonly from?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the log file at `path`, in a folder that exists; the first append makes it. Any number of processes may have it
 * open, to read and to append.
 *
 * Guarantees: an append that resolved is on the disk, whole, once, and every reader finds it, in the same place; the
 * append of a leader with a token below the highest in the log is refused, and where it was on its way already no reader
 * ever shows it. This holds whatever clocks and pauses do and wherever a writer is killed, on a POSIX file system:
 * appends (O_APPEND) of several processes one after the other, `fdatasync` that reaches the disk. There is no lock.
 *
 * A token counts as seen when it appended or claimed. A new leader that reads before it appends calls `claim` first.
 *
 * Not protected: a file that others change, truncate or replace by an older copy; the very last record against a disk
 * that rots, for it looks as one that a crash cut off (damage before it is found); NFS and others whose clients only
 * emulate O_APPEND. An append whose outcome is 'unknown' may be there: read before you repeat it.
 *
 * The log only grows. Each read, and the first append of each object, reads the file from its beginning; later appends
 * read what was added since.
 */
export function fencedLog(path: string, options: FencedLogOptions = {}): FencedLog {
  return new FencedLog(path, options);
}

export class FencedLog implements AsyncDisposable {
  readonly path: string;
  readonly #runtime: Runtime;
  readonly #appender: LogAppender;
  readonly #waiting: Appends;
  #working: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** @internal use `fencedLog` */
  constructor(path: string, options: FencedLogOptions) {
    if (typeof path !== 'string' || path === '' || path.endsWith('/') || path.includes('\0')) {
      throw new ConclaveError('invalid-argument', `${JSON.stringify(path)} is not a path of a file.`);
    }
    this.path = path;
    this.#runtime = options.runtime ?? nodeRuntime();
    this.#appender = new LogAppender(this.#runtime, path);
    const most = options.maxWaitingBytes ?? 64 * 2 ** 20;
    this.#waiting = new Appends(path, checkCount('maxWaitingBytes', most, 1, 2 ** 32));
  }

  /**
   * Appends one record of at most 16 MiB (a string as UTF-8); resolves, to where it is, when it is on the disk. Appends that wait at the
   * same time share one write and one sync, and keep their order.
   *
   * @throws 'stale-token': a newer leader has appended or claimed; 'version-conflict': see `expectedSequence`;
   * 'not-leading' from `assertHeld()`, which is checked although safety does not depend on it; 'failed-precondition':
   * the log is guarded by another election; 'unsupported': tokens that cannot fence; 'too-large';
   * 'too-many-requests'; 'data-damaged'; 'data-incompatible': a newer format, or another program's file; 'disk-full', 'disk-failed' (outcome 'unknown' where the
   * record may be there; after a failed sync this object appends no more); 'closed'.
   */
  async append(
    leadership: FencedLeadership,
    data: Uint8Array | string,
    options: AppendOptions = {},
  ): Promise<LogState> {
    const writer = this.#check(leadership);
    const bytes = bytesOf(`The record for ${this.path}`, data);
    if (bytes.length > limits.recordBytes) {
      throw new ConclaveError(
        'too-large',
        `The record has ${bytes.length} bytes; the limit is ${limits.recordBytes}.`,
      );
    }
    const { expectedSequence } = options;
    if (expectedSequence !== undefined) {
      checkCount('expectedSequence', expectedSequence, 0, Number.MAX_SAFE_INTEGER);
    }
    return await this.#enqueue(writer, bytes, expectedSequence);
  }

  /**
   * Shuts every older leader out, before the first append. When it resolves, what `read` gives from then on is all that
   * they ever appended. Nothing is written where the log has this token already.
   * @throws as `append`, but never 'version-conflict'.
   */
  async claim(leadership: FencedLeadership): Promise<LogState> {
    return await this.#enqueue(this.#check(leadership), undefined, undefined);
  }

  /**
   * The records in the file when the first one is asked for, in order, each of them on the disk. A log that nobody
   * has appended to has none.
   * @throws 'data-damaged' behind the last record before the damage; 'data-incompatible'; 'disk-failed'; 'not-found' for
   * the folder; 'aborted'.
   */
  async *read(options: LogReadOptions = {}): AsyncGenerator<LogRecord, void> {
    const from = checkCount('from', options.from ?? 1, 1, Number.MAX_SAFE_INTEGER);
    const { signal } = options;
    for await (const { frame, accepted, election } of this.#frames(signal)) {
      if (!accepted || frame.sequence + frame.records.length <= from) continue;
      for (const [position, data] of frame.records.entries()) {
        const sequence = frame.sequence + position;
        if (sequence >= from) yield { sequence, token: frame.token, election, data };
      }
    }
  }

  /** The end of the log, as `read` would find it. Reads all of it. @throws as `read`. */
  async state(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<LogState> {
    let state: LogState = { sequence: 0, token: 0, election: '' };
    for await (const { history } of this.#frames(options.signal)) state = stateOf(history);
    return state;
  }

  /** Waits for the appends that were asked for, and closes the file. Reads go on working. */
  async close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#working;
      await this.#appender.close();
    })();
    await this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#frames(signal: AbortSignal | undefined) {
    const file = await this.#openToRead();
    if (file === undefined) return;
    try {
      const size = await file.size();
      // A record that a power failure could still take away must not be shown.
      await file.sync();
      const scan = new LogScan(file, this.path);
      for await (const { frame, accepted } of scan.frames(size)) {
        if (signal?.aborted) throw ConclaveError.aborted(`Reading ${this.path}`, signal);
        yield { frame, accepted, history: scan.history, election: scan.history.election };
      }
    } finally {
      await file.close();
    }
  }

  async #openToRead() {
    try {
      return await this.#runtime.disk.open(this.path, { readOnly: true });
    } catch (error) {
      if (!ConclaveError.is(error, 'not-found')) throw failureAt(this.path, error);
      await this.#runtime.disk.list(dirname(this.path));
      return undefined;
    }
  }

  #check(leadership: FencedLeadership): CheckedWriter {
    if (this.#closing !== undefined) throw new ConclaveError('closed', `The log ${this.path} was closed.`);
    const writer = checkLeadership(leadership);
    const nameBytes = new TextEncoder().encode(writer.election).length;
    checkCount("The length of the election's name", nameBytes, 0, limits.nameBytes);
    writer.assertHeld();
    return writer;
  }

  #enqueue(
    writer: CheckedWriter,
    data: Uint8Array | undefined,
    expectedSequence: number | undefined,
  ): Promise<LogState> {
    return new Promise((resolve, reject) => {
      this.#waiting.add({ writer, data: data?.slice(), expectedSequence, resolve, reject });
      this.#working ??= this.#work();
    });
  }

  /** Never rejects: each one who waits is told. */
  async #work(): Promise<void> {
    for (let batch = this.#waiting.take(); batch.length > 0; batch = this.#waiting.take()) {
      try {
        await this.#perform(batch);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#working = undefined;
  }

  /** Until another process, or another object of this one, does not come first. */
  async #perform(batch: readonly Waiting[]): Promise<void> {
    for (;;) {
      const history = await this.#appender.catchUp();
      const still = batch.filter((one) => this.#mayGoOn(one, history));
      const [first] = still;
      if (first === undefined) return;
      const { token, election } = first.writer;
      const claimed = history.index > 0 && history.token === token && history.election === election;
      if (first.data === undefined && claimed) return first.resolve(stateOf(history));
      const records = still.flatMap(({ data }) => (data === undefined ? [] : [data]));
      if (!(await this.#appender.append({ token, election, records }))) continue;
      for (const [position, { resolve }] of still.entries()) {
        const sequence = history.sequence + (records.length === 0 ? 0 : position + 1);
        resolve({ sequence, token, election: election || history.election });
      }
      return;
    }
  }

  /** False: refused. */
  #mayGoOn({ writer, expectedSequence, reject }: Waiting, history: History): boolean {
    try {
      checkToken(this.path, writer, history);
      if (expectedSequence !== undefined && expectedSequence !== history.sequence) {
        const message = `${this.path} ends at record ${history.sequence}, not at ${expectedSequence} as this append expects: read it again.`;
        throw new ConclaveError('version-conflict', message, {
          details: { expectedSequence, sequence: history.sequence },
        });
      }
      writer.assertHeld();
      return true;
    } catch (error) {
      reject(error);
      return false;
    }
  }
}

function stateOf({ sequence, token, election }: History): LogState {
  return { sequence, token, election };
}
