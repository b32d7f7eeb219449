import { ConclaveError } from '../errors/index.ts';
import type { Runtime, Timer } from '../runtime/types.ts';
import { type KeepAliveBatchRequest, type KeepAliveBatchResponse, services } from '../wire/index.ts';
import { Backoff, type CallOptions, pause } from './calls.ts';
import { asConclaveError, type Endpoints } from './endpoints.ts';
import { aborted, isFinal, timedOut } from './renewal-errors.ts';
import type { TransportStream } from './transport.ts';

/** A request stays well under the 2 MiB that servers take: at most ten bytes for an id, and its tag. */
const MAX_IDS_PER_REQUEST = 20_000;

interface Waiter {
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  /** Also takes the waiter off its signal. */
  settle(ttlMs: number | ConclaveError): void;
  settled: boolean;
}

interface Batch {
  readonly requestId: number;
  readonly leases: readonly bigint[];
  /** In the order of `leases`. */
  readonly waiters: readonly (readonly Waiter[])[];
  /** Tells the link that the answer came; absent while not on the way. */
  answered: (() => void) | undefined;
}

type BatchStream = TransportStream<KeepAliveBatchRequest, KeepAliveBatchResponse>;

/**
 * Renews leases: all that are asked for in one turn of the loop go in one request over one stream, which moves to
 * another endpoint when it breaks, taking what has no answer along.
 */
export class KeepAlives {
  readonly #endpoints: Endpoints;
  readonly #runtime: Runtime;
  readonly #timeoutMs: number;
  #gathering = new Map<bigint, Waiter[]>();
  readonly #sent = new Map<number, Batch>();
  #nextRequestId = 1;
  #running = false;
  #stream: { send(batch: Batch): void; close(): void } | undefined;
  #sweep: Timer | undefined;
  #closed: ConclaveError | undefined;

  constructor(options: { endpoints: Endpoints; runtime: Runtime; timeoutMs: number }) {
    this.#endpoints = options.endpoints;
    this.#runtime = options.runtime;
    this.#timeoutMs = options.timeoutMs;
  }

  /** Resolves to the TTL in ms that the lease has again; 0: there is no such lease. */
  renew(lease: bigint, options: CallOptions = {}): Promise<number> {
    const { signal, timeoutMs = this.#timeoutMs } = options;
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted) return Promise.reject(ConclaveError.aborted('Renewing a lease', signal));
    return new Promise<number>((resolve, reject) => {
      const waiter: Waiter = {
        deadlineMs: this.#runtime.clock.monotonicMs() + timeoutMs,
        timeoutMs,
        settled: false,
        settle: (result) => {
          if (waiter.settled) return;
          waiter.settled = true;
          signal?.removeEventListener('abort', abort);
          if (typeof result === 'number') resolve(result);
          else reject(result);
        },
      };
      const abort = (): void => waiter.settle(aborted(signal));
      signal?.addEventListener('abort', abort, { once: true });
      this.#gather(lease, waiter);
    });
  }

  close(cause: ConclaveError): void {
    this.#closed = cause;
    this.#failAll(cause);
    this.#sweep?.cancel();
    this.#stream?.close();
  }

  #gather(lease: bigint, waiter: Waiter): void {
    if (this.#gathering.size === 0) this.#runtime.timers.nextTurn(() => this.#flush());
    const waiters = this.#gathering.get(lease);
    if (waiters === undefined) this.#gathering.set(lease, [waiter]);
    else waiters.push(waiter);
    this.#armSweep(waiter.timeoutMs);
  }

  #flush(): void {
    const all = [...this.#gathering];
    this.#gathering = new Map();
    for (let from = 0; from < all.length; from += MAX_IDS_PER_REQUEST) {
      const part = all.slice(from, from + MAX_IDS_PER_REQUEST);
      const batch: Batch = {
        requestId: this.#nextRequestId,
        leases: part.map(([lease]) => lease),
        waiters: part.map(([, waiters]) => waiters),
        answered: undefined,
      };
      this.#nextRequestId += 1;
      this.#sent.set(batch.requestId, batch);
      this.#stream?.send(batch);
    }
    if (!this.#running && this.#sent.size > 0) void this.#run();
  }

  /** Keeps a stream as long as renewals want one. Never rejects. */
  async #run(): Promise<void> {
    this.#running = true;
    const backoff = new Backoff(this.#runtime, 10, 500);
    while (this.#sent.size > 0 && this.#closed === undefined) {
      const failure = await this.#converse(() => backoff.reset());
      for (const batch of this.#sent.values()) {
        batch.answered?.();
        batch.answered = undefined;
      }
      if (failure !== undefined && isFinal(failure)) this.#failAll(failure);
      else if (this.#sent.size > 0) await pause(this.#runtime, backoff.nextMs());
    }
    this.#running = false;
  }

  /** One stream on one endpoint, to its end. */
  async #converse(onAnswer: () => void): Promise<ConclaveError | undefined> {
    try {
      const link = this.#endpoints.choose();
      try {
        const stream: BatchStream = link.stream(services.Conclave.keepAliveBatch);
        const send = (batch: Batch): void => {
          batch.answered = link.expectAnswer();
          stream.send({ IDs: [...batch.leases], requestId: batch.requestId });
        };
        this.#stream = { send, close: () => stream.close() };
        for (const batch of this.#sent.values()) send(batch);
        for await (const response of stream.responses) {
          onAnswer();
          this.#endpoints.worked(link);
          this.#take(response);
        }
        this.#endpoints.failed(link);
        return undefined;
      } catch (caught) {
        this.#endpoints.failed(link);
        return asConclaveError(caught, 'Renewing leases');
      }
    } catch (caught) {
      return asConclaveError(caught, 'Renewing leases');
    } finally {
      this.#stream = undefined;
    }
  }

  #take(response: KeepAliveBatchResponse): void {
    const batch = this.#sent.get(response.requestId);
    if (batch === undefined) return;
    this.#sent.delete(response.requestId);
    batch.answered?.();
    for (const [position, waiters] of batch.waiters.entries()) {
      const ttlMs = response.ttlMs[position] ?? 0;
      for (const waiter of waiters) waiter.settle(ttlMs);
    }
  }

  #failAll(cause: ConclaveError): void {
    const batches = [...this.#sent.values()].flatMap((batch) => batch.waiters);
    const all = [...batches, ...this.#gathering.values()].flat();
    for (const batch of this.#sent.values()) batch.answered?.();
    this.#sent.clear();
    for (const waiter of all) waiter.settle(cause);
  }

  /** One timer for all waiters, in place of one for each. */
  #armSweep(delayMs: number): void {
    if (this.#sweep !== undefined && this.#sweepAtMs <= this.#runtime.clock.monotonicMs() + delayMs) return;
    this.#sweep?.cancel();
    this.#sweepAtMs = this.#runtime.clock.monotonicMs() + delayMs;
    this.#sweep = this.#runtime.timers.after(delayMs, () => {
      this.#sweep = undefined;
      // Answers that came meanwhile and wait in a socket count.
      this.#runtime.timers.nextTurn(() => this.#sweepOut());
    });
  }
  #sweepAtMs = 0;

  #sweepOut(): void {
    const now = this.#runtime.clock.monotonicMs();
    let next = Number.POSITIVE_INFINITY;
    for (const [requestId, batch] of this.#sent) {
      let waiting = false;
      for (const waiter of batch.waiters.flat()) {
        if (waiter.settled) continue;
        if (waiter.deadlineMs <= now)
          waiter.settle(timedOut(waiter.timeoutMs, this.#endpoints.names.join(', ')));
        else {
          waiting = true;
          next = Math.min(next, waiter.deadlineMs);
        }
      }
      if (waiting) continue;
      batch.answered?.();
      this.#sent.delete(requestId);
    }
    for (const waiter of [...this.#gathering.values()].flat()) next = Math.min(next, waiter.deadlineMs);
    if (next !== Number.POSITIVE_INFINITY) this.#armSweep(Math.max(next - now, 1));
  }
}
