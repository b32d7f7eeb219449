/**
 * N slots behind a turnstile, the one mechanism under semaphores and read-write locks. The turnstile is an election:
 * its leader alone tries the slots, which are elections too, and lets the next one through when it has what it came
 * for. So those who come are served in their order, only one of them looks at the slots, and whoever dies on the way
 * frees all that it had with its session.
 *
 * What is held, is held by the slots' leaderships alone; the turnstile is for order.
 */
import { ConclaveError } from '../errors/index.ts';
import { Candidate, type CandidateOptions } from './candidate.ts';
import type { Leadership } from './leadership.ts';
import { sessionOptionsOf } from './options.ts';
import { Session } from './session.ts';
import { decodeSlots, writeSlots } from './slots-record.ts';
import type { LeaseStore } from './store.ts';
import { linkSignals, sleep } from './waiting.ts';

/** A writer holds them all, and the first in line stands at each. */
const mostSlots = 256;

export interface Slots {
  readonly store: LeaseStore;
  readonly session: Session;
  readonly ownsSession: boolean;
  /** For messages: 'semaphore "reports"'. */
  readonly what: string;
  /** What the count is called there: 'permits'. */
  readonly counted: string;
  /** The names of its elections begin with it. */
  readonly base: string;
  readonly count: number;
  /** For the turnstile and the slots. */
  readonly options: CandidateOptions;
}

export interface Entered {
  readonly turnstile: Leadership;
  readonly slots: readonly Slot[];
  /** Settles when what was tried beside them is given back. Never rejects. */
  readonly tidied: Promise<unknown>;
}

export interface Slot {
  readonly index: number;
  readonly leadership: Leadership;
}

/** Which slots one comes for: one of all, or each of them. */
export type Wanted = { readonly any: readonly number[] } | { readonly all: readonly number[] };

export function openSlots(
  store: LeaseStore,
  options: CandidateOptions,
  parts: Pick<Slots, 'what' | 'counted' | 'base' | 'count'>,
): Slots {
  const session = options.session ?? new Session(store, sessionOptionsOf(options));
  return { store, session, ownsSession: options.session === undefined, options, ...parts };
}

/**
 * Waits in line, then for the slots, and resolves with the turnstile still held. Begins anew where it lost its place
 * in line with its session. Whatever it throws, nothing is left behind (on a slow store: soon).
 * `agreed`: what the record must say; undefined: whatever it says.
 */
export async function enterSlots(
  slots: Slots,
  wanted: (recorded: number | undefined) => Wanted,
  agreed: number | undefined,
  signal: AbortSignal,
): Promise<Entered> {
  const name = `${slots.base}/turnstile`;
  for (;;) {
    const { graceMs: _, yieldToPriority: __, ...options } = slots.options;
    const gate = candidateOf(slots, name, options);
    const turnstile = await gate.campaign({ signal });
    try {
      const recorded = decodeSlots(name, turnstile.parts.record);
      if (agreed !== undefined && recorded !== undefined && recorded !== agreed)
        throw disagreement(slots, recorded);
      const isAgreed =
        agreed === undefined || recorded === agreed || (await writeSlots(turnstile, agreed, signal));
      const taken = isAgreed ? await takeSlots(slots, wanted(recorded), turnstile, signal) : undefined;
      if (taken !== undefined) return { turnstile, ...taken };
    } catch (error) {
      await soon(slots, turnstile.resign());
      throw error;
    }
    // The turnstile was lost: back to the end of the line.
    await turnstile.resign();
    if (signal.aborted) throw ConclaveError.aborted(`Waiting for ${slots.what}`, signal);
  }
}

/** Closes the session, if it is our own: what is left under it is given up at once. Never rejects. */
export async function closeSlots({ ownsSession, session }: Slots): Promise<void> {
  if (ownsSession) await session[Symbol.asyncDispose]();
}

/** undefined: the turnstile was lost. */
async function takeSlots(
  slots: Slots,
  wanted: Wanted,
  turnstile: Leadership,
  signal: AbortSignal,
): Promise<Omit<Entered, 'turnstile'> | undefined> {
  const link = linkSignals(signal, turnstile.signal);
  const attempts = new Attempts(slots, link.signal);
  let taken: readonly Slot[] | undefined;
  let failure: unknown;
  try {
    taken = 'any' in wanted ? await attempts.any(wanted.any) : await attempts.all(wanted.all);
  } catch (error) {
    if (!link.signal.aborted) failure = error;
  }
  // What was won while the turnstile went may not be in the order of its tokens.
  if (link.signal.aborted) taken = undefined;
  link.controller.abort();
  link.release();
  const tidied = attempts.giveBack(taken ?? []);
  if (taken !== undefined) return { slots: taken, tidied };
  await soon(slots, tidied);
  if (failure !== undefined) throw failure;
  if (signal.aborted) throw ConclaveError.aborted(`Waiting for ${slots.what}`, signal);
  return undefined;
}

/** Who gives up waits for the end of that, but not for a store that is slow: it goes on in the background. */
export async function soon({ session }: Slots, cleanup: Promise<unknown>): Promise<void> {
  const { runtime, renewEveryMs } = session.settings;
  const enough = new AbortController();
  await Promise.race([cleanup, sleep(runtime, Math.min(1000, renewEveryMs), enough.signal)]);
  enough.abort();
}

class Attempts {
  readonly #slots: Slots;
  readonly #signal: AbortSignal;
  readonly #running: Promise<Slot>[] = [];

  constructor(slots: Slots, signal: AbortSignal) {
    this.#slots = slots;
    this.#signal = signal;
  }

  /** One after the other as long as each has to wait, so that a free one costs one attempt; then the first of all. */
  async any(indexes: readonly number[]): Promise<readonly Slot[]> {
    for (const index of indexes) {
      let wait = () => {};
      const waits = new Promise<undefined>((resolve) => {
        wait = () => resolve(undefined);
      });
      const first = await Promise.race([this.#start(index, wait), waits, ...this.#running]);
      if (first !== undefined) return [first];
    }
    return [await Promise.race(this.#running)];
  }

  async all(indexes: readonly number[]): Promise<readonly Slot[]> {
    return await Promise.all(indexes.map((index) => this.#start(index, () => {})));
  }

  /** All that was won but these. Never rejects. */
  async giveBack(except: readonly Slot[]): Promise<void> {
    const settled = await Promise.allSettled(this.#running);
    const won = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const surplus = won.filter((slot) => !except.includes(slot));
    await Promise.all(surplus.map(({ leadership }) => leadership.resign()));
  }

  async #start(index: number, onWaiting: () => void): Promise<Slot> {
    const { options, base } = this.#slots;
    const { priority: _, yieldToPriority: __, ...rest } = options;
    const candidate = candidateOf(this.#slots, `${base}/slot-${index}`, rest, onWaiting);
    const attempt = candidate
      .campaign({ signal: this.#signal })
      .then((leadership): Slot => ({ index, leadership }));
    attempt.catch(() => {});
    this.#running.push(attempt);
    return await attempt;
  }
}

/** @throws 'invalid-argument'. */
export function checkSlotCount(what: string, count: number): number {
  if (Number.isSafeInteger(count) && count >= 1 && count <= mostSlots) return count;
  const message = `${what} must be a whole number from 1 to ${mostSlots}, not ${String(count)}.`;
  throw new ConclaveError('invalid-argument', message);
}

/** In an order that begins anywhere, so that those who come do not all try the same first. */
export function anyOrder({ count, session }: Slots): readonly number[] {
  const start = Math.floor(session.settings.runtime.random.unit() * count);
  return Array.from({ length: count }, (_, at) => (start + at) % count);
}

function candidateOf(
  { store, session }: Slots,
  name: string,
  options: CandidateOptions,
  onWaiting: () => void = () => {},
): Candidate {
  return new Candidate(store, name, { ...options, session }, { reserved: true, queue: true, onWaiting });
}

function disagreement({ what, counted, count }: Slots, recorded: number): ConclaveError {
  const message = `The ${what} has ${recorded} ${counted}, as whoever used it first said; here it is used with ${count}. All must use the same number; to change it, resize it.`;
  return new ConclaveError('failed-precondition', message, { details: { recorded, asked: count } });
}
