/** Many readers or one writer, in the order in which they came. */
import { ConclaveError } from '../errors/index.ts';
import { checkNames, shown } from '../errors/option-names.ts';
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

export interface ReadWriteLockOptions extends LockOptions {
  readonly mode: 'read' | 'write';
  /**
   * How many may read at a time; one more waits in line for one of them to leave, and holds up those behind it. A
   * writer needs as many requests. 1 to 256; default 16. All who use the lock must say the same number.
   */
  readonly maxReaders?: number | undefined;
}

const readWriteNames = [...waitingOptionNames, 'maxReaders'];

/** Like every lease it can be lost: mind `signal`, `assertHeld()` and, for what a writer writes, `token`. */
export interface HeldReadWriteLock extends Lock {
  readonly mode: 'read' | 'write';
}

/**
 * Waits until it may read, with other readers, or write, alone:
 * `await using held = await readWriteLock(store, 'catalogue', { mode: 'write' })`. Neither readers nor writers starve:
 * all stand in one line, by `priority` first, where the store keeps an order. `token` rises along that line, so that
 * a writer's is higher than that of everybody who held the lock before: fence what is written with it.
 *
 * Not to be asked for by one who holds it already, for example to write after reading: that waits for ever, since
 * the writer waits for the reader. Release first.
 *
 * Each call has a session of its own unless `session` is given; through one session calls stand in line one after
 * the other.
 *
 * @throws 'failed-precondition' where others use it with another `maxReaders` (see `resizeReadWriteLock`); 'timeout'
 * after `waitMs`, 'aborted': nothing is left behind; 'invalid-argument' and 'unsupported' before anything has an
 * effect; an error of the store that trying again cannot cure.
 */
export async function readWriteLock(
  store: LeaseStore,
  name: string,
  options: ReadWriteLockOptions,
): Promise<HeldReadWriteLock> {
  checkNames('The options of a read-write lock', options, [...readWriteNames, 'mode']);
  const { mode, ...rest } = options;
  if (mode !== 'read' && mode !== 'write') {
    const message = `The mode of a read-write lock must be 'read' or 'write', not ${shown(mode)}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  const slots = readWriteSlots(store, name, rest);
  const { runtime } = slots.session.settings;
  const entered = await waitAtMost(runtime, slots.what, options, slots.session, async (signal) => {
    try {
      const wanted = mode === 'read' ? { any: anyOrder(slots) } : { all: anyOrder(slots) };
      return await enterSlots(slots, () => wanted, slots.count, signal);
    } catch (error) {
      await closeSlots(slots);
      throw error;
    }
  });
  return heldOf(slots, mode, entered);
}

/**
 * Changes how many may read at a time, without stopping those who use the lock: resolves when the new number counts.
 * From then on a call with the old number is refused; what is held stays good.
 *
 * @throws as `readWriteLock`.
 */
export async function resizeReadWriteLock(
  store: LeaseStore,
  name: string,
  options: Omit<ReadWriteLockOptions, 'mode'> & { readonly maxReaders: number },
): Promise<void> {
  await resizeSlots(readWriteSlots(store, name, options), options);
}

function readWriteSlots(store: LeaseStore, name: string, options: Omit<ReadWriteLockOptions, 'mode'>): Slots {
  checkStore(store);
  checkNames('The options of a read-write lock', options, readWriteNames);
  checkName(name, 'The name of the read-write lock', 960);
  const count = checkSlotCount('maxReaders', options.maxReaders ?? 16);
  checkSignal(options.signal);
  resolveElectionSettings(store, options);
  const base = `${reservedPrefix}read-write-lock/${name}`;
  const { maxReaders: _, signal: __, waitMs: ___, ...rest } = options;
  const what = `read-write lock ${JSON.stringify(name)}`;
  return openSlots(store, rest, { what, counted: 'readers', base, count });
}

/**
 * A writer keeps the turnstile: nobody could get past it, and so they wait where waiting is cheap. With the turnstile
 * it has lost the lock: who resizes may add a slot that it does not hold, for a reader.
 */
function heldOf(
  slots: Slots,
  mode: 'read' | 'write',
  { turnstile, slots: taken, tidied }: Entered,
): HeldReadWriteLock {
  const own = taken.map(({ leadership }) => leadership);
  const passedOn = mode === 'read' ? turnstile.resign() : undefined;
  const held = new Held({
    name: turnstile.name,
    token: turnstile.token,
    what: `${slots.what} for ${mode === 'read' ? 'reading' : 'writing'}`,
    leaderships: mode === 'read' ? own : [...own, turnstile],
    release: async () => {
      await Promise.all([tidied, ...own.map((leadership) => leadership.resign())]);
      await (passedOn ?? turnstile.resign());
      await closeSlots(slots);
    },
  });
  return Object.assign(held, { mode });
}
