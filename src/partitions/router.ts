/** Tells who leads the partition of a key, for any process, also one that takes no partitions itself. */
import type { ElectionState, LeaseStore } from '../election/index.ts';
import { checkSignal, checkStore } from '../election/options.ts';
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import { nodeRuntime } from '../runtime/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { assign } from './assignment.ts';
import type { PartitionsEventListener } from './events.ts';
import { type Seen, StateFeed } from './feed.ts';
import { type Layout, partitionOf, partitionsOf } from './layout.ts';
import { checkPartitionsName, partitionElection, rosterElection } from './options.ts';
import { Patience } from './patience.ts';
import { type RosterView, viewRoster } from './roster.ts';
import { remaining } from './spread.ts';
import { type PartitionsStatus, statusOf } from './status.ts';

export interface Route {
  readonly partition: string;
  /** undefined: nobody leads it at the moment. */
  readonly holder: string | undefined;
  /** Higher for each later leader of this partition. */
  readonly token: number | undefined;
  /** Of the leader, as it gave it: for example its address. */
  readonly metadata: string | undefined;
  /** True: from what the watch showed last, so there may be a newer leader already. False: read from the store now. */
  readonly cached: boolean;
  /** Milliseconds since the Unix epoch: when this arrived here. What a live watch showed is current until it shows more. */
  readonly asOfMs: number;
  /** False: the watch is down, so nothing newer can have come. */
  readonly watching: boolean;
}

export interface WaitOptions {
  /**
   * How long to wait where nothing is known yet: for a first answer of the store, and for the first process that
   * takes part. 0 to 86400000; default 10000.
   */
  readonly waitMs?: number | undefined;
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
}

export interface RouteOptions extends WaitOptions {
  /** Read it from the store, linearizable where that is. Default false: from the watch, without a request. */
  readonly fresh?: boolean | undefined;
}

export interface PartitionRouterOptions {
  readonly runtime?: Runtime | undefined;
  readonly onEvent?: PartitionsEventListener | undefined;
}

/**
 * A router for partitions that other processes lead.
 * @throws 'invalid-argument'.
 */
export function partitionRouter(
  store: LeaseStore,
  name: string,
  options: PartitionRouterOptions = {},
): PartitionRouter {
  checkPartitionsName(name);
  checkStore(store);
  checkNames('The options of a router', options, ['runtime', 'onEvent']);
  const { runtime = nodeRuntime(), onEvent } = options;
  const feed = new StateFeed({ store, prefix: `${name}/`, runtime, holder: '', onEvent });
  return new PartitionRouter({ store, name, runtime, feed });
}

const waitOptionNames = ['waitMs', 'signal'];

export interface RouterParts {
  readonly store: LeaseStore;
  readonly name: string;
  readonly runtime: Runtime;
  readonly feed: StateFeed;
}

interface LaidOut {
  readonly state: ElectionState;
  readonly view: RosterView;
  readonly assignment: ReadonlyMap<string, string>;
}

export class PartitionRouter implements AsyncDisposable {
  readonly name: string;
  readonly #parts: RouterParts;
  readonly #followed = new Set<string>();
  #latest: LaidOut | undefined;

  /** @internal */
  constructor(parts: RouterParts) {
    this.name = parts.name;
    this.#parts = parts;
    this.#follow(rosterElection(parts.name));
  }

  /**
   * Who leads the partition of this key. The first call waits until the partitions are laid out and known here; later
   * ones are answered from memory. An address may be that of a leader that is gone since: whoever is asked there
   * checks its own leadership, and on a refusal ask again.
   * @throws 'not-found' for a key that is none of `keys`, and (then retryable) where no process has ever taken part;
   * 'unavailable' where the store says nothing for `waitMs`; 'aborted', 'closed', and what reading the store throws.
   */
  async route(key: string, options: RouteOptions = {}): Promise<Route> {
    checkNames('The options of a route', options, [...waitOptionNames, 'fresh']);
    const { signal, fresh = false } = options;
    if (typeof key !== 'string') throw new ConclaveError('invalid-argument', 'The key must be a text.');
    using patience = this.#patience(options);
    const partition = await this.#partitionOf(key, patience);
    const election = partitionElection(this.name, partition);
    if (fresh) {
      const state = await this.#parts.store.read(election, signal ? { signal } : {});
      return routeOf(partition, state.leader, false, this.#parts.runtime.clock.wallMs(), true);
    }
    this.#follow(election);
    const { state, arrivedMs } = await this.#first(election, patience);
    return routeOf(partition, state.leader, true, arrivedMs, this.#parts.feed.isCurrent(election));
  }

  /** The partition of a key by what is agreed now. @throws as `route`. */
  async partitionOf(key: string, options: WaitOptions = {}): Promise<string> {
    checkNames('The options of partitionOf()', options, waitOptionNames);
    using patience = this.#patience(options);
    return await this.#partitionOf(key, patience);
  }

  async #partitionOf(key: string, patience: Patience): Promise<string> {
    const partition = partitionOf(await this.#layout(patience), key);
    if (partition !== undefined) return partition;
    const message = `${JSON.stringify(key)} is none of the partitions ${JSON.stringify(this.name)}.`;
    throw new ConclaveError('not-found', message, { details: { name: this.name, key } });
  }

  /** For dashboards: members, partitions, totals. The first call waits for the store. @throws as `route`. */
  async status(options: WaitOptions = {}): Promise<PartitionsStatus> {
    return statusOf({ ...(await this.statusParts(options)), runs: new Map() });
  }

  /** @internal */
  async statusParts(options: WaitOptions) {
    checkNames('The options of status()', options, waitOptionNames);
    using patience = this.#patience(options);
    const { feed, name } = this.#parts;
    const roster = rosterElection(name);
    const { state } = await this.#first(roster, patience);
    const { view, assignment } = this.#laidOut(state);
    if (view.layout !== undefined && !feed.whole) {
      const elections = partitionsOf(view.layout).map((partition) => partitionElection(name, partition));
      for (const election of elections) this.#follow(election);
      await Promise.all(elections.map((election) => this.#first(election, patience)));
    }
    return { name, feed, view, assignment, current: feed.isCurrent(roster) };
  }

  /** Computed once for each state of the roster: with many partitions it is much work, and dashboards ask often. */
  #laidOut(state: ElectionState): LaidOut {
    if (this.#latest?.state !== state) {
      const view = viewRoster(this.name, state);
      const ids = view.layout === undefined ? [] : partitionsOf(view.layout);
      const members = remaining(view.spread, view.members);
      this.#latest = { state, view, assignment: assign(members, ids, view.spread?.owners) };
    }
    return this.#latest;
  }

  /** Ends its watches. The store stays open. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.feed[Symbol.asyncDispose]();
  }

  #follow(election: string): void {
    if (this.#followed.has(election)) return;
    this.#followed.add(election);
    this.#parts.feed.follow(election);
  }

  #patience({ signal, waitMs = 10_000 }: WaitOptions): Patience {
    checkSignal(signal);
    if (!(typeof waitMs === 'number' && waitMs >= 0 && waitMs <= 86_400_000)) {
      const message = `waitMs must be a number from 0 to 86400000, not ${JSON.stringify(waitMs)}.`;
      throw new ConclaveError('invalid-argument', message);
    }
    return new Patience(this.#parts, signal, waitMs);
  }

  async #layout(patience: Patience): Promise<Layout> {
    const roster = rosterElection(this.name);
    for (;;) {
      const { state } = await this.#first(roster, patience);
      const { layout } = viewRoster(this.name, state);
      if (layout !== undefined) return layout;
      await patience.change(roster);
    }
  }

  async #first(election: string, patience: Patience): Promise<Seen> {
    for (;;) {
      const seen = this.#parts.feed.get(election);
      if (this.#parts.feed.stopped.aborted) {
        throw new ConclaveError('closed', `The partitions ${JSON.stringify(this.name)} are closed.`);
      }
      if (seen !== undefined) return seen;
      await patience.change(election);
    }
  }
}

function routeOf(
  partition: string,
  leader: Seen['state']['leader'],
  cached: boolean,
  asOfMs: number,
  watching: boolean,
): Route {
  const { holder, token, metadata } = leader ?? {};
  return { partition, holder, token, metadata, cached, asOfMs, watching };
}
