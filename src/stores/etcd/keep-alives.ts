import { Backoff, pause } from '../../client/calls.ts';
import { asConclaveError, type Endpoints } from '../../client/endpoints.ts';
import type { CallOptions, TransportStream } from '../../client/index.ts';
import type { Link } from '../../client/link.ts';
import { aborted, isFinal, timedOut } from '../../client/renewal-errors.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { type LeaseKeepAliveRequest, type LeaseKeepAliveResponse, services } from '../../wire/index.ts';

interface Renewal {
  readonly lease: bigint;
  /** Where it was sent, as long as it is not answered there. */
  answered: (() => void) | undefined;
  settled: boolean;
  settle(ttlMs: number | ConclaveError): void;
}

/**
 * Renews leases over one stream of etcd's. Answers name a lease and nothing more, so on one stream each is taken for
 * the oldest request of that lease, also where its caller has given up: an answer must never be taken for that to a
 * later request. When the stream breaks, what is not answered goes over the next one.
 */
export class LeaseKeepAlives {
  readonly #endpoints: Endpoints;
  readonly #runtime: Runtime;
  readonly #timeoutMs: number;
  readonly #pending = new Set<Renewal>();
  /** On the present stream, in the order of sending. */
  #sent: Renewal[] = [];
  #stream: TransportStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse> | undefined;
  #link: Link | undefined;
  #running = false;
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
      const { timers } = this.#runtime;
      // An endpoint that does not answer leaves time for another one.
      const moving = timers.after(timeoutMs / 2, () => this.#giveUpStream(renewal, false));
      const ending = timers.after(timeoutMs, () => {
        // An answer that waits in the socket counts.
        timers.nextTurn(() => {
          this.#giveUpStream(renewal, true);
          renewal.settle(timedOut(timeoutMs, `etcd at ${this.#endpoints.names.join(', ')}`));
        });
      });
      const abort = (): void => renewal.settle(aborted(signal));
      const renewal: Renewal = {
        lease,
        answered: undefined,
        settled: false,
        settle: (result) => {
          if (renewal.settled) return;
          renewal.settled = true;
          this.#pending.delete(renewal);
          moving.cancel();
          ending.cancel();
          signal?.removeEventListener('abort', abort);
          if (typeof result === 'number') resolve(result);
          else reject(result);
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#pending.add(renewal);
      if (this.#stream !== undefined && this.#link !== undefined) this.#send(renewal);
      else if (!this.#running) void this.#run();
    });
  }

  close(cause: ConclaveError): void {
    this.#closed = cause;
    for (const renewal of [...this.#pending]) renewal.settle(cause);
    this.#stream?.close();
  }

  #send(renewal: Renewal): void {
    renewal.answered = this.#link?.expectAnswer();
    this.#sent.push(renewal);
    this.#stream?.send({ ID: renewal.lease });
  }

  /** Its answer is overdue on the present stream. `even`: also where there is no other endpoint. */
  #giveUpStream(renewal: Renewal, even: boolean): void {
    if (renewal.settled || !this.#sent.includes(renewal)) return;
    if (even || this.#endpoints.names.length > 1) this.#stream?.close();
  }

  /** Keeps a stream as long as renewals want one. Never rejects. */
  async #run(): Promise<void> {
    this.#running = true;
    const backoff = new Backoff(this.#runtime, 10, 500);
    while (this.#pending.size > 0 && this.#closed === undefined) {
      const failure = await this.#converse(() => backoff.reset());
      for (const renewal of this.#sent) renewal.answered?.();
      this.#sent = [];
      if (failure !== undefined && isFinal(failure)) {
        for (const renewal of [...this.#pending]) renewal.settle(failure);
      } else if (this.#pending.size > 0) await pause(this.#runtime, backoff.nextMs());
    }
    this.#running = false;
  }

  /** One stream on one endpoint, to its end. */
  async #converse(onAnswer: () => void): Promise<ConclaveError | undefined> {
    let link: Link | undefined;
    try {
      link = this.#endpoints.choose();
      this.#link = link;
      this.#stream = link.stream(services.Lease.leaseKeepAlive);
      for (const renewal of this.#pending) this.#send(renewal);
      for await (const response of this.#stream.responses) {
        onAnswer();
        this.#endpoints.worked(link);
        this.#take(response);
      }
      this.#endpoints.failed(link);
      return undefined;
    } catch (caught) {
      if (link !== undefined) this.#endpoints.failed(link);
      return asConclaveError(caught, 'Renewing leases');
    } finally {
      this.#stream = undefined;
      this.#link = undefined;
    }
  }

  #take(response: LeaseKeepAliveResponse): void {
    const at = this.#sent.findIndex(({ lease }) => lease === response.ID);
    const [renewal] = at < 0 ? [] : this.#sent.splice(at, 1);
    renewal?.answered?.();
    renewal?.settle(response.TTL * 1000);
  }
}
