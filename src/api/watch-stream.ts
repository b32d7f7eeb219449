import type { Watcher } from '../keyspace/types.ts';
import type { WatchCreateRequest, WatchRequest, WatchResponse } from '../wire/index.ts';
import { type GuardedRange, neverAllowed, WatchGuard } from './auth/index.ts';
import { withReady } from './ready-answers.ts';
import type { ApiServices } from './service.ts';
import type { Answers, CallContext } from './types.ts';
import { Wakeup } from './wakeup.ts';
import { fragments, gather } from './watch-batches.ts';
import { eventsOf } from './watch-encoding.ts';
import { eventsResponse, isEmptyRange, watchedRange, watchResponse } from './watch-messages.ts';
import { type Progressing, WatchProgress } from './watch-progress.ts';
import { WatchQueue } from './watch-queue.ts';

/** Answers to create, cancel and so on that may wait for a slow reader before we stop reading its requests. */
const waitingAnswers = 128;
/** etcd's id for what concerns no watch, or all of them. */
const noWatch = -1;

interface Watch extends Progressing {
  readonly id: number;
  readonly watcher: Watcher;
  readonly range: GuardedRange;
  readonly fragment: boolean;
  /** Compaction ended it. As in etcd its id stays taken until it is cancelled. */
  ended: boolean;
}

/**
 * All watches of one stream. Watchers are cursors over the store's history and responses are made one at a time,
 * when the transport can take one: a slow reader costs no memory, however far it falls behind.
 */
export class WatchStream {
  readonly #api: ApiServices;
  readonly #context: CallContext;
  readonly #guard: WatchGuard;
  readonly #watches = new Map<number, Watch>();
  /** Watches that may have events, the one that waited longest first. */
  readonly #ready = new WatchQueue<Watch>();
  readonly #unfinished: Watch[] = [];
  readonly #answers: WatchResponse[] = [];
  readonly #fragments: WatchResponse[] = [];
  readonly #progress: WatchProgress<Watch>;
  readonly #work = new Wakeup();
  readonly #room = new Wakeup();
  /** A watch has history before it that there is no budget for in this turn. */
  #searching = false;
  #nextId = 0;
  #failure: unknown;
  #closed = false;

  constructor(api: ApiServices, context: CallContext) {
    this.#api = api;
    this.#context = context;
    this.#guard = new WatchGuard(api.access, context);
    this.#progress = new WatchProgress({
      runtime: api.runtime,
      intervalMs: api.watchProgressIntervalMs,
      watches: () => this.#watches.values(),
      onTick: () => this.#work.notify(),
    });
  }

  /** Goes on after the requests have ended, until the call is aborted. */
  responses(requests: AsyncIterable<WatchRequest>): Answers<WatchResponse> {
    return withReady(this.#responses(requests), () => this.#takeReady());
  }

  /** How a stream ends is told by its iteration. */
  #takeReady(): WatchResponse | undefined {
    return this.#closed || this.#failure !== undefined ? undefined : this.#next();
  }

  async *#responses(requests: AsyncIterable<WatchRequest>): AsyncGenerator<WatchResponse> {
    const { signal } = this.#context;
    const wake = (): void => {
      this.#closed = true;
      this.#work.notify();
    };
    signal.addEventListener('abort', wake);
    const reading = this.#read(requests);
    try {
      for (;;) {
        signal.throwIfAborted();
        if (this.#failure !== undefined) throw this.#failure;
        const response = this.#next();
        if (response === undefined) await this.#work.wait();
        else yield response;
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#close();
      // It ends with the requests, which the transport ends with the call; it never rejects.
      void reading;
    }
  }

  async #read(requests: AsyncIterable<WatchRequest>): Promise<void> {
    try {
      for await (const request of requests) {
        if (this.#closed) return;
        const checked = this.#handle(request);
        if (checked !== undefined) await checked;
        this.#work.notify();
        while (this.#answers.length >= waitingAnswers && !this.#closed) await this.#room.wait();
      }
    } catch (error) {
      this.#failure = error;
      this.#work.notify();
    }
  }

  #handle(request: WatchRequest): Promise<void> | undefined {
    const union = request.requestUnion;
    if (union?.$case === 'createRequest') {
      if (this.#api.access.enabled) return this.#createIfAllowed(union.value);
      this.#answers.push(this.#create(union.value));
    } else if (union?.$case === 'cancelRequest') this.#cancel(union.value.watchId);
    else if (union?.$case === 'progressRequest') this.#progress.request();
    return undefined;
  }

  async #createIfAllowed(request: WatchCreateRequest): Promise<void> {
    const refusal = await this.#guard.refusal(watchedRange(request));
    if (!this.#closed) {
      this.#answers.push(refusal === undefined ? this.#create(request) : this.#refusal(refusal));
    }
  }

  #create(request: WatchCreateRequest): WatchResponse {
    const { key } = watchedRange(request);
    if (isEmptyRange(request)) {
      return this.#refusal('mvcc: watcher range is empty');
    }
    if (request.watchId !== 0 && this.#watches.has(request.watchId)) {
      return this.#refusal('mvcc: duplicate watch ID provided on the WatchStream');
    }
    const watch = this.#start(request, key);
    this.#watches.set(watch.id, watch);
    const created = this.#response(watch.id, { created: true });
    // etcd takes a negative revision as one long compacted.
    if (request.startRevision < 0) {
      this.#answers.push(created);
      return this.#compacted(watch, this.#api.member.keyspace.compactRevision);
    }
    this.#ready.add(watch);
    if (watch.progressNotify) this.#progress.startTicking();
    return created;
  }

  #start(request: WatchCreateRequest, key: Uint8Array): Watch {
    const range = { key: key.slice(), rangeEnd: request.rangeEnd.slice() };
    const watcher = this.#api.member.keyspace.watch(
      {
        ...range,
        startRevision: request.startRevision,
        prevKv: request.prevKv,
        noPut: request.filters.includes(0),
        noDelete: request.filters.includes(1),
      },
      () => {
        this.#ready.add(watch);
        this.#work.notify();
      },
    );
    const watch: Watch = {
      id: this.#chooseId(request.watchId),
      watcher,
      // Looked at again with the first events: roles may have changed since the caller was found to be allowed.
      range: { key: range.key, rangeEnd: range.rangeEnd, allowedAt: neverAllowed },
      fragment: request.fragment,
      progressNotify: request.progressNotify,
      ended: false,
      sentSinceTick: false,
      queued: false,
    };
    return watch;
  }

  #chooseId(asked: number): number {
    if (asked !== 0) return asked;
    while (this.#watches.has(this.#nextId)) this.#nextId += 1;
    return this.#nextId++;
  }

  /** The cancelling of an unknown id has no answer. */
  #cancel(id: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    this.#end(watch);
    this.#watches.delete(id);
    this.#answers.push(this.#response(id, { canceled: true }));
  }

  #end(watch: Watch): void {
    watch.ended = true;
    watch.watcher.close();
    this.#ready.remove(watch);
    this.#progress.remove(watch);
  }

  /** What to send next: answers, then events, then progress, which is only true when all events are out. */
  #next(): WatchResponse | undefined {
    const answer = this.#answers.shift();
    if (answer !== undefined) {
      this.#room.notify();
      return answer;
    }
    return this.#fragments.shift() ?? this.#nextEvents() ?? this.#nextProgress();
  }

  #nextEvents(): WatchResponse | undefined {
    const response = this.#firstEvents();
    if (this.#unfinished.length === 0) return response;
    for (const watch of this.#unfinished) this.#ready.add(watch);
    this.#unfinished.length = 0;
    if (!this.#searching) {
      this.#searching = true;
      this.#api.historyTurns.wait(() => {
        this.#searching = false;
        this.#work.notify();
      });
    }
    return response;
  }

  /** Of the watches that have some. Those that must go on searching in a later turn are put into `#unfinished`. */
  #firstEvents(): WatchResponse | undefined {
    for (let watch = this.#ready.take(); watch !== undefined; watch = this.#ready.take()) {
      const refusal = this.#guard.stillRefusal(watch.range);
      if (refusal !== undefined) {
        this.#end(watch);
        return this.#response(watch.id, { canceled: true, cancelReason: refusal });
      }
      const batch = gather(watch.watcher, this.#api.historyTurns.budget);
      if (batch === undefined) continue;
      if (batch.type === 'unfinished') {
        this.#unfinished.push(watch);
        continue;
      }
      if (batch.type === 'compacted') return this.#compacted(watch, batch.compactRevision);
      if (!watch.watcher.synced) this.#ready.add(watch);
      watch.sentSinceTick = true;
      const header = this.#api.headers.header(batch.revision);
      const response = eventsResponse(header, watch.id, eventsOf(batch));
      return watch.fragment ? this.#split(response) : response;
    }
    return undefined;
  }

  #nextProgress(): WatchResponse | undefined {
    const watch = this.#progress.next(this.#ready.size === 0);
    if (watch === undefined) return undefined;
    return this.#response(watch === 'all' ? noWatch : watch.id, {});
  }

  /** Parts of a response that is larger than a request may be; every part but the last says that more follows. */
  #split(response: WatchResponse): WatchResponse {
    const [first, ...rest] = fragments(response, this.#api.limits.receivedBytes);
    this.#fragments.push(...rest);
    return first ?? response;
  }

  #refusal(reason: string): WatchResponse {
    return this.#response(noWatch, { created: true, canceled: true, cancelReason: reason });
  }

  /** etcd's has revision 0 in its header. */
  #compacted(watch: Watch, compactRevision: number): WatchResponse {
    this.#end(watch);
    return this.#response(watch.id, { canceled: true, compactRevision }, 0);
  }

  #response(watchId: number, rest: Partial<WatchResponse>, revision?: number): WatchResponse {
    return watchResponse(this.#api.headers.header(revision), watchId, rest);
  }

  #close(): void {
    this.#closed = true;
    this.#progress.close();
    for (const watch of this.#watches.values()) watch.watcher.close();
    this.#watches.clear();
    this.#ready.clear();
    this.#room.notify();
  }
}
