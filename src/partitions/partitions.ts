/** Spreads partitions over the live processes; each partition has a leader of its own. */
import { type Leadership, type LeaseStore, Session } from '../election/index.ts';
import { resolveSessionSettings, sessionOptionsOf } from '../election/options.ts';
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import { assign } from './assignment.ts';
import { publishPartitions } from './events.ts';
import { StateFeed } from './feed.ts';
import { describeLayout, type Layout, partitionsOf } from './layout.ts';
import type { Member } from './member.ts';
import {
  type PartitionsOptions,
  type PartitionsSettings,
  resolvePartitions,
  rosterElection,
} from './options.ts';
import { PartitionRun } from './partition-run.ts';
import { Roster, type RosterView, viewRoster } from './roster.ts';
import { PartitionRouter, type Route, type RouteOptions, type WaitOptions } from './router.ts';
import { SharedStore } from './shared-store.ts';
import { Slots } from './slots.ts';
import { remaining, type Spread } from './spread.ts';
import { type PartitionsStatus, statusOf } from './status.ts';

interface Assigned {
  readonly members: ReadonlyMap<string, Member>;
  readonly spread: Spread | undefined;
  readonly layout: Layout;
  readonly closing: boolean;
  readonly assignment: ReadonlyMap<string, string>;
}

/** Requests of one process for its partitions at one time. Enough to keep a store busy whose answers take a millisecond. */
const mostAtATime = 16;

/**
 * Takes part in the partitions of this name, from the constructor on until it is disposed: campaigns for those that are
 * assigned to this process, runs the job of each that it leads, and hands them over when others come and go.
 *
 * At most one process leads a partition at a time whatever anybody computes, by an election of its own for each, named
 * `<name>/<partition>`, with a token that rises. All leaderships of a process live by one session, that is, one lease.
 *
 * Every process is to be started with the same `count` or `keys`. One that is started with more makes all others follow;
 * it never becomes less. With a greater count other keys belong to each partition, so all of them are revoked and led
 * anew; a key whose partition changed may be worked on by its old partition's leader until that one has drained.
 *
 * @throws 'invalid-argument' or 'unsupported' from the constructor, before anything has an effect.
 */
export class Partitions implements AsyncDisposable {
  readonly name: string;
  readonly #settings: PartitionsSettings;
  readonly #options: PartitionsOptions;
  readonly #store: SharedStore;
  readonly #session: Session;
  readonly #feed: StateFeed;
  readonly #roster: Roster;
  readonly #router: PartitionRouter;
  readonly #slots = new Slots(mostAtATime);
  readonly #runs = new Map<string, PartitionRun>();
  readonly #leaderships = new Map<string, Leadership>();
  /** Those among whom partitions are spread: given a part in it, and still there. */
  #members = new Map<string, Member>();
  #spread: Spread | undefined;
  #layout: Layout | undefined;
  #refusal: unknown;
  #last: Assigned | undefined;
  #isClosing = false;
  #closing: Promise<void> | undefined;
  readonly #waiters = new Set<() => void>();
  #stopListening: () => void = () => {};

  constructor(store: LeaseStore, name: string, options: PartitionsOptions) {
    this.#settings = resolvePartitions(store, name, options);
    this.name = name;
    this.#options = options;
    const { runtime, holder, onEvent } = resolveSessionSettings(store, options);
    if (options.signal?.aborted) throw ConclaveError.aborted('Starting partitions', options.signal);
    this.#feed = new StateFeed({ store, prefix: `${name}/`, runtime, holder, onEvent });
    this.#store = new SharedStore(store, this.#feed, holder);
    this.#session = new Session(this.#store, { ...sessionOptionsOf(options), runtime, holder });
    this.#router = new PartitionRouter({ store: this.#store, name, runtime, feed: this.#feed });
    this.#stopListening = this.#feed.on(rosterElection(name), () => this.#rosterChanged());
    this.#roster = new Roster({
      name,
      store: this.#store,
      session: this.#session,
      feed: this.#feed,
      settings: this.#settings,
      acceptAdvisory: options.acceptAdvisory,
    });
    const close = () => void this[Symbol.asyncDispose]();
    options.signal?.addEventListener('abort', close, { once: true });
    this.#stopListening = joined(this.#stopListening, () =>
      options.signal?.removeEventListener('abort', close),
    );
  }

  get holder(): string {
    return this.#session.holder;
  }

  /** The leaderships of this process whose job may run, by partition. Always the same map, kept current. */
  get leaderships(): ReadonlyMap<string, Leadership> {
    return this.#leaderships;
  }

  /**
   * Resolves when this process is among the members and the partitions are agreed.
   * @throws 'aborted', 'closed'; what keeps it out for good, such as 'data-incompatible'.
   */
  async ready(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkNames('The options of ready()', options, ['signal']);
    const { signal } = options;
    const wake = () => this.#wakeAll();
    signal?.addEventListener('abort', wake);
    try {
      for (;;) {
        if (this.#refusal !== undefined) throw this.#refusal;
        if (this.#isClosing) {
          throw new ConclaveError('closed', `The partitions ${JSON.stringify(this.name)} are closed.`);
        }
        if (signal?.aborted) throw ConclaveError.aborted('Waiting to be among the members', signal);
        if (this.#layout !== undefined && this.#members.has(this.holder)) return;
        await new Promise<void>((resolve) => this.#waiters.add(resolve));
      }
    } finally {
      signal?.removeEventListener('abort', wake);
    }
  }

  /** Who leads the partition of this key; see `PartitionRouter.route`. */
  router(key: string, options: RouteOptions = {}): Promise<Route> {
    return this.#router.route(key, options);
  }

  /** The partition of a key by what is agreed now. @throws as `router`. */
  partitionOf(key: string, options: WaitOptions = {}): Promise<string> {
    return this.#router.partitionOf(key, options);
  }

  /** For dashboards: members, partitions, totals. The first call waits for the store. @throws 'aborted', 'closed'. */
  async status(options: WaitOptions = {}): Promise<PartitionsStatus> {
    return statusOf({ ...(await this.#router.statusParts(options)), runs: this.#runs });
  }

  /**
   * Leaves the members, drains and resigns every partition, and closes the session. Waits for the jobs. Idempotent;
   * never rejects.
   */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#isClosing = true;
    this.#wakeAll();
    // Without us: those who stay take over, and wait for what we still lead.
    const left = this.#roster.leave();
    this.#reconcile();
    while (this.#runs.size > 0) await Promise.all([...this.#runs.values()].map((run) => run.ended));
    await left;
    this.#stopListening();
    await this.#session[Symbol.asyncDispose]();
    await this.#feed[Symbol.asyncDispose]();
  }

  /** From the feed: must not throw. */
  #rosterChanged(): void {
    const view = this.#view();
    if (view === undefined) return;
    this.#follow(view.layout);
    if (this.#refusal !== undefined) return;
    // Where the record is gone, what it said holds until it is written again.
    this.#spread = view.spread ?? this.#spread;
    this.#setMembers(remaining(this.#spread, view.members));
    this.#reconcile();
  }

  #view(): RosterView | undefined {
    const seen = this.#feed.get(rosterElection(this.name));
    if (seen === undefined || this.#refusal !== undefined) return undefined;
    try {
      return viewRoster(this.name, seen.state);
    } catch (error) {
      this.#refuse(error);
      return undefined;
    }
  }

  #setMembers(members: readonly Member[]): void {
    const before = this.#members;
    const after = new Map(members.map((member) => [member.holder, member]));
    const joined = [...after.keys()].filter((holder) => !before.has(holder));
    const left = [...before.keys()].filter((holder) => !after.has(holder));
    const other = members.filter(({ holder, weight }) => before.get(holder)?.weight !== weight);
    if (other.length + left.length === 0) return;
    this.#members = after;
    if (joined.length + left.length === 0) return;
    const [{ name, holder }, { onEvent }] = [this, this.#settings];
    const holders = [...after.keys()];
    publishPartitions({ type: 'partitions-members', name, holder, members: holders, joined, left }, onEvent);
  }

  /** Other keys belong to the same partitions when their count grows; those by name stay what they are. */
  #follow(layout: Layout | undefined): void {
    if (layout === undefined) return;
    const before = this.#layout;
    if (JSON.stringify(before) === JSON.stringify(layout)) return;
    const { layout: declared, onEvent } = this.#settings;
    if ((declared.keys === undefined) !== (layout.keys === undefined)) {
      const message = `The partitions ${JSON.stringify(this.name)} have ${describeLayout(layout)}; this process was started with ${describeLayout(declared)}. Use one kind, or another name.`;
      this.#refuse(new ConclaveError('failed-precondition', message));
      return;
    }
    this.#layout = layout;
    if (before !== undefined && layout.keys === undefined)
      for (const run of this.#runs.values()) run.restart();
    const sizeOf = (one: Layout) => partitionsOf(one).length;
    const { name, holder } = this;
    const sizes = { agreed: sizeOf(layout), before: before && sizeOf(before), declared: sizeOf(declared) };
    publishPartitions({ type: 'partitions-layout', name, holder, ...sizes }, onEvent);
  }

  /** Not among the members any more: they would wait for us in vain. */
  #refuse(error: unknown): void {
    this.#refusal = error;
    const { name, holder } = this;
    publishPartitions({ type: 'partitions-refused', name, holder, error }, this.#settings.onEvent);
    this.#members = new Map();
    void this.#roster.leave();
    this.#reconcile();
  }

  /** Makes what runs here fit what is assigned here. Cheap where nothing changed. */
  #reconcile(): void {
    this.#wakeAll();
    if (this.#layout === undefined) return;
    const assignment = this.#assign(this.#layout);
    for (const [partition, run] of this.#runs) run.retarget(assignment.get(partition));
    if (this.#isClosing) return;
    for (const [partition, holder] of assignment) {
      if (holder === this.holder && !this.#runs.has(partition)) this.#start(partition);
    }
  }

  /** Without us once we close. */
  #assign(layout: Layout): ReadonlyMap<string, string> {
    const closing = this.#isClosing;
    const members = this.#members;
    const spread = this.#spread;
    const last = this.#last;
    const isSame = last?.members === members && last.spread === spread && last.layout === layout;
    if (last !== undefined && isSame && last.closing === closing) return last.assignment;
    const among = [...members.values()].filter(({ holder }) => !closing || holder !== this.holder);
    const assignment = assign(among, partitionsOf(layout), spread?.owners);
    this.#last = { members, spread, layout, closing, assignment };
    return assignment;
  }

  #start(partition: string): void {
    const { graceMs, acceptAdvisory } = this.#options;
    const run = new PartitionRun({
      name: this.name,
      partition,
      store: this.#store,
      session: this.#session,
      feed: this.#feed,
      settings: this.#settings,
      slots: this.#slots,
      leaderships: this.#leaderships,
      graceMs,
      acceptAdvisory,
      closing: () => this.#isClosing,
    });
    this.#runs.set(partition, run);
    void run.ended.then(() => {
      if (this.#runs.get(partition) === run) this.#runs.delete(partition);
      // It may have been assigned to us again while it ended.
      if (this.#layout === undefined || this.#isClosing || this.#runs.has(partition)) return;
      if (this.#assign(this.#layout).get(partition) === this.holder) this.#start(partition);
    });
  }

  #wakeAll(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }
}

function joined(first: () => void, second: () => void): () => void {
  return () => {
    first();
    second();
  };
}
