/** Who is there: one election in which every process takes part; its leader keeps the agreed layout in the record. */
import { publish } from '../election/events.ts';
import {
  Candidate,
  type ElectionState,
  type Leadership,
  type LeaseStore,
  type Session,
} from '../election/index.ts';
import { retryOnSession } from '../election/retry.ts';
import { backoffMs, sleep } from '../election/waiting.ts';
import { ConclaveError } from '../errors/index.ts';
import type { StateFeed } from './feed.ts';
import { decodeRecord, encodeRecord, grown, type Layout, type RosterRecord } from './layout.ts';
import { decodeMember, encodeMember, type Member } from './member.ts';
import { type PartitionsSettings, rosterElection } from './options.ts';
import { keepSeat, Seats } from './seats.ts';

export interface RosterView {
  /** Who is there now. */
  readonly members: readonly Member[];
  /** undefined: nothing is agreed yet. */
  readonly layout: Layout | undefined;
}

/** @throws 'data-damaged' or 'data-incompatible' for a record that this version cannot read. */
export function viewRoster(name: string, state: ElectionState): RosterView {
  const record = state.record && decodeRecord(name, state.record);
  const { layout, seated } = record ?? {};
  if (layout !== undefined && seated !== undefined) {
    const members = seated.members.map(([holder, weight]) => ({
      holder,
      weight,
      metadata: '',
      declared: layout,
    }));
    return { members, layout };
  }
  const members: Member[] = [];
  for (const { holder, metadata } of [...(state.leader ? [state.leader] : []), ...state.waiting]) {
    const member = decodeMember(holder, metadata);
    if (member !== undefined) members.push(member);
  }
  return { members, layout };
}

export interface RosterParts {
  readonly name: string;
  readonly store: LeaseStore;
  readonly session: Session;
  readonly feed: StateFeed;
  readonly settings: PartitionsSettings;
  readonly acceptAdvisory: string | undefined;
}

/** Our own place in it. */
export class Roster {
  readonly #parts: RosterParts;
  readonly #stop = new AbortController();
  readonly #own: string;
  readonly #isSeated: boolean;
  readonly #running: Promise<unknown>;

  constructor(parts: RosterParts) {
    this.#parts = parts;
    const { weight, metadata, layout: declared } = parts.settings;
    this.#own = encodeMember({ weight, metadata, declared });
    this.#isSeated = !parts.store.capabilities.orderedWaiters;
    const seat = this.#isSeated && keepSeat({ ...parts, metadata: this.#own }, this.#stop.signal);
    this.#running = Promise.all([this.#run(), seat]);
  }

  /** Gives the place up: the others then take over what was assigned to us. Never rejects. */
  async leave(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { name, store, session, acceptAdvisory } = this.#parts;
    const { runtime, onEvent, holder, ttlMs } = session.settings;
    const election = rosterElection(name);
    const options = { session, metadata: this.#own, acceptAdvisory };
    await using candidate = new Candidate(store, election, options);
    for (let attempt = 1; !this.#stop.signal.aborted; attempt++) {
      try {
        const leadership = await candidate.campaign({ signal: this.#stop.signal });
        attempt = 0;
        await this.#lead(leadership);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const retryInMs = backoffMs(runtime.random, attempt - 1, ttlMs / 10, ttlMs);
        const what = `The campaign for election ${JSON.stringify(election)}`;
        publish(
          { type: 'trouble', holder, store: store.description, what, error, attempt, retryInMs },
          onEvent,
        );
        await sleep(runtime, retryInMs, this.#stop.signal);
      }
    }
  }

  /** Until it ends, writes the record whenever somebody needs more of the layout, or comes to have a seat or leaves it. */
  async #lead(leadership: Leadership): Promise<void> {
    const { feed, session } = this.#parts;
    const { runtime, onEvent, holder, ttlMs } = session.settings;
    const over = new AbortController();
    void leadership.ended.then(() => over.abort());
    const resign = () => void leadership.resign();
    this.#stop.signal.addEventListener('abort', resign);
    if (this.#stop.signal.aborted) resign();
    let news = new AbortController();
    using seats = new Seats(this.#parts.name, feed, () => news.abort());
    const off = feed.on(leadership.name, () => news.abort());
    for (let attempt = 1; !over.signal.aborted; attempt++) {
      news = new AbortController();
      try {
        await this.#agree(leadership, seats);
        attempt = 0;
        await sleep(runtime, 86_400_000, news.signal, over.signal);
      } catch (error) {
        if (over.signal.aborted || leadership.signal.aborted) break;
        const retryInMs = backoffMs(runtime.random, attempt - 1, ttlMs / 10, ttlMs);
        const what = `Agreeing on the partitions ${JSON.stringify(this.#parts.name)}`;
        const { description } = this.#parts.store;
        publish({ type: 'trouble', holder, store: description, what, error, attempt, retryInMs }, onEvent);
        await sleep(runtime, retryInMs, over.signal);
      }
    }
    off();
    await leadership.ended;
    this.#stop.signal.removeEventListener('abort', resign);
  }

  /** From a linearizable read, since a watch that lags could make the layout shrink; only we may write it now. */
  async #agree(leadership: Leadership, seats: Seats): Promise<void> {
    const { name, store, session, feed } = this.#parts;
    const seen = feed.get(leadership.name)?.state;
    if (seen?.leader?.token === leadership.token && this.#needed(seen, seats) === undefined) return;
    const live = await session.live({ signal: leadership.signal });
    const state = await live.call('Reading the roster', leadership.signal, (options) =>
      store.read(leadership.name, options),
    );
    if (state.leader?.token !== leadership.token) return;
    const needed = this.#needed(state, seats);
    if (needed === undefined) return;
    const record = encodeRecord(leadership.token, needed);
    const bounds = { what: 'Writing the layout', signal: leadership.signal, maxMs: live.stored.ttlMs };
    const written = await retryOnSession({ store, live, settings: session.settings }, bounds, (options) =>
      live.stored.writeRecord(leadership.name, leadership.token, record, options),
    );
    if (written !== undefined || leadership.signal.aborted) return;
    const message = `The layout of the partitions ${JSON.stringify(name)} could not be written.`;
    throw new ConclaveError('unavailable', message, { retryable: true, outcome: 'unknown' });
  }

  /** What is to be written; undefined where the record holds all of it, or not all is known that it is to hold. */
  #needed(state: ElectionState, seats: Seats): RosterRecord | undefined {
    const { name, settings } = this.#parts;
    const before = state.record && decodeRecord(name, state.record);
    const seen = this.#isSeated ? seats.look(before?.seated?.seats) : undefined;
    if (this.#isSeated && seen === undefined) return undefined;
    let layout = (before && grown(before.layout, settings.layout)) ?? before?.layout ?? settings.layout;
    for (const { declared } of (seen ?? viewRoster(name, state)).members)
      layout = grown(layout, declared) ?? layout;
    const seated = seen && {
      seats: seen.seats,
      members: seen.members.map(({ holder, weight }) => [holder, weight] as const),
    };
    const needed = { layout, seated };
    return JSON.stringify(needed) === JSON.stringify(before) ? undefined : needed;
  }
}
