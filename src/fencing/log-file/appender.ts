/** Puts frames into a log file, one at a time, and finds out what became of each. */
import { dirname } from 'node:path';
import { ConclaveError } from '../../errors/index.ts';
import type { File, Runtime } from '../../runtime/types.ts';
import { encodeFrame } from './frame.ts';
import type { History } from './history.ts';
import { failureAt, LogScan } from './scan.ts';

export interface FrameToAppend {
  readonly token: number;
  readonly election: string;
  readonly records: readonly Uint8Array[];
}

export class LogAppender {
  readonly #runtime: Runtime;
  readonly #path: string;
  #opened: { readonly file: File; readonly scan: LogScan } | undefined;
  /** What was in the file up to here is on the disk. */
  #syncedTo = 0;
  #syncFailure: ConclaveError | undefined;

  constructor(runtime: Runtime, path: string) {
    this.#runtime = runtime;
    this.#path = path;
  }

  /** What the file says now, all of it on the disk. */
  async catchUp(): Promise<History> {
    if (this.#syncFailure !== undefined) throw this.#afterSyncFailure(this.#syncFailure);
    const { file, scan } = await this.#open();
    const size = await file.size();
    for await (const _ of scan.frames(size)) {
      // Only what they add up to matters.
    }
    if (size > this.#syncedTo) await this.#sync(file, size);
    return scan.history;
  }

  /**
   * Appends a frame behind what `catchUp` saw. False: another came first, and this one counts for nobody.
   * @throws what the disk says; outcome 'unknown' where the frame may count nevertheless.
   */
  async append({ token, election, records }: FrameToAppend): Promise<boolean> {
    const { file, scan } = await this.#open();
    const { index, digest, sequence } = scan.history;
    const nonce = this.#runtime.random.bytes(16);
    const frame = {
      ...{ index: index + 1, previous: digest, sequence: sequence + 1 },
      ...{ token, election, records, nonce },
    };
    const bytes = encodeFrame(frame, () => this.#runtime.random.bytes(4));
    let failure: unknown;
    try {
      await file.append(bytes);
    } catch (error) {
      failure = error;
    }
    try {
      const found = await this.#find(file, scan, nonce);
      if (found !== undefined) return found;
    } catch (cause) {
      throw unknownOutcome(cause, `Whether an append to ${this.#path} took effect is unknown`);
    }
    if (failure === undefined) {
      const message = `${this.#path} does not hold what was just appended to it: something else changes the file.`;
      throw new ConclaveError('data-damaged', message, { outcome: 'unknown' });
    }
    // A full disk took a part of it at most, which counts for nobody.
    if (ConclaveError.is(failure, 'disk-full')) throw withoutEffect(failure);
    throw failure;
  }

  async close(): Promise<void> {
    await this.#opened?.file.close();
  }

  /** Syncs, then reads up to the frame with this nonce. undefined: it is not there. */
  async #find(file: File, scan: LogScan, nonce: Uint8Array): Promise<boolean | undefined> {
    const size = await file.size();
    await this.#sync(file, size);
    let found: boolean | undefined;
    for await (const { frame, accepted } of scan.frames(size)) {
      if (frame.nonce.every((byte, position) => byte === nonce[position])) found = accepted;
    }
    return found;
  }

  async #open(): Promise<{ readonly file: File; readonly scan: LogScan }> {
    if (this.#opened !== undefined) return this.#opened;
    const { disk } = this.#runtime;
    const file = await disk.open(this.#path, { create: true, append: true }).catch((error: unknown) => {
      throw failureAt(this.#path, error);
    });
    try {
      // Else a log that was just made could go with all that is in it.
      await disk.syncFolder(dirname(this.#path));
    } catch (error) {
      await file.close().catch(() => {});
      throw error;
    }
    this.#opened = { file, scan: new LogScan(file, this.#path) };
    return this.#opened;
  }

  async #sync(file: File, size: number): Promise<void> {
    try {
      await file.sync();
    } catch (error) {
      if (ConclaveError.is(error)) this.#syncFailure = error;
      throw error;
    }
    this.#syncedTo = size;
  }

  /** The system may have forgotten what it could not write, and a second sync would say that all is well. */
  #afterSyncFailure(cause: ConclaveError): ConclaveError {
    const message = `${this.#path} could not be synced before, so what the disk holds is unknown: see to the disk, then open the log again.`;
    return new ConclaveError('disk-failed', message, { cause });
  }
}

function unknownOutcome(cause: unknown, what: string): unknown {
  if (!ConclaveError.is(cause)) return cause;
  const { code, details } = cause;
  return new ConclaveError(code, `${what}: ${cause.message}`, { outcome: 'unknown', cause, details });
}

function withoutEffect(cause: ConclaveError): ConclaveError {
  return new ConclaveError(cause.code, cause.message, { cause, details: cause.details });
}
