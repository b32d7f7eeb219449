import {
  frameFlags,
  frameHeadBytes,
  frameTypes,
  largestWindowBytes,
  writeFrameHead,
  writeUint32,
} from './frames.ts';
import type { HeaderField } from './hpack/decoder.ts';
import { HeaderEncoder } from './hpack/encoder.ts';
import type { Output } from './output.ts';
import { messageHeadBytes } from './stream.ts';

/** Headers of answers that did well, which are nearly all. */
export const responseHeaders: readonly HeaderField[] = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
];
export const okTrailers: readonly HeaderField[] = [['grpc-status', '0']];

/** Writes frames into the output of one connection. */
export class WireWriter {
  readonly #output: Output;
  readonly #encoder = new HeaderEncoder([...responseHeaders.slice(1), ...okTrailers]);
  readonly #blocks = new Map<readonly HeaderField[], Uint8Array>();
  #blocksAt = 0;
  /** What the other side takes in one frame. */
  maxFrameBytes: number;

  constructor(output: Output, maxFrameBytes: number) {
    this.#output = output;
    this.maxFrameBytes = maxFrameBytes;
  }

  limitHeaderTable(bytes: number): void {
    this.#encoder.limitTable(bytes);
  }

  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    const at = this.#output.reserve(frameHeadBytes);
    writeFrameHead(this.#output.buffer, at, payload.length, type, flags, stream);
    if (payload.length > 0) this.#output.append(payload);
  }

  /** As many frames as the other side's limit asks for; nothing may come between them (§6.10). */
  headers(stream: number, fields: readonly HeaderField[], flags: number): void {
    const block = this.#block(fields);
    const limit = this.maxFrameBytes;
    if (block.length <= limit) return this.frame(frameTypes.headers, flags, stream, block);
    const { endHeaders } = frameFlags;
    this.frame(frameTypes.headers, flags & ~endHeaders, stream, block.subarray(0, limit));
    for (let at = limit; at < block.length; at += limit) {
      const last = at + limit >= block.length;
      this.frame(frameTypes.continuation, last ? endHeaders : 0, stream, block.subarray(at, at + limit));
    }
  }

  data(stream: number, bytes: Uint8Array, from: number, to: number, flags: number): void {
    this.frame(frameTypes.data, flags, stream, bytes.subarray(from, to));
  }

  /** A message with gRPC's head, in one frame. */
  message(stream: number, message: Uint8Array): void {
    const head = frameHeadBytes + messageHeadBytes;
    const start = this.#output.reserve(head);
    const { buffer } = this.#output;
    const at = writeFrameHead(buffer, start, messageHeadBytes + message.length, frameTypes.data, 0, stream);
    buffer[at] = 0;
    writeUint32(buffer, at + 1, message.length);
    this.#output.append(message);
  }

  number(type: number, stream: number, value: number): void {
    const start = this.#output.reserve(frameHeadBytes + 4);
    const { buffer } = this.#output;
    writeUint32(buffer, writeFrameHead(buffer, start, 4, type, 0, stream), value);
  }

  goAway(lastStream: number, code: number, text: string): void {
    const reason = new TextEncoder().encode(text);
    const payload = new Uint8Array(8 + reason.length);
    writeUint32(payload, 0, lastStream);
    writeUint32(payload, 4, code);
    payload.set(reason, 8);
    this.frame(frameTypes.goAway, 0, 0, payload);
  }

  /** Fields that are the same array are encoded once. */
  #block(fields: readonly HeaderField[]): Uint8Array {
    if (this.#blocksAt !== this.#encoder.generation) {
      this.#blocks.clear();
      this.#blocksAt = this.#encoder.generation;
    }
    const known = this.#blocks.get(fields);
    if (known !== undefined) return known;
    const block = this.#encoder.encode(fields);
    const steady = this.#blocksAt === this.#encoder.generation;
    if (steady && (fields === responseHeaders || fields === okTrailers)) this.#blocks.set(fields, block);
    return block;
  }
}

/** A window that was widened. undefined: beyond what there may be (§6.9.1). */
export function widened(window: number, bytes: number): number | undefined {
  return window + bytes > largestWindowBytes ? undefined : window + bytes;
}
