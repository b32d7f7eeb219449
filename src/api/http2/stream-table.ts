import { NumberTable } from '../../collections/index.ts';
import type { Http2Stream } from './stream.ts';

/** Streams that we reset a while ago: the other side may not have heard of it yet. */
const rememberedResets = 1000;

/** The streams of one connection that are open, and what has to be known of the others. */
export class StreamTable {
  readonly #open = new NumberTable<Http2Stream>();
  readonly #reset = new Set<number>();
  #last = 0;

  get size(): number {
    return this.#open.size;
  }

  /** The highest that was ever opened: those up to it that are not open are closed. */
  get last(): number {
    return this.#last;
  }

  get(id: number): Http2Stream | undefined {
    return this.#open.get(id);
  }

  all(): Http2Stream[] {
    return this.#open.entries().map(([, stream]) => stream);
  }

  add(stream: Http2Stream): void {
    this.#last = stream.id;
    this.#open.set(stream.id, stream);
  }

  remove(id: number, resetByUs: boolean): void {
    this.#open.delete(id);
    if (!resetByUs) return;
    this.#reset.add(id);
    if (this.#reset.size <= rememberedResets) return;
    const [oldest] = this.#reset;
    if (oldest !== undefined) this.#reset.delete(oldest);
  }

  /** Frames of it that were on their way are to be ignored (RFC 9113 §5.1). */
  wasReset(id: number): boolean {
    return this.#reset.has(id);
  }
}
