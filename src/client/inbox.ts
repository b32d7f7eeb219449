import type { ConclaveError } from '../errors/index.ts';

export interface InboxFlow {
  /** Called when more than the high mark wait to be read. */
  pause(): void;
  /** Called when the reader has caught up after a pause. */
  resume(): void;
}

/** A queue between a producer that must not wait and one asynchronous reader. */
export class Inbox<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #ended = false;
  #failure: ConclaveError | undefined;
  #paused = false;
  #wake: (() => void) | undefined;
  readonly #flow: InboxFlow | undefined;
  readonly #onLeave: (() => void) | undefined;
  readonly #highMark: number;

  /** `onLeave` is called when the reader stops reading before the end. */
  constructor(options: { highMark?: number; flow?: InboxFlow; onLeave?: () => void } = {}) {
    this.#flow = options.flow;
    this.#onLeave = options.onLeave;
    this.#highMark = options.highMark ?? 64;
  }

  push(item: T): void {
    if (this.#ended) return;
    this.#items.push(item);
    if (!this.#paused && this.#items.length > this.#highMark) {
      this.#paused = true;
      this.#flow?.pause();
    }
    this.#notify();
  }

  /** What was pushed before is still read first. */
  end(failure?: ConclaveError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#notify();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    let finished = false;
    try {
      for (;;) {
        if (this.#items.length > 0) {
          const batch = this.#items;
          this.#items = [];
          yield* batch;
          continue;
        }
        if (this.#ended) break;
        if (this.#paused) {
          this.#paused = false;
          this.#flow?.resume();
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      finished = true;
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      if (!finished) this.#onLeave?.();
    }
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
