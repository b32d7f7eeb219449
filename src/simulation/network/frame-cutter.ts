import { type Frame, frameKinds, maxFrameBytes } from '../../member/peers/frames.ts';

/** A peer frame on its way: its parts are the chunks that it was written in, where it came alone in them. */
export interface WireFrame extends Frame {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
}

const headBytes = 13;

/** Cuts what is written to a peer port into frames, without copying where heads and payloads were written apart. */
export class FrameCutter {
  /** The beginning of a frame whose rest was not written yet. */
  #held: Uint8Array = new Uint8Array(0);

  push(chunks: readonly Uint8Array[], take: (frame: WireFrame) => void): void {
    let at = 0;
    if (this.#held.length === 0) {
      while (at + 1 < chunks.length) {
        const head = chunks[at] as Uint8Array;
        const payload = chunks[at + 1] as Uint8Array;
        if (head.length !== headBytes || lengthOf(head, 0) !== 9 + payload.length) break;
        take(frameOf([head, payload], head, payload));
        at += 2;
      }
      if (at === chunks.length) return;
    }
    this.#pushCopied([this.#held, ...chunks.slice(at)], take);
  }

  #pushCopied(chunks: readonly Uint8Array[], take: (frame: WireFrame) => void): void {
    const whole = joined(chunks);
    let at = 0;
    while (whole.length - at >= headBytes) {
      const length = lengthOf(whole, at);
      if (length < 9 || length > maxFrameBytes)
        throw new RangeError(`A peer frame of ${length} bytes was written.`);
      const end = at + 4 + length;
      if (end > whole.length) break;
      const frame = whole.subarray(at, end);
      take(frameOf([frame], frame, frame.subarray(headBytes)));
      at = end;
    }
    this.#held = whole.subarray(at);
  }
}

function frameOf(chunks: readonly Uint8Array[], head: Uint8Array, payload: Uint8Array): WireFrame {
  const group = wordOf(head, 9) * 2 ** 32 + wordOf(head, 5);
  return { kind: head[4] as number, group, payload, chunks, bytes: headBytes + payload.length };
}

/** Raft repeats what is lost and bears what is repeated; all other frames need TCP's order and care. */
export function isRaft(frame: Frame): boolean {
  return frame.kind === frameKinds.raft;
}

const lengthOf = wordOf;

function wordOf(data: Uint8Array, at: number): number {
  const [a, b, c, d] = [data[at] ?? 0, data[at + 1] ?? 0, data[at + 2] ?? 0, data[at + 3] ?? 0];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

/** Small chunks are parts of a larger array, as a socket's are: one of its own would cost more than its bytes. */
const slabBytes = 64 * 1024;
let slab = new Uint8Array(slabBytes);
let slabAt = 0;

function roomFor(bytes: number): Uint8Array {
  if (bytes > slabBytes / 16) return new Uint8Array(bytes);
  if (slabAt + bytes > slabBytes) {
    slab = new Uint8Array(slabBytes);
    slabAt = 0;
  }
  slabAt += bytes;
  return slab.subarray(slabAt - bytes, slabAt);
}

/** One chunk of several; a single one is passed on as it is. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0] as Uint8Array;
  let bytes = 0;
  for (const chunk of chunks) bytes += chunk.length;
  const whole = roomFor(bytes);
  let at = 0;
  for (const chunk of chunks) {
    // Heads are so small that the loop is faster.
    if (chunk.length > 24) whole.set(chunk, at);
    else for (let offset = 0; offset < chunk.length; offset++) whole[at + offset] = chunk[offset] as number;
    at += chunk.length;
  }
  return whole;
}
