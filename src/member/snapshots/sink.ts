import { ConclaveError } from '../../errors/index.ts';
import type { File } from '../../runtime/index.ts';
import { encodeChunkHeader, encodeTrailer } from './format.ts';

/** A snapshot being written. One call at a time. */
export interface SnapshotSink {
  /** The bytes must not change until it resolves. @throws ConclaveError 'disk-failed', 'disk-full', 'closed'. */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes it durable and, unless a newer one is there, the group's latest. @throws as `write`. */
  finish(): Promise<void>;
  /** Leaves nothing of it. To be called when anything failed; without effect after `finish`. */
  abort(): Promise<void>;
}

/** Larger chunks are divided, so that a reader needs no more memory than this at a time. */
const largestChunkBytes = 1024 * 1024;
/**
 * Written bytes are handed to the disk in portions of this size: a file system may otherwise make the sync of the
 * log, which runs all the while, wait for all of them.
 */
const syncEveryBytes = 4 * 1024 * 1024;

export interface SinkParts {
  readonly file: File;
  readonly header: { readonly bytes: Uint8Array; readonly crc: number };
  /** Gives the durable file its name. */
  readonly publish: () => Promise<void>;
  readonly discard: () => Promise<void>;
}

export class FileSink implements SnapshotSink {
  readonly #parts: SinkParts;
  #position: number;
  #crc: number;
  #chunks = 0;
  #dataBytes = 0;
  #unsyncedBytes = 0;
  #closed = false;

  /** The header is written already. */
  constructor(parts: SinkParts) {
    this.#parts = parts;
    this.#position = parts.header.bytes.length;
    this.#crc = parts.header.crc;
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; at += largestChunkBytes) {
      if (this.#closed) throw new ConclaveError('closed', 'The snapshot was finished or aborted before.');
      const data = chunk.subarray(at, at + largestChunkBytes);
      const { bytes, crc } = encodeChunkHeader(data, this.#crc);
      await this.#parts.file.writeAt(this.#position, [bytes, data]);
      this.#crc = crc;
      this.#position += bytes.length + data.length;
      this.#chunks += 1;
      this.#dataBytes += data.length;
      this.#unsyncedBytes += data.length;
      if (this.#unsyncedBytes < syncEveryBytes) continue;
      await this.#parts.file.sync();
      this.#unsyncedBytes = 0;
    }
  }

  async finish(): Promise<void> {
    if (this.#closed) throw new ConclaveError('closed', 'The snapshot was finished or aborted before.');
    const { file, publish } = this.#parts;
    await file.writeAt(this.#position, [encodeTrailer(this.#chunks, this.#dataBytes, this.#crc)]);
    await file.sync();
    this.#closed = true;
    await file.close();
    await publish();
  }

  async abort(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#parts.file.close();
    await this.#parts.discard();
  }
}
