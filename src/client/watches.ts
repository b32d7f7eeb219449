import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { type Event, services, type WatchRequest, type WatchResponse } from '../wire/index.ts';
import { Backoff, pause } from './calls.ts';
import { asConclaveError, type Endpoints, mayRetry } from './endpoints.ts';
import { Inbox } from './inbox.ts';
import { checkLeader, type LeaderCheck } from './leader-check.ts';
import type { Link } from './link.ts';
import { staleTexts } from './login.ts';
import type { TransportStream } from './transport.ts';
import { type Impatient, WatchOutages } from './watch-outages.ts';

export interface WatchOptions {
  readonly key: Uint8Array;
  /** Empty or left out: one key. [0]: all keys from `key` on. */
  readonly rangeEnd?: Uint8Array;
  /** 0 or left out: from now on. */
  readonly startRevision?: number;
  readonly prevKv?: boolean;
  readonly noPut?: boolean;
  readonly noDelete?: boolean;
}

/** The first batch has no events: it says that the watch stands, and from where. Revisions rise; none is split. */
export interface WatchBatch {
  readonly events: readonly Event[];
  /** Everything up to it has been delivered. */
  readonly revision: number;
}

export interface WatchCallOptions {
  readonly signal?: AbortSignal;
  /**
   * The watch fails with 'unavailable' where no member that knows a leader has served it for so long. Default: it waits
   * until one does.
   */
  readonly outageMs?: number;
}

interface Subscription {
  readonly options: WatchOptions;
  readonly inbox: Inbox<WatchBatch>;
  /** The next revision wanted; 0 until the server said what "now" is. */
  nextRevision: number;
  /** On the present stream; undefined: not created there. */
  watchId: number | undefined;
  announced: boolean;
  /** The reader lags: created again when it has caught up. */
  parked: boolean;
  readonly impatient: Impatient | undefined;
}

type WatchStream = TransportStream<WatchRequest, WatchResponse>;
const BACKLOG = 256;
const none = new Uint8Array(0);

/**
 * All watches of a client over one stream. When it breaks, each goes on elsewhere from the revision after the last
 * one delivered: nothing is lost and nothing comes twice.
 */
export class Watches {
  readonly #endpoints: Endpoints;
  readonly #runtime: Runtime;
  readonly #subscriptions = new Set<Subscription>();
  readonly #byId = new Map<number, Subscription>();
  /** Creations without an answer yet: the server answers them in order. */
  #creating: Subscription[] = [];
  #nextWatchId = 1;
  #running = false;
  readonly #outages: WatchOutages;
  #stream: WatchStream | undefined;
  #link: Link | undefined;
  #closed: ConclaveError | undefined;

  constructor(options: { endpoints: Endpoints; runtime: Runtime }) {
    this.#endpoints = options.endpoints;
    this.#runtime = options.runtime;
    this.#outages = new WatchOutages(options.runtime.timers, options.endpoints.names);
    this.#endpoints.onDistrust((link) => {
      if (link === this.#link) this.#stream?.close();
    });
  }

  /** Ends quietly when the signal aborts. @throws 'out-of-range' when the next revision wanted is compacted away. */
  async *watch(
    options: WatchOptions,
    { signal, outageMs }: WatchCallOptions = {},
  ): AsyncGenerator<WatchBatch, void, undefined> {
    if (this.#closed !== undefined) throw this.#closed;
    if (signal?.aborted) return;
    const subscription: Subscription = {
      options,
      inbox: new Inbox<WatchBatch>({
        highMark: BACKLOG,
        flow: { pause: () => this.#park(subscription), resume: () => this.#unpark(subscription) },
      }),
      nextRevision: options.startRevision ?? 0,
      watchId: undefined,
      announced: false,
      parked: false,
      impatient:
        outageMs === undefined ? undefined : { outageMs, fail: (error) => this.#remove(subscription, error) },
    };
    const leave = (): void => this.#remove(subscription, undefined);
    signal?.addEventListener('abort', leave, { once: true });
    this.#subscriptions.add(subscription);
    if (subscription.impatient) this.#outages.add(subscription.impatient);
    this.#create(subscription);
    if (!this.#running) void this.#run();
    try {
      for await (const batch of subscription.inbox) {
        if (signal?.aborted) return;
        yield batch;
      }
    } finally {
      signal?.removeEventListener('abort', leave);
      leave();
    }
  }

  /** All watches go on over a new stream: what streams are opened with has changed. */
  restart(): void {
    this.#stream?.close();
  }

  close(cause: ConclaveError): void {
    this.#closed = cause;
    for (const subscription of [...this.#subscriptions]) this.#remove(subscription, cause);
    this.#stream?.close();
  }

  #create(subscription: Subscription): void {
    if (this.#stream === undefined) return;
    const { key, rangeEnd = none, prevKv = false, noPut, noDelete } = subscription.options;
    const watchId = this.#nextWatchId;
    this.#nextWatchId += 1;
    subscription.watchId = watchId;
    this.#byId.set(watchId, subscription);
    this.#creating.push(subscription);
    const filters = [...(noPut ? [0 as const] : []), ...(noDelete ? [1 as const] : [])];
    const startRevision = subscription.nextRevision;
    const value = {
      key,
      rangeEnd,
      startRevision,
      progressNotify: true,
      filters,
      prevKv,
      watchId,
      fragment: false,
    };
    this.#stream.send({ requestUnion: { $case: 'createRequest', value } });
  }

  #cancel(subscription: Subscription): void {
    const { watchId } = subscription;
    if (watchId === undefined) return;
    subscription.watchId = undefined;
    this.#byId.delete(watchId);
    this.#stream?.send({ requestUnion: { $case: 'cancelRequest', value: { watchId } } });
  }

  #remove(subscription: Subscription, cause: ConclaveError | undefined): void {
    if (!this.#subscriptions.delete(subscription)) return;
    if (subscription.impatient) this.#outages.remove(subscription.impatient);
    this.#cancel(subscription);
    subscription.inbox.end(cause);
    if (this.#subscriptions.size === 0) this.#endIdle();
  }

  /** The stream outlives a moment without watches, since whoever waits for its turn watches in short steps. */
  #endIdle(): void {
    this.#runtime.timers.after(
      1000,
      () => {
        if (this.#subscriptions.size === 0) this.#stream?.close();
      },
      { background: true },
    );
  }

  #park(subscription: Subscription): void {
    subscription.parked = true;
    this.#cancel(subscription);
  }

  #unpark(subscription: Subscription): void {
    subscription.parked = false;
    if (this.#subscriptions.has(subscription) && subscription.watchId === undefined)
      this.#create(subscription);
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    this.#running = true;
    const backoff = new Backoff(this.#runtime, 10, 500);
    for (let isFirst = true; this.#subscriptions.size > 0 && this.#closed === undefined; isFirst = false) {
      const failure = await this.#converse((check) => {
        backoff.reset();
        // After a break the member found may be the rest of a cluster that is down.
        if (isFirst) this.#outages.served();
        else check.askNow();
      });
      this.#outages.broke(failure);
      this.#byId.clear();
      this.#creating = [];
      for (const subscription of this.#subscriptions) subscription.watchId = undefined;
      if (failure !== undefined && isFinal(failure)) {
        for (const subscription of [...this.#subscriptions]) this.#remove(subscription, failure);
      } else if (this.#subscriptions.size > 0) await pause(this.#runtime, backoff.nextMs());
    }
    this.#running = false;
  }

  async #converse(onAnswered: (check: LeaderCheck) => void): Promise<ConclaveError | undefined> {
    try {
      const link = this.#endpoints.choose();
      // A stream that is asked for nothing owes nothing: the answer to the first creation is what is due.
      const answered = link.expectAnswer();
      let isAnswered = false;
      const check = checkLeader(link, this.#runtime.timers, {
        onFound: () => this.#outages.served(),
        onMissing: (reason) => {
          if (mayRetry(reason)) this.#outages.broke(reason);
          // A member that will not tell is there all the same.
          else this.#outages.served();
        },
        onLost: () => this.#endpoints.failed(link),
      });
      try {
        this.#link = link;
        this.#stream = link.stream(services.Watch.watch);
        for (const subscription of this.#subscriptions) if (!subscription.parked) this.#create(subscription);
        for await (const response of this.#stream.responses) {
          if (!isAnswered) onAnswered(check);
          isAnswered = true;
          answered();
          this.#endpoints.worked(link);
          this.#take(response);
        }
        if (this.#subscriptions.size > 0) this.#leave(link);
        return undefined;
      } catch (caught) {
        this.#leave(link);
        return asConclaveError(caught, 'Watching');
      } finally {
        answered();
        check.cancel();
      }
    } catch (caught) {
      return asConclaveError(caught, 'Watching');
    } finally {
      this.#stream = undefined;
      this.#link = undefined;
    }
  }

  #leave(link: Link): void {
    this.#link = undefined;
    this.#endpoints.failed(link);
  }

  #take(response: WatchResponse): void {
    const revision = response.header?.revision ?? 0;
    // A creation that was refused comes back without its id, so creations are told apart by their order.
    const subscription = response.created ? this.#creating.shift() : this.#byId.get(response.watchId);
    if (subscription === undefined || !this.#subscriptions.has(subscription)) return;
    if (response.created && !response.canceled && subscription.watchId !== response.watchId) return;
    if (response.canceled) this.#remove(subscription, refusal(response, subscription));
    else if (response.created) this.#announce(subscription, revision);
    else if (response.events.length > 0) deliver(subscription, response.events);
    else subscription.nextRevision = Math.max(subscription.nextRevision, revision + 1);
  }

  #announce(subscription: Subscription, revision: number): void {
    if (subscription.nextRevision <= 0) subscription.nextRevision = revision + 1;
    if (subscription.announced) return;
    subscription.announced = true;
    subscription.inbox.push({ events: [], revision: subscription.nextRevision - 1 });
  }
}

function deliver(subscription: Subscription, all: readonly Event[]): void {
  const events = all.filter((event) => (event.kv?.modRevision ?? 0) >= subscription.nextRevision);
  const revision = events.at(-1)?.kv?.modRevision;
  if (revision === undefined) return;
  subscription.nextRevision = revision + 1;
  subscription.inbox.push({ events, revision });
}

function refusal(response: WatchResponse, subscription: Subscription): ConclaveError {
  if (response.compactRevision > 0) {
    const message = `Revision ${subscription.nextRevision} is compacted away, up to ${response.compactRevision}: read again, then watch from there.`;
    return new ConclaveError('out-of-range', message, {
      details: { compactRevision: response.compactRevision },
    });
  }
  const reason = response.cancelReason.replace(/^rpc error: code = \w+ desc = /, '') || 'it gave no reason';
  const denied = reason.includes('permission denied') && 'permission-denied';
  const code = denied || (staleTexts.test(reason) && 'unauthenticated') || 'failed-precondition';
  return new ConclaveError(code, `The server refused the watch: ${reason}.`);
}

const finalCodes: ReadonlySet<string> = new Set([
  'unsupported',
  'invalid-argument',
  'closed',
  'unauthenticated',
  'permission-denied',
]);

function isFinal(error: ConclaveError): boolean {
  return !error.retryable && finalCodes.has(error.code);
}
