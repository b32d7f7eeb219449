/**
 * Who is there, on a store that does not show who waits for an election: each process leads one of a row of elections,
 * its seat, and the leader of the roster writes down who has one. So a process costs one election more, and only the
 * leader of the roster looks at all seats.
 */
import { publish } from '../election/events.ts';
import { Candidate, type Leadership, type LeaseStore, type Session } from '../election/index.ts';
import { backoffMs, linkSignals, sleep } from '../election/waiting.ts';
import type { StateFeed } from './feed.ts';
import { decodeMember, type Member } from './member.ts';
import { mostSeats, rosterElection, seatElection } from './options.ts';
import { decodeRecord } from './record.ts';

/** What there is before anybody wrote down how many. Whoever looks for one looks at no more than are written down. */
const fewestSeats = 8;
/** Where fewer are free there will be twice as many. */
const fewestFree = 4;

export interface SeatParts {
  readonly name: string;
  readonly store: LeaseStore;
  readonly session: Session;
  /** What the others are to know of us. */
  readonly metadata: string;
  readonly acceptAdvisory: string | undefined;
}

/** Our own: takes one, and another one whenever it was lost, until the signal aborts. Never rejects. */
export async function keepSeat(parts: SeatParts, signal: AbortSignal): Promise<void> {
  const { store, session } = parts;
  const { runtime, onEvent, holder, ttlMs } = session.settings;
  for (let attempt = 1; !signal.aborted; attempt++) {
    const retryInMs = backoffMs(runtime.random, attempt - 1, ttlMs / 10, ttlMs);
    try {
      const leadership = await takeSeat(parts, signal);
      if (leadership !== undefined) {
        attempt = 0;
        await untilLeft(leadership, signal);
        continue;
      }
    } catch (error) {
      if (signal.aborted) return;
      const what = `Taking a seat of the partitions ${JSON.stringify(parts.name)}`;
      const { description } = store;
      publish({ type: 'trouble', holder, store: description, what, error, attempt, retryInMs }, onEvent);
    }
    await sleep(runtime, retryInMs, signal);
  }
}

/** undefined: all are taken. */
async function takeSeat(parts: SeatParts, signal: AbortSignal): Promise<Leadership | undefined> {
  const { name, store, session, metadata, acceptAdvisory } = parts;
  const read = async (election: string) => {
    const live = await session.live({ signal });
    return live.call('Looking for a seat', signal, (options) => store.read(election, options));
  };
  const { record } = await read(rosterElection(name));
  const seats = (record && decodeRecord(name, record).seated?.seats) ?? fewestSeats;
  for (let seat = 0; seat < seats; seat++) {
    const election = seatElection(name, seat);
    if ((await read(election)).leader !== undefined) continue;
    const taken = new AbortController();
    const link = linkSignals(signal, taken.signal);
    const use = { onWaiting: () => taken.abort() };
    const candidate = new Candidate(store, election, { session, metadata, acceptAdvisory }, use);
    try {
      return await candidate.campaign({ signal: link.signal });
    } catch (error) {
      if (signal.aborted || !taken.signal.aborted) throw error;
    } finally {
      link.release();
    }
  }
  return undefined;
}

async function untilLeft(leadership: Leadership, signal: AbortSignal): Promise<void> {
  const resign = () => void leadership.resign();
  signal.addEventListener('abort', resign);
  if (signal.aborted) resign();
  await leadership.ended;
  signal.removeEventListener('abort', resign);
}

/** All seats, as the leader of the roster sees them. */
export class Seats {
  readonly #name: string;
  readonly #feed: StateFeed;
  readonly #onChange: () => void;
  readonly #ends: (() => void)[] = [];
  #followed = 0;

  /** `onChange` must not throw. */
  constructor(name: string, feed: StateFeed, onChange: () => void) {
    this.#name = name;
    this.#feed = feed;
    this.#onChange = onChange;
  }

  /** Who has one of so many, and how many there should be. undefined: not all of them are known yet. */
  look(recorded = fewestSeats): { readonly members: readonly Member[]; readonly seats: number } | undefined {
    // Not fewer where somebody deleted the record: those who have one keep it.
    const before = Math.max(recorded, this.#followed);
    for (; this.#followed < before; this.#followed++) {
      const election = seatElection(this.#name, this.#followed);
      this.#ends.push(this.#feed.follow(election), this.#feed.on(election, this.#onChange));
    }
    const members = new Map<string, Member>();
    let free = 0;
    for (let seat = 0; seat < before; seat++) {
      const seen = this.#feed.get(seatElection(this.#name, seat));
      if (seen === undefined) return undefined;
      const { leader } = seen.state;
      if (leader === undefined) free += 1;
      const member = leader && decodeMember(leader.holder, leader.metadata);
      if (member !== undefined) members.set(member.holder, member);
    }
    const seats = free < fewestFree ? Math.min(2 * before, mostSeats) : before;
    return { members: [...members.values()], seats };
  }

  [Symbol.dispose](): void {
    for (const end of this.#ends) end();
  }
}
