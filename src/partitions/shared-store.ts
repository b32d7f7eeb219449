/** The same store, with the watches over our own leaderships served by one feed. */
import type {
  ElectionState,
  LeaseStore,
  SessionOptions,
  StoreCallOptions,
  StoreCapabilities,
  StoreSession,
} from '../election/index.ts';
import type { StateFeed } from './feed.ts';

/** A leadership that was just won shows in the feed a moment later, under load perhaps much later. */
const echoMs = 5000;

/** Disposing it leaves the store open. */
export class SharedStore implements LeaseStore {
  readonly description: string;
  readonly capabilities: StoreCapabilities;
  readonly #store: LeaseStore;
  readonly #feed: StateFeed;
  readonly #holder: string;

  constructor(store: LeaseStore, feed: StateFeed, holder: string) {
    this.description = store.description;
    this.capabilities = store.capabilities;
    this.#store = store;
    this.#feed = feed;
    this.#holder = holder;
  }

  openSession(options: SessionOptions): Promise<StoreSession> {
    return this.#store.openSession(options);
  }

  read(name: string, options?: StoreCallOptions): Promise<ElectionState> {
    return this.#store.read(name, options);
  }

  watch(name: string, options: { readonly signal: AbortSignal }): AsyncIterable<ElectionState> {
    return this.#feed.whole ? this.#watchFeed(name, options.signal) : this.#store.watch(name, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async *#watchFeed(name: string, signal: AbortSignal): AsyncGenerator<ElectionState, void, undefined> {
    const latest = () => this.#feed.get(name)?.state;
    await this.#feed.until(name, () => latest()?.leader?.holder === this.#holder, signal, echoMs);
    let shown: ElectionState | undefined;
    while (!signal.aborted && !this.#feed.stopped.aborted) {
      const state = latest();
      if (state !== undefined && state !== shown) {
        shown = state;
        yield state;
      } else {
        await this.#feed.changed(name, signal);
      }
    }
  }
}
