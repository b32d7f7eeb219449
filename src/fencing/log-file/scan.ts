/** Reads a log file forward, once: finds the frames, passes over what was cut off, and judges. */
import { join } from 'node:path';
import { ConclaveError } from '../../errors/index.ts';
import type { File } from '../../runtime/types.ts';
import { decodeFrame, type FoundFrame, marker } from './frame.ts';
import { emptyHistory, extend, type History, judge } from './history.ts';

export interface JudgedFrame {
  readonly frame: FoundFrame;
  readonly accepted: boolean;
  /** Where it ends in the file. */
  readonly end: number;
}

const chunkBytes = 256 * 1024;
const nothing = Buffer.alloc(0);

export class LogScan {
  readonly #file: File;
  readonly #path: string;
  /** Read but not decoded, from `#position` on. */
  #rest: Buffer = nothing;
  #position = 0;
  /** It begins as no log does. What is found in it all the same decides. */
  #foreign = false;
  /** Of the part that was scanned. */
  history: History = emptyHistory;

  constructor(file: File, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /** Up to here all was read. */
  get readTo(): number {
    return this.#position + this.#rest.length;
  }

  /**
   * The frames that end at or before `size` and were not given before. What follows the last one may be a frame that
   * is still being written; the next call goes on there.
   * @throws 'data-damaged' where an accepted frame is missing or damaged; 'data-incompatible' for a newer format, and
   * for what is no log: another program's file must not be appended to; 'invalid-argument' for a folder.
   */
  async *frames(size: number): AsyncGenerator<JudgedFrame, void> {
    if (size < this.readTo) throw this.#damaged('it has become shorter than it was');
    for (;;) {
      const decoded = this.#next();
      if (decoded.status === 'frame') {
        yield this.#judge(decoded.frame, decoded.sizeBytes);
        continue;
      }
      const wanted = Math.max(chunkBytes, decoded.sizeBytes - this.#rest.length);
      const length = Math.min(wanted, size - this.readTo);
      if (length <= 0) {
        if (this.#foreign && this.history.index === 0) throw this.#notALog();
        return;
      }
      const chunk = await this.#file.readAt(this.readTo, length).catch((error: unknown) => {
        throw failureAt(this.#path, error);
      });
      if (this.readTo === 0) this.#foreign = !mayBegin(chunk);
      if (chunk.length === 0) throw this.#damaged('it has become shorter than it was');
      this.#rest = this.#rest.length === 0 ? bufferOf(chunk) : Buffer.concat([this.#rest, chunk]);
    }
  }

  /** The next whole frame, or how many bytes from the position on it would take to tell. */
  #next() {
    for (;;) {
      const at = this.#rest.indexOf(marker);
      if (at === -1) {
        // All but what can be the beginning of a marker.
        this.#skip(Math.max(0, this.#rest.length - marker.length + 1));
        return { status: 'more', sizeBytes: marker.length } as const;
      }
      this.#skip(at);
      const decoded = decodeFrame(this.#rest);
      if (decoded.status === 'frame') return decoded;
      if (decoded.status === 'newer') {
        const message = `${this.#path} has a record of format ${decoded.format} at byte ${this.#position}: update this program.`;
        throw new ConclaveError('data-incompatible', message);
      }
      const another = this.#rest.indexOf(marker, 1);
      if (decoded.status === 'more' && another === -1) return decoded;
      this.#skip(another === -1 ? 1 : another);
    }
  }

  #skip(count: number): void {
    this.#rest = this.#rest.subarray(count);
    this.#position += count;
  }

  #judge(frame: FoundFrame, sizeBytes: number): JudgedFrame {
    const verdict = judge(this.history, frame);
    if (verdict === 'gap') throw this.#damaged(`record ${this.history.sequence + 1} is missing or damaged`);
    this.#skip(sizeBytes);
    const accepted = verdict === 'accepted';
    if (accepted) this.history = extend(this.history, frame);
    return { frame, accepted, end: this.#position };
  }

  #notALog(): ConclaveError {
    const message = `${this.#path} is not empty and is no fenced log: give the log a path of its own. If it was a log, it is damaged from its beginning: restore it from a copy.`;
    return new ConclaveError('data-incompatible', message, { details: { path: this.#path } });
  }

  #damaged(what: string): ConclaveError {
    const message = `${this.#path} is damaged before byte ${this.#position}: ${what}. Restore it from a copy.`;
    const details = { path: this.#path, offset: this.#position, sequence: this.history.sequence };
    return new ConclaveError('data-damaged', message, { details });
  }
}

/** What the disk said, but where a folder is in the log's place: that is the caller's to change. */
export function failureAt(path: string, error: unknown): unknown {
  if (!ConclaveError.is(error) || error.details.errno !== 'EISDIR') return error;
  const message = `${path} is a folder: give the path of a file, such as ${join(path, 'journal')}.`;
  return new ConclaveError('invalid-argument', message, { cause: error, details: error.details });
}

/** A marker, as much of one as there is, or the zeros that a crash leaves of an append that was not synced. */
function mayBegin(bytes: Uint8Array): boolean {
  const first = bytes.subarray(0, marker.length);
  return first.every((byte, position) => byte === marker[position]) || first.every((byte) => byte === 0);
}

function bufferOf(chunk: Uint8Array): Buffer {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
