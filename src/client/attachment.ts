import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { type AttachRequest, type AttachResponse, services } from '../wire/index.ts';
import { Backoff, type CallOptions, pause, waitWithin } from './calls.ts';
import { deferred } from './deferred.ts';
import { asConclaveError, type Endpoints } from './endpoints.ts';
import type { TransportStream } from './transport.ts';

export type AttachmentState =
  | 'attached'
  /** The connection broke: the server may have shortened the lease. Attaching again is under way. */
  | 'broken'
  /** The lease does not exist any more. Final. */
  | 'lost';

type AttachStream = TransportStream<AttachRequest, AttachResponse>;

/** One binding of the lease to one connection. */
interface Binding {
  readonly attachment: number;
  readonly endpoint: string;
  readonly stream: AttachStream;
  readonly responses: AsyncIterator<AttachResponse>;
}

/**
 * Keeps a lease bound to a live connection. A break is told at once, and repaired on whatever endpoint answers. A
 * member that stops says so: then the lease is bound elsewhere first and nobody hears of a break.
 */
export class Attachment implements AsyncDisposable {
  readonly lease: bigint;
  readonly graceMs: number;
  readonly #endpoints: Endpoints;
  readonly #runtime: Runtime;
  readonly #listeners = new Set<(state: AttachmentState) => void>();
  readonly #stop = new AbortController();
  readonly #first = deferred<void>();
  readonly #finished: Promise<void>;
  readonly #onClosed: () => void;
  #state: AttachmentState = 'broken';
  #current: Binding | undefined;

  constructor(options: {
    endpoints: Endpoints;
    runtime: Runtime;
    lease: bigint;
    graceMs: number;
    onClosed: () => void;
  }) {
    this.#endpoints = options.endpoints;
    this.#runtime = options.runtime;
    this.lease = options.lease;
    this.graceMs = options.graceMs;
    this.#onClosed = options.onClosed;
    this.#first.promise.catch(() => {});
    this.#finished = this.#run();
  }

  get state(): AttachmentState {
    return this.#state;
  }

  /** Called at once with the present state, then with each change. A listener that throws changes nothing. */
  subscribe(listener: (state: AttachmentState) => void): () => void {
    this.#listeners.add(listener);
    tell(listener, this.#state);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when first attached. @throws 'lease-lost', 'timeout', 'aborted', 'closed', 'unsupported' */
  attached(options: CallOptions & { readonly timeoutMs: number }): Promise<void> {
    return waitWithin(this.#runtime, this.#first.promise, 'Binding the lease to a connection', options);
  }

  /** Undoes the binding: the lease keeps its deadline. Idempotent. */
  async close(): Promise<void> {
    if (!this.#stop.signal.aborted) {
      this.#stop.abort();
      this.#first.reject(new ConclaveError('closed', 'The binding of the lease was closed.'));
      this.#current?.stream.send({ ID: this.lease, graceMs: this.graceMs, detach: true, confirmed: 0 });
      this.#current?.stream.end();
    }
    // A member that does not answer must not hold up the closing.
    const timer = this.#runtime.timers.after(500, () => this.#current?.stream.close());
    await this.#finished;
    timer.cancel();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const backoff = new Backoff(this.#runtime, 4, 250);
    let binding: Binding | undefined;
    while (!this.#stop.signal.aborted && this.#state !== 'lost') {
      binding ??= await this.#bind(undefined);
      if (binding === undefined) {
        await pause(this.#runtime, backoff.nextMs(), this.#stop.signal);
        continue;
      }
      backoff.reset();
      this.#take(binding);
      const next = await this.#hold(binding);
      if (next === undefined) this.#release(binding);
      binding = next;
    }
    binding?.stream.close();
    this.#onClosed();
  }

  #take(binding: Binding): void {
    const previous = this.#current;
    this.#current = binding;
    // Only now may its break shorten the lease: before, this could be a binding that was given up for another.
    const confirmed = binding.attachment;
    binding.stream.send({ ID: this.lease, graceMs: this.graceMs, detach: false, confirmed });
    this.#enter('attached');
    this.#first.resolve();
    // Told from here, not from the reading of answers, which may be busy with a move.
    void binding.stream.closed.then(() => this.#release(binding));
    previous?.stream.close();
  }

  #release(binding: Binding): void {
    if (this.#current !== binding) return;
    this.#current = undefined;
    binding.stream.close();
    if (!this.#stop.signal.aborted) this.#enter('broken');
  }

  /** Until the binding is over. Resolves to its successor where there is one already. */
  async #hold(binding: Binding): Promise<Binding | undefined> {
    try {
      for (;;) {
        const { done, value } = await binding.responses.next();
        if (done || value.detached) return undefined;
        if (value.unknownLease) {
          this.#lose();
          return undefined;
        }
        if (value.moving) return await this.#move(binding);
      }
    } catch {
      return undefined;
    }
  }

  /** Binds elsewhere while the old binding still stands. */
  async #move(binding: Binding): Promise<Binding | undefined> {
    const backoff = new Backoff(this.#runtime, 4, 100);
    while (this.#current === binding && !this.#stop.signal.aborted) {
      const elsewhere = await this.#bind(binding.endpoint);
      if (elsewhere !== undefined) return elsewhere;
      await pause(this.#runtime, backoff.nextMs(), this.#stop.signal);
    }
    return undefined;
  }

  async #bind(avoid: string | undefined): Promise<Binding | undefined> {
    let stream: AttachStream | undefined;
    try {
      const link = this.#endpoints.choose(avoid);
      stream = link.stream(services.Conclave.attach);
      const answered = link.expectAnswer();
      try {
        stream.send({ ID: this.lease, graceMs: this.graceMs, detach: false, confirmed: 0 });
        const responses = stream.responses[Symbol.asyncIterator]();
        const stop = this.#stop.signal;
        const abort = (): void => stream?.close();
        stop.addEventListener('abort', abort, { once: true });
        const { done, value } = await responses
          .next()
          .finally(() => stop.removeEventListener('abort', abort));
        if (done !== true && value.unknownLease) this.#lose();
        if (done !== true && !value.unknownLease && !value.moving && value.attachment > 0) {
          this.#endpoints.worked(link);
          return { endpoint: link.endpoint, stream, responses, attachment: value.attachment };
        }
        this.#endpoints.failed(link);
      } catch (caught) {
        this.#endpoints.failed(link);
        throw caught;
      } finally {
        answered();
      }
    } catch (caught) {
      const error = asConclaveError(caught, 'Binding the lease to a connection');
      if (error.code === 'not-found' || error.code === 'lease-lost') this.#lose();
      // Nothing that trying again could change; whoever waits for the first binding must hear of it.
      else if (!error.retryable) this.#first.reject(error);
    }
    stream?.close();
    return undefined;
  }

  #lose(): void {
    this.#first.reject(
      new ConclaveError('lease-lost', `Lease ${this.lease.toString(16)} does not exist any more.`),
    );
    this.#enter('lost');
  }

  #enter(state: AttachmentState): void {
    if (this.#state === state || this.#state === 'lost') return;
    this.#state = state;
    for (const listener of [...this.#listeners]) tell(listener, state);
  }
}

function tell(listener: (state: AttachmentState) => void, state: AttachmentState): void {
  try {
    listener(state);
  } catch {
    // A listener's failure is its own; the binding must live on.
  }
}
