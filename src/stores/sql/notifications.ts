/** PostgreSQL's notifications as a stream that knows when it may have missed something. */
import { ConclaveError } from '../../errors/index.ts';
import type { Runtime, Timer } from '../../runtime/types.ts';

export interface NotificationHandlers {
  readonly onNotification: (channel: string, payload: string) => void;
  /** It listens again, after it could not. */
  readonly onGap: () => void;
  readonly onEnd: (error: unknown) => void;
}

export interface Listening {
  listen(channels: readonly string[], handlers: NotificationHandlers): Promise<AsyncDisposable>;
}

export interface NotificationOptions {
  readonly source: Listening;
  readonly channel: string;
  /** Nobody else's. */
  readonly probeChannel: string;
  /** Sends a notification by the connections that write. */
  readonly notify: (channel: string, signal: AbortSignal) => Promise<unknown>;
  readonly description: string;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** A connection that died without a word, and a pooler that swallows notifications, are found within these. */
const probeEveryMs = 20_000;
const probeWithinMs = 5000;

/**
 * What `tell` makes of payloads; of undefined where anything may have been missed. Ends with the signal.
 * @throws where it listens no longer.
 */
export async function* notifications<T>(
  options: NotificationOptions,
  tell: (payload: string | undefined) => T,
): AsyncGenerator<T, void, undefined> {
  const { signal } = options;
  const inbox = new Inbox(options);
  signal.addEventListener('abort', inbox.wake);
  let listener: AsyncDisposable | undefined;
  try {
    const listening = options.source.listen([options.channel, options.probeChannel], inbox);
    // One that comes after we left is closed then.
    listening.then(
      (late) => (signal.aborted && listener === undefined ? late[Symbol.asyncDispose]() : undefined),
      () => {},
    );
    listener = await inbox.orAborted(listening);
    if (listener === undefined) return;
    inbox.probe();
    while (!signal.aborted) {
      const next = inbox.items.shift();
      if (next !== undefined) yield tell(next.payload);
      else if (inbox.ended !== undefined) throw inbox.ended;
      else await inbox.news();
    }
  } finally {
    signal.removeEventListener('abort', inbox.wake);
    inbox.close();
    await listener?.[Symbol.asyncDispose]();
  }
}

class Inbox implements NotificationHandlers {
  readonly items: { readonly payload: string | undefined }[] = [];
  ended: unknown;
  readonly #options: NotificationOptions;
  readonly #probing = new AbortController();
  #timer: Timer | undefined;
  #wake = Promise.withResolvers<void>();
  #live = false;

  constructor(options: NotificationOptions) {
    this.#options = options;
  }

  readonly wake = () => this.#wake.resolve();

  readonly onNotification = (channel: string, payload: string) => {
    if (channel !== this.#options.probeChannel) this.#put(payload);
    else if (!this.#probing.signal.aborted) this.#heard();
  };

  readonly onGap = () => {
    this.#live = false;
    this.probe();
  };

  readonly onEnd = (error: unknown) => {
    this.ended ??= error;
    this.wake();
  };

  async news(): Promise<void> {
    await this.#wake.promise;
    this.#wake = Promise.withResolvers();
  }

  async orAborted<T>(promise: Promise<T>): Promise<T | undefined> {
    const { signal } = this.#options;
    if (signal.aborted) return undefined;
    const left = Promise.withResolvers<undefined>();
    const leave = () => left.resolve(undefined);
    signal.addEventListener('abort', leave);
    try {
      return await Promise.race([promise, left.promise]);
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** What is sent where others write must be heard here. */
  probe(): void {
    const { notify, probeChannel, runtime, description } = this.#options;
    const { signal } = this.#probing;
    if (signal.aborted) return;
    this.#timer?.cancel();
    const onSilence = () => {
      const message = `No notifications arrive from ${description}: the connection is dead, or a pooler between (PgBouncer in transaction mode) keeps them; with listen: false nobody waits for them.`;
      this.onEnd(new ConclaveError('unavailable', message, { retryable: true }));
    };
    this.#timer = runtime.timers.after(probeWithinMs, onSilence, { background: true });
    notify(probeChannel, signal).catch(this.onEnd);
  }

  close(): void {
    this.#probing.abort();
    this.#timer?.cancel();
  }

  #heard(): void {
    if (!this.#live) this.#put(undefined);
    this.#live = true;
    this.#timer?.cancel();
    this.#timer = this.#options.runtime.timers.after(probeEveryMs, () => this.probe(), { background: true });
  }

  #put(payload: string | undefined): void {
    // Who does not read is told that something changed, not every change.
    if (this.items.length >= 10_000) this.items.splice(0, this.items.length, { payload: undefined });
    this.items.push({ payload });
    this.wake();
  }
}
