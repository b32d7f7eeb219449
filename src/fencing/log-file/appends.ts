/** The appends of this process that wait for their turn, bounded. */
import { ConclaveError } from '../../errors/index.ts';
import type { CheckedWriter } from '../writer.ts';
import type { LogState } from './fenced-log.ts';
import { limits } from './frame.ts';

export interface Waiting {
  readonly writer: CheckedWriter;
  /** undefined: a claim. */
  readonly data: Uint8Array | undefined;
  readonly expectedSequence: number | undefined;
  readonly resolve: (state: LogState) => void;
  readonly reject: (error: unknown) => void;
}

export class Appends {
  readonly #path: string;
  readonly #maxBytes: number;
  #waiting: Waiting[] = [];
  #bytes = 0;

  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  /** @throws 'too-many-requests'. One alone is taken whatever its size. */
  add(append: Waiting): void {
    if (this.#bytes > 0 && this.#bytes + sizeOf(append) > this.#maxBytes) {
      const message = `Appends of ${this.#bytes} bytes to ${this.#path} wait already: await some of them.`;
      throw new ConclaveError('too-many-requests', message, { retryable: true });
    }
    this.#waiting.push(append);
    this.#bytes += sizeOf(append);
  }

  /** The first in line, and those behind it that can be in one frame with it; empty: nobody waits. */
  take(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    const [first] = this.#waiting;
    for (const next of this.#waiting) {
      bytes += sizeOf(next);
      if (count > 0 && (first === undefined || !fitTogether(first, next))) break;
      if (count > 0 && (bytes > 2 * limits.recordBytes || count >= limits.frameRecords)) break;
      count += 1;
    }
    const taken = this.#waiting.splice(0, count);
    for (const one of taken) this.#bytes -= sizeOf(one);
    return taken;
  }
}

/** What it holds of the room for those who wait. */
function sizeOf({ data }: Waiting): number {
  return 64 + (data?.length ?? 0);
}

function fitTogether(first: Waiting, next: Waiting): boolean {
  return (
    first.data !== undefined &&
    next.data !== undefined &&
    first.expectedSequence === undefined &&
    next.expectedSequence === undefined &&
    first.writer.token === next.writer.token &&
    first.writer.election === next.writer.election
  );
}
