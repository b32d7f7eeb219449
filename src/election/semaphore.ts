/** At most so many holders at a time, in the order in which they came. */

import { checkNames } from '../errors/option-names.ts';
import { Held } from './held.ts';
import type { Lock, LockOptions } from './lock.ts';
import {
  checkName,
  checkSignal,
  checkStore,
  reservedPrefix,
  resolveElectionSettings,
  waitingOptionNames,
} from './options.ts';
import {
  anyOrder,
  checkSlotCount,
  closeSlots,
  type Entered,
  enterSlots,
  openSlots,
  type Slots,
} from './slots.ts';
import { resizeSlots } from './slots-resizing.ts';
import type { LeaseStore } from './store.ts';
import { waitAtMost } from './wait-limit.ts';

export interface SemaphoreOptions extends LockOptions {
  /** How many may hold a permit at a time. 1 to 256. All who use the semaphore must say the same number. */
  readonly permits: number;
}

/**
 * One of a semaphore's permits, held. Like every lease it can be lost: mind `signal`, `assertHeld()` and `token`.
 *
 * `token` rises with each permit given, in the order in which they were given, whatever their index; `name` is that
 * of the election that it is from. As a fencing token it fits a resource that belongs to one index (a licence, a
 * worker's folder): the holders of one index come one after the other, with rising tokens. A resource that all
 * holders share must not be fenced by it: there the permit given last would shut out the others, who still hold
 * theirs.
 */
export interface Permit extends Lock {
  /** Which of the permits: 0 to permits - 1. Nobody else holds this one at the same time. */
  readonly index: number;
}

/**
 * Waits until it holds a permit: `await using permit = await semaphore(store, 'exports', { permits: 3 })`. Permits
 * are given in the order of arrival (by `priority` first) where the store keeps an order. A holder that dies frees its
 * permit as a leader does: after its TTL, or with its connection (`releaseOnDisconnect`).
 *
 * Each call has a session of its own unless `session` is given; through one session calls are served one after the
 * other. `graceMs` holds a permit back after it was lost uncleanly. Costs, of one who waits in line: what a waiting
 * candidate costs; of the first in line, a place at each permit. Nothing stays in the store but a record for each.
 *
 * @throws 'failed-precondition' where others use it with another number of permits (see `resizeSemaphore`); 'timeout'
 * after `waitMs`, 'aborted': nothing is left behind; 'invalid-argument' and 'unsupported' before anything has an
 * effect; an error of the store that trying again cannot cure.
 */
export async function semaphore(store: LeaseStore, name: string, options: SemaphoreOptions): Promise<Permit> {
  const slots = semaphoreSlots(store, name, options);
  const entered = await waitAtMost(
    slots.session.settings.runtime,
    slots.what,
    options,
    slots.session,
    async (signal) => {
      try {
        return await enterSlots(slots, () => ({ any: anyOrder(slots) }), slots.count, signal);
      } catch (error) {
        await closeSlots(slots);
        throw error;
      }
    },
  );
  return permitOf(slots, entered);
}

/**
 * Changes how many permits a semaphore has, without stopping those who use it: resolves when the new number counts.
 * For fewer permits it waits until those that go away are free. From then on a `semaphore` call with the old number
 * is refused; permits that are held stay good.
 *
 * @throws as `semaphore`.
 */
export async function resizeSemaphore(
  store: LeaseStore,
  name: string,
  options: SemaphoreOptions,
): Promise<void> {
  await resizeSlots(semaphoreSlots(store, name, options), options);
}

function semaphoreSlots(store: LeaseStore, name: string, options: SemaphoreOptions): Slots {
  checkStore(store);
  checkName(name, 'The name of the semaphore', 960);
  checkNames('The options of a semaphore', options ?? {}, [...waitingOptionNames, 'permits']);
  const count = checkSlotCount('permits', options?.permits);
  checkSignal(options.signal);
  resolveElectionSettings(store, options);
  const base = `${reservedPrefix}semaphore/${name}`;
  const { permits: _, signal: __, waitMs: ___, ...rest } = options;
  return openSlots(store, rest, {
    what: `semaphore ${JSON.stringify(name)}`,
    counted: 'permits',
    base,
    count,
  });
}

function permitOf(slots: Slots, { turnstile, slots: taken, tidied }: Entered): Permit {
  // The next in line may come; how that ends is no matter, since the permit is held by its slot.
  const passedOn = turnstile.resign();
  const index = taken[0]?.index ?? 0;
  const held = new Held({
    name: turnstile.name,
    token: turnstile.token,
    what: `permit ${index} of ${slots.what}`,
    leaderships: taken.map(({ leadership }) => leadership),
    release: async () => {
      await Promise.all([tidied, passedOn, ...taken.map(({ leadership }) => leadership.resign())]);
      await closeSlots(slots);
    },
  });
  return Object.assign(held, { index });
}
