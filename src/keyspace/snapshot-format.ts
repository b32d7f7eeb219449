/**
 * The snapshot's frames: length, checksum, content. The content starts with the section's number; a section may
 * take many frames. Sections come in the order of their numbers, the first and the last exactly once.
 */
import { hashBytes } from './bytes.ts';
import type { Writer } from './encoding.ts';
import { MalformedData } from './errors.ts';

/** 'CKS' and the format's version. */
export const snapshotMagic = 0x434b5301;
export const frameHeaderBytes = 8;
/** A frame is closed once its content reaches this. */
export const frameTargetBytes = 256 * 1024 - 64;
/** No frame is longer: the largest value, by far, and a target's worth. */
const maxFrameBytes = 1 << 30;
const checksumSeed = 0x434b53;

export const section = {
  header: 1,
  leases: 2,
  clients: 3,
  base: 4,
  history: 5,
  auth: 6,
  trailer: 7,
} as const;

/** A writer with room for the frame's header, and the section's number. */
export function openFrame(writer: Writer, number: number): void {
  writer.length = 0;
  writer.uint32(0);
  writer.uint32(0);
  writer.byte(number);
}

/** The whole frame: valid until the next call on the writer. */
export function closeFrame(writer: Writer): Uint8Array {
  const content = writer.written().subarray(frameHeaderBytes);
  writer.setUint32(0, content.length);
  writer.setUint32(4, hashBytes(content, 0, content.length, checksumSeed));
  return writer.written();
}

/** Puts frames together out of chunks of any size, and checks each. */
export class FrameParser {
  private readonly visit: (content: Uint8Array) => void;
  private readonly header = new Uint8Array(frameHeaderBytes);
  private headerFill = 0;
  private content: Uint8Array | undefined;
  private contentFill = 0;

  constructor(visit: (content: Uint8Array) => void) {
    this.visit = visit;
  }

  /** True between frames. */
  get complete(): boolean {
    return this.headerFill === 0;
  }

  private headerNumber(at: number): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.header.subarray(at, at + 4);
    return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  }

  write(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.headerFill < frameHeaderBytes) {
        this.header[this.headerFill++] = chunk[at++] as number;
        if (this.headerFill === frameHeaderBytes) this.openContent(this.headerNumber(0), chunk.length - at);
        continue;
      }
      const needed = this.headerNumber(0) - this.contentFill;
      const piece = chunk.subarray(at, Math.min(chunk.length, at + needed));
      at += piece.length;
      this.add(piece);
      if (piece.length === needed) this.closeContent();
    }
  }

  private openContent(length: number, available: number): void {
    if (length === 0 || length > maxFrameBytes) {
      throw new MalformedData(`A snapshot has a frame of ${length} bytes.`);
    }
    // What a damaged length claims is allocated only as the bytes arrive.
    this.content = new Uint8Array(Math.min(length, Math.max(available, frameTargetBytes)));
    this.contentFill = 0;
  }

  private add(piece: Uint8Array): void {
    let content = this.content as Uint8Array;
    if (this.contentFill + piece.length > content.length) {
      const grown = new Uint8Array(
        Math.min(this.headerNumber(0), Math.max(content.length * 2, this.contentFill + piece.length)),
      );
      grown.set(content.subarray(0, this.contentFill));
      this.content = grown;
      content = grown;
    }
    content.set(piece, this.contentFill);
    this.contentFill += piece.length;
  }

  private closeContent(): void {
    const content = (this.content as Uint8Array).subarray(0, this.contentFill);
    this.content = undefined;
    this.headerFill = 0;
    if (hashBytes(content, 0, content.length, checksumSeed) !== this.headerNumber(4)) {
      throw new MalformedData('A snapshot frame does not match its checksum.');
    }
    this.visit(content);
  }
}
