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
  #wake: (() => unknown) | undefined;
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

  /** By hand, for one reader: in an async generator each item costs several promises. */
  [Symbol.asyncIterator](): AsyncIterator<T, void> {
    let batch: readonly T[] = [];
    let at = 0;
    let begun = false;
    let over = false;
    /** undefined: nothing is there yet. @throws what the inbox ended with, once. */
    const take = (): IteratorResult<T, void> | undefined => {
      if (over) return { done: true, value: undefined };
      if (at === batch.length && this.#items.length > 0) {
        batch = this.#items;
        this.#items = [];
        at = 0;
      }
      if (at < batch.length) return { done: false, value: batch[at++] as T };
      if (!this.#ended) return undefined;
      over = true;
      if (this.#failure !== undefined) throw this.#failure;
      return { done: true, value: undefined };
    };
    const next = (): Promise<IteratorResult<T, void>> =>
      new Promise((resolve, reject) => {
        begun = true;
        const answer = (): boolean => {
          try {
            const taken = take();
            if (taken !== undefined) resolve(taken);
            return taken !== undefined;
          } catch (error) {
            reject(error);
            return true;
          }
        };
        if (answer()) return;
        this.#wake = answer;
        if (!this.#paused) return;
        this.#paused = false;
        this.#flow?.resume();
      });
    const leave = async (): Promise<IteratorResult<T, void>> => {
      if (!over) {
        over = true;
        batch = [];
        if (begun) this.#onLeave?.();
        this.#notify();
      }
      return { done: true, value: undefined };
    };
    return { next, return: leave };
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
