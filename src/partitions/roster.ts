/**
 * Who is there: one election in which every process takes part; its leader keeps in the record what is agreed, namely
 * the layout and who has which partition.
 */
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
import { grown, type Layout, partitionsOf } from './layout.ts';
import { decodeMember, encodeMember, type Member } from './member.ts';
import { type PartitionsSettings, rosterElection } from './options.ts';
import { decodeRecord, encodeRecord, type RosterRecord } from './record.ts';
import { keepSeat, Seats } from './seats.ts';
import { Settling } from './settling.ts';
import { Formerly, remaining, respread, type Spread } from './spread.ts';

export interface RosterView {
  /** Who is there now. */
  readonly members: readonly Member[];
  /** undefined: nothing is agreed yet. */
  readonly layout: Layout | undefined;
  /** undefined: nothing is given out yet. Those who joined since it was written are not in it. */
  readonly spread: Spread | undefined;
}

/** @throws 'data-damaged' or 'data-incompatible' for a record that this version cannot read. */
export function viewRoster(name: string, state: ElectionState): RosterView {
  const record = state.record && decodeRecord(name, state.record);
  const { layout, spread, seated } = record ?? {};
  if (layout !== undefined && seated !== undefined) {
    const members = seated.members.map(([holder, weight]) => ({
      holder,
      weight,
      metadata: '',
      declared: layout,
    }));
    return { members, layout, spread };
  }
  // Of two under one name the later one is there; the session of the other has not ended yet.
  const members = new Map<string, Member>();
  for (const { holder, metadata } of [...(state.leader ? [state.leader] : []), ...state.waiting]) {
    const member = decodeMember(holder, metadata);
    if (member !== undefined) members.set(holder, member);
  }
  return { members: [...members.values()], layout, spread };
}

/** Where the record is to be changed, and when to look again for those who are still to be given partitions. */
interface Plan {
  /** undefined: the record holds all of it, or not all is known that it is to hold. */
  readonly needed: RosterRecord | undefined;
  readonly againInMs: number;
}

/** Until something changes. */
const longMs = 86_400_000;

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
  readonly #settling: Settling;
  readonly #formerly = new Formerly();
  /** Stands in for a record that somebody deleted. */
  #known: RosterRecord | undefined;
  readonly #running: Promise<unknown>;

  constructor(parts: RosterParts) {
    this.#parts = parts;
    const { weight, metadata, layout: declared } = parts.settings;
    this.#own = encodeMember({ weight, metadata, declared });
    this.#isSeated = !parts.store.capabilities.orderedWaiters;
    this.#settling = new Settling(parts.session.settings.runtime.clock, parts.settings.settleMs);
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

  /** Until it ends, writes the record whenever somebody comes, leaves or needs more of the layout. */
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
        const againInMs = await this.#agree(leadership, seats);
        attempt = 0;
        await sleep(runtime, againInMs, news.signal, over.signal);
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

  /**
   * From a linearizable read, since a watch that lags could make the layout shrink; only we may write it now.
   * Resolves to in how many milliseconds to look again, if nothing happens before.
   */
  async #agree(leadership: Leadership, seats: Seats): Promise<number> {
    const { name, store, session, feed } = this.#parts;
    const seen = feed.get(leadership.name)?.state;
    const shown = seen?.leader?.token === leadership.token ? this.#plan(seen, seats) : undefined;
    if (shown !== undefined && shown.needed === undefined) return shown.againInMs;
    const live = await session.live({ signal: leadership.signal });
    const state = await live.call('Reading the roster', leadership.signal, (options) =>
      store.read(leadership.name, options),
    );
    if (state.leader?.token !== leadership.token) return longMs;
    const { needed, againInMs } = this.#plan(state, seats);
    if (needed === undefined) return againInMs;
    const record = encodeRecord(leadership.token, needed);
    const bounds = { what: 'Writing the layout', signal: leadership.signal, maxMs: live.stored.ttlMs };
    const written = await retryOnSession({ store, live, settings: session.settings }, bounds, (options) =>
      live.stored.writeRecord(leadership.name, leadership.token, record, options),
    );
    if (written !== undefined || leadership.signal.aborted) return againInMs;
    const message = `The layout of the partitions ${JSON.stringify(name)} could not be written.`;
    throw new ConclaveError('unavailable', message, { retryable: true, outcome: 'unknown' });
  }

  #plan(state: ElectionState, seats: Seats): Plan {
    const { name, settings } = this.#parts;
    const written = state.record && decodeRecord(name, state.record);
    const before = written ?? this.#known;
    this.#known = before;
    const seen = this.#isSeated ? seats.look(before?.seated?.seats) : undefined;
    if (this.#isSeated && seen === undefined) return { needed: undefined, againInMs: longMs };
    const present = (seen ?? viewRoster(name, state)).members;
    let layout = (before && grown(before.layout, settings.layout)) ?? before?.layout ?? settings.layout;
    for (const { declared } of present) layout = grown(layout, declared) ?? layout;
    const seated = seen && {
      seats: seen.seats,
      members: present.map(({ holder, weight }) => [holder, weight] as const),
    };
    const { spread, againInMs } = this.#spread(before?.spread, present, layout);
    const isSame =
      written !== undefined &&
      written.spread === spread &&
      JSON.stringify([written.layout, written.seated]) === JSON.stringify([layout, seated]);
    return { needed: isSame ? undefined : { layout, spread, seated }, againInMs };
  }

  /** First without those who left, as all others see it already; then with those who joined, if they have settled. */
  #spread(before: Spread | undefined, present: readonly Member[], layout: Layout) {
    const partitions = partitionsOf(layout);
    const staying = remaining(before, present);
    if (before !== undefined) this.#formerly.note(before, staying);
    const without = respread(before, staying, partitions);
    const joining = present.filter((member) => !staying.includes(member)).map(({ holder }) => holder);
    const againInMs = this.#settling.look(joining);
    if (joining.length === 0) return { spread: without, againInMs: longMs };
    if (againInMs > 0) return { spread: without, againInMs };
    return { spread: respread(without, present, partitions, this.#formerly.holders), againInMs: longMs };
  }
}
