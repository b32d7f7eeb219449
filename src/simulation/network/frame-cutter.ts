import { wordAt } from '../../member/peers/bytes.ts';
import { frameHeadBytes, frameKinds, maxFrameBytes } from '../../member/peers/frames.ts';
import { Slab } from '../../member/slab.ts';

/** A peer frame on its way, in the memory that it was written in: a piece of its own for the head, or one for all. */
export class WireFrame {
  readonly kind: number;
  readonly group: number;
  readonly bytes: number;
  /** Undefined: it stands in `data`, before the payload. */
  readonly head: Uint8Array | undefined;
  readonly data: Uint8Array;

  constructor(head: Uint8Array | undefined, data: Uint8Array) {
    const from = head ?? data;
    this.kind = from[4] as number;
    this.group = wordAt(from, 9) * 2 ** 32 + wordAt(from, 5);
    this.bytes = data.length + (head?.length ?? 0);
    this.head = head;
    this.data = data;
  }

  /** Where the payload begins in `data`. */
  get payloadStart(): number {
    return this.head === undefined ? frameHeadBytes : 0;
  }

  get payload(): Uint8Array {
    return this.data.subarray(this.payloadStart);
  }

  addTo(chunks: Uint8Array[]): void {
    if (this.head !== undefined) chunks.push(this.head);
    chunks.push(this.data);
  }
}

/** Cuts what is written to a peer port into frames, without copying where each was written in chunks of its own. */
export class FrameCutter {
  /** The beginning of a frame whose rest was not written yet. */
  #held: Uint8Array | undefined;

  push(chunks: readonly Uint8Array[], take: (frame: WireFrame) => void): void {
    let at = 0;
    while (this.#held === undefined && at < chunks.length) {
      const first = chunks[at] as Uint8Array;
      const next = chunks[at + 1];
      const bytes = first.length < frameHeadBytes ? -1 : 4 + wordAt(first, 0);
      if (bytes === first.length) take(new WireFrame(undefined, first));
      else if (
        first.length === frameHeadBytes &&
        next !== undefined &&
        bytes === first.length + next.length
      ) {
        take(new WireFrame(first, next));
        at += 1;
      } else if (first.length > 0) break;
      at += 1;
    }
    if (at < chunks.length) this.#pushCopied(chunks.slice(at), take);
  }

  #pushCopied(chunks: readonly Uint8Array[], take: (frame: WireFrame) => void): void {
    const whole = joined(this.#held === undefined ? chunks : [this.#held, ...chunks]);
    let at = 0;
    while (whole.length - at >= frameHeadBytes) {
      const length = wordAt(whole, at);
      if (length < 9 || length > maxFrameBytes)
        throw new RangeError(`A peer frame of ${length} bytes was written.`);
      const end = at + 4 + length;
      if (end > whole.length) break;
      take(new WireFrame(undefined, whole.subarray(at, end)));
      at = end;
    }
    this.#held = at === whole.length ? undefined : whole.subarray(at);
  }
}

/** Raft repeats what is lost and bears what is repeated; all other frames need TCP's order and care. */
export function isRaft(frame: WireFrame): boolean {
  return frame.kind === frameKinds.raft;
}

const slab = new Slab();

/** One chunk of several; a single one is passed on as it is. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0] as Uint8Array;
  let bytes = 0;
  for (const chunk of chunks) bytes += chunk.length;
  const whole = slab.take(bytes);
  let at = 0;
  for (const chunk of chunks) {
    // Heads are so small that the loop is faster.
    if (chunk.length > 24) whole.set(chunk, at);
    else for (let offset = 0; offset < chunk.length; offset++) whole[at + offset] = chunk[offset] as number;
    at += chunk.length;
  }
  return whole;
}
