/**
 * Stores that are broken on purpose, each in one named way, by wrapping a sound one. They show that the suite can
 * fail, and what it would miss.
 */
import type { AcquireOutcome, ElectionState, LeaseStore, StoreSession } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { inSessions, inWatches, leading, openingAs } from './faulting.ts';
import { moreFaults } from './more-faults.ts';
import { mapNames, mapTokens, sessionWith, storeWith } from './wrapping.ts';

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

async function secondState(store: LeaseStore, name: string, signal: AbortSignal): Promise<void> {
  let seen = 0;
  for await (const _ of store.watch(name, { signal })) {
    seen += 1;
    if (seen === 2) return;
  }
}

const latin = (text: string) => text.replace(/[^\0-\xff]/g, '?');

/** Each fault with what it does. */
export const faults = {
  'two-leaders': inSessions((session) => ({
    acquire: async (name, options): Promise<AcquireOutcome> => {
      const outcome = await session.acquire(name, options);
      if (outcome.status === 'acquired') return outcome;
      return { status: 'acquired', token: (outcome.state.leader?.token ?? 0) + 1, record: undefined };
    },
  })),
  'token-repeats': (store) => mapTokens(store, () => 1),
  'token-falls': (store) => mapTokens(store, (token) => 1_000_000 - token),
  'lease-over-early': (store) =>
    openingAs((options) => ({ ...options, ttlMs: Math.max(store.capabilities.minTtlMs, options.ttlMs / 2) }))(
      store,
    ),
  'lease-endless': (store) =>
    openingAs((options) => ({ ...options, ttlMs: store.capabilities.maxTtlMs }))(store),
  'renewal-without-effect': inSessions(() => ({ renew: async () => {} })),
  'renewal-after-loss': inSessions((session) => ({
    renew: (options) => session.renew(options).catch(() => {}),
  })),
  'less-time-granted': (store) =>
    storeWith(store, {
      openSession: async (options) => {
        const session = await store.openSession(options);
        return sessionWith(session, { ttlMs: session.ttlMs / 2 });
      },
    }),
  'wake-up-lost': inSessions(() => ({ waitForTurn: (_name, _outcome, { signal }) => untilAborted(signal) })),
  'wake-up-missed-when-early': inSessions((_session, { store }) => ({
    waitForTurn: (name, _outcome, { signal }) => secondState(store, name, signal),
  })),
  'wait-ignores-its-signal': inSessions(() => ({ waitForTurn: () => new Promise(() => {}) })),
  'acquire-begins-anew': inSessions((session) => ({
    acquire: async (name, options) => {
      const outcome = await session.acquire(name, options);
      if (outcome.status === 'acquired') await session.release(name, outcome.token);
      return session.acquire(name, options);
    },
  })),
  'acquire-loses-the-place': inSessions((session) => ({
    acquire: async (name, options) => {
      await session.withdraw(name);
      return session.acquire(name, options);
    },
  })),
  'release-unguarded': inSessions((_session, wrapped) => ({
    release: async (name, _token, options) => {
      const now = await leading(wrapped, name);
      return (await now?.session.release(name, now.token, options)) ?? false;
    },
  })),
  'old-release-promotes': inSessions((session, { store, sessions }) => ({
    release: async (name, token, options) => {
      const released = await session.release(name, token, options);
      const { waiting } = await store.read(name);
      if (!released)
        await sessions.get(waiting[0]?.holder ?? '')?.acquire(name, { metadata: '', priority: 0 });
      return released;
    },
  })),
  'turn-tells-another-token': inSessions((session) => ({
    waitForTurn: async (name, outcome, options) => {
      await session.waitForTurn(name, outcome, options);
      return { status: 'acquired', token: (outcome.state.leader?.token ?? 0) + 1000, record: undefined };
    },
  })),
  'proclaim-unguarded': inSessions((_session, wrapped) => ({
    proclaim: async (name, _token, metadata, options) => {
      const now = await leading(wrapped, name);
      return (await now?.session.proclaim(name, now.token, metadata, options)) ?? false;
    },
  })),
  'record-unguarded': inSessions((_session, wrapped) => ({
    writeRecord: async (name, _token, record, options) => {
      const now = await leading(wrapped, name);
      return (await now?.session.writeRecord(name, now.token, record, options)) ?? false;
    },
  })),
  'record-dies-with-its-session': (store) => {
    const writers = new Map<string, StoreSession>();
    return inSessions((session) => ({
      writeRecord: (name, token, record, options) => {
        writers.set(name, session);
        return session.writeRecord(name, token, record, options);
      },
      acquire: async (name, options) => {
        const outcome = await session.acquire(name, options);
        const lives = await (writers.get(name) ?? session).renew().then(
          () => true,
          () => false,
        );
        return outcome.status === 'acquired' && !lives ? { ...outcome, record: undefined } : outcome;
      },
    }))(store);
  },
  'record-not-written-at-release': inSessions((session) => ({
    release: (name, token) => session.release(name, token),
  })),
  'record-of-seven-bits': inSessions((session) => ({
    writeRecord: (name, token, record) =>
      session.writeRecord(
        name,
        token,
        record.map((byte) => byte & 0x7f),
      ),
  })),
  'hand-off-to-anyone': inSessions((session) => ({
    transfer: async (name, token, toHolder, options) => {
      try {
        return await session.transfer(name, token, toHolder, options);
      } catch (error) {
        if (!ConclaveError.is(error, 'target-not-waiting')) throw error;
        return session.release(name, token, options);
      }
    },
  })),
  'hand-off-to-the-first': inSessions((session, { store }) => ({
    transfer: async (name, token, toHolder, options) => {
      const { waiting } = await store.read(name);
      return session.transfer(
        name,
        token,
        waiting.some(({ holder }) => holder === toHolder) ? (waiting[0]?.holder ?? toHolder) : toHolder,
        options,
      );
    },
  })),
  'hand-off-unguarded': inSessions((session, wrapped) => ({
    transfer: async (name, token, toHolder, options) => {
      const now = await leading(wrapped, name);
      return (
        now?.session.transfer(name, now.token, toHolder, options) ?? session.transfer(name, token, toHolder)
      );
    },
  })),
  'withdrawal-ignored': inSessions(() => ({ withdraw: async () => {} })),
  'last-come-first-served': (store) => {
    let arrivals = 0;
    return inSessions((session) => {
      let priority: number | undefined;
      return {
        acquire: (name, options) => {
          priority ??= ++arrivals;
          return session.acquire(name, { ...options, priority });
        },
      };
    })(store);
  },
  'priority-ignored': inSessions((session) => ({
    acquire: (name, options) => session.acquire(name, { ...options, priority: 0 }),
  })),
  'closing-ignored': inSessions(() => ({ [Symbol.asyncDispose]: async () => {} })),
  'watch-one-change-behind': inWatches(async function* (states) {
    let before: ElectionState | undefined;
    for await (const state of states) {
      yield before ?? state;
      before = state;
    }
  }),
  'watch-shows-only-the-start': inWatches(async function* (states) {
    let shown = false;
    for await (const state of states) {
      if (!shown) yield state;
      shown = true;
    }
  }),
  'read-one-state-behind': (store) => {
    const before = new Map<string, ElectionState>();
    return storeWith(store, {
      read: async (name, options) => {
        const now = await store.read(name, options);
        const shown = before.get(name) ?? now;
        before.set(name, now);
        return shown;
      },
    });
  },
  'metadata-in-latin-1': inSessions((session) => ({
    acquire: (name, options) => session.acquire(name, { ...options, metadata: latin(options.metadata) }),
    proclaim: (name, token, metadata) => session.proclaim(name, token, latin(metadata)),
  })),
  'names-in-lower-case': (store) => mapNames(store, (name) => name.toLowerCase()),
  'names-as-paths': (store) => mapNames(store, (name) => name.replace(/^\/|\/$/g, '')),
  'break-unnoticed': (store) =>
    storeWith(store, {
      openSession: async ({ releaseOnDisconnect, ...options }) => {
        const session = await store.openSession(options);
        if (releaseOnDisconnect === undefined) return session;
        const { graceMs } = releaseOnDisconnect;
        const subscribe = (listener: (state: 'attached' | 'broken') => void) => {
          listener('attached');
          return () => {};
        };
        return sessionWith(session, { connection: { graceMs, subscribe } });
      },
    }),
  ...moreFaults,
} as const satisfies Record<string, (store: LeaseStore) => LeaseStore>;

export type Fault = keyof typeof faults;

/** `store`, broken in this way. */
export function faultyStore(store: LeaseStore, fault: Fault): LeaseStore {
  return faults[fault](store);
}
