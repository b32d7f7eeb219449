/** Faults in what only some stores offer: records that expire, transactions, watches of many elections. */
import type {
  AcquireOutcome,
  ElectionState,
  LeaseStore,
  StoreSession,
  StoreTransactionResult,
} from '../election/store.ts';
import { inSessions, inWatches, inWatchesOfMany, leading } from './faulting.ts';
import { mapTokens, sessionWith, storeWith } from './wrapping.ts';

const nothing: StoreTransactionResult = { succeeded: true, revision: 0, results: [] };

export const moreFaults = {
  'holder-taken-for-its-session': (store) => {
    const sessions: StoreSession[] = [];
    return storeWith(store, {
      openSession: async (options) => {
        const session = await store.openSession(options);
        sessions.push(session);
        return sessionWith(session, {
          release: async (name, token, more) => {
            const ofHolder = sessions.filter(({ holder }) => holder === session.holder);
            const released = await Promise.all(
              ofHolder.map((one) => one.release(name, token, more).catch(() => false)),
            );
            return released.includes(true);
          },
        });
      },
    });
  },
  'leads-from-memory': inSessions((session) => {
    const led = new Map<string, AcquireOutcome>();
    return {
      acquire: async (name, options) => {
        const outcome = led.get(name) ?? (await session.acquire(name, options));
        if (outcome.status === 'acquired') led.set(name, outcome);
        return outcome;
      },
      release: (name, token, options) => {
        led.delete(name);
        return session.release(name, token, options);
      },
      withdraw: (name, options) => {
        led.delete(name);
        return session.withdraw(name, options);
      },
    };
  }),
  'two-of-a-crowd-lead': (store) => {
    let comers = 0;
    return inSessions((session) => ({
      acquire: async (name, options): Promise<AcquireOutcome> => {
        comers += 1;
        const comer = comers;
        const outcome = await session.acquire(name, options);
        if (outcome.status === 'acquired' || comer !== 45) return outcome;
        return { status: 'acquired', token: (outcome.state.leader?.token ?? 0) + 1, record: undefined };
      },
    }))(store);
  },
  'token-restarts-with-its-records': (store) => mapTokens(store, (token) => token % 1024),
  'record-hidden-from-readers': (store) =>
    storeWith(store, {
      read: async (name, options) => ({ ...(await store.read(name, options)), record: undefined }),
    }),
  'record-watched-only-at-the-start': inWatches(async function* (states) {
    let first: ElectionState | undefined;
    for await (const state of states) {
      first ??= state;
      yield { ...state, record: first.record };
    }
  }),
  'record-never-forgotten': inSessions((session) => ({
    writeRecord: (name, token, record, { recordTtlMs: _, ...options } = {}) =>
      session.writeRecord(name, token, record, options),
  })),
  'record-forgotten-early': inSessions((session) => ({
    writeRecord: (name, token, record, { recordTtlMs, ...options } = {}) =>
      session.writeRecord(name, token, record, {
        ...options,
        ...(recordTtlMs !== undefined && { recordTtlMs: recordTtlMs / 2 }),
      }),
  })),
  'transaction-unguarded': inSessions((session, wrapped) => ({
    transact: async (name, token, transaction, options) => {
      const now = await leading(wrapped, name);
      const by = now ?? { session, token };
      return await by.session.transact?.(name, by.token, transaction, options);
    },
  })),
  'transaction-without-its-compares': inSessions((session) => ({
    transact: async (name, token, transaction, options) =>
      session.transact?.(name, token, { ...transaction, compare: [] }, options),
  })),
  'transaction-in-reverse': inSessions((session) => ({
    transact: async (name, token, { success = [], ...rest }, options) =>
      session.transact?.(name, token, { ...rest, success: [...success].reverse() }, options),
  })),
  'malformed-transaction-taken': inSessions((session) => ({
    transact: async (name, token, transaction, options) =>
      session.transact?.(name, token, transaction, options).catch(() => nothing),
  })),
  'watch-of-many-without-the-start': inWatchesOfMany(async function* (maps) {
    let started = false;
    for await (const states of maps) {
      yield started ? states : new Map();
      started = true;
    }
  }),
  'watch-of-many-beyond-its-prefix': inWatchesOfMany(
    (maps) => eachMap(maps, (states) => states),
    (prefix) => prefix.slice(0, -1),
  ),
  'watch-of-many-without-new-elections': inWatchesOfMany(async function* (maps) {
    let known: ReadonlyMap<string, ElectionState> | undefined;
    for await (const states of maps) {
      const first = known ?? states;
      known = first;
      yield new Map([...states].filter(([name]) => first.has(name)));
    }
  }),
  'watch-of-many-without-ends': inWatchesOfMany((maps) =>
    eachMap(maps, (states) => new Map([...states].filter(([, state]) => state.leader !== undefined))),
  ),
  'watch-of-many-ignores-its-signal': (store) => {
    const watchAll = store.watchAll?.bind(store);
    if (watchAll === undefined) return store;
    return storeWith(store, {
      watchAll: (prefix) => watchAll(prefix, { signal: new AbortController().signal }),
    });
  },
} as const satisfies Record<string, (store: LeaseStore) => LeaseStore>;

async function* eachMap<T>(maps: AsyncIterable<T>, change: (states: T) => T): AsyncGenerator<T> {
  for await (const states of maps) yield change(states);
}
