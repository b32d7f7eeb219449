/** How a fault is put into a store: into all its sessions, or into what it shows. */
import type { ElectionState, LeaseStore, SessionOptions, StoreSession } from '../election/store.ts';
import { sessionWith, storeWith } from './wrapping.ts';

export interface Wrapped {
  readonly store: LeaseStore;
  /** By holder. */
  readonly sessions: Map<string, StoreSession>;
}

export type SessionFault = (session: StoreSession, wrapped: Wrapped) => Partial<StoreSession>;

/** The session that leads now, and its token. */
export async function leading({ store, sessions }: Wrapped, name: string) {
  const { leader } = await store.read(name);
  const session = leader && sessions.get(leader.holder);
  return leader && session ? { session, token: leader.token } : undefined;
}

export function openingAs(change: (options: SessionOptions) => SessionOptions) {
  return (store: LeaseStore): LeaseStore =>
    storeWith(store, {
      openSession: async (options) => {
        const session = await store.openSession(change(options));
        return sessionWith(session, { ttlMs: options.ttlMs });
      },
    });
}

export function inSessions(fault: SessionFault) {
  return (store: LeaseStore): LeaseStore => {
    const sessions = new Map<string, StoreSession>();
    return storeWith(store, {
      openSession: async (options) => {
        const session = await store.openSession(options);
        sessions.set(session.holder, session);
        return sessionWith(session, fault(session, { store, sessions }));
      },
    });
  };
}

export function inWatches(change: (states: AsyncIterable<ElectionState>) => AsyncGenerator<ElectionState>) {
  return (store: LeaseStore): LeaseStore =>
    storeWith(store, { watch: (name, options) => change(store.watch(name, options)) });
}

type States = ReadonlyMap<string, ElectionState>;

/** Of a store that cannot watch many elections, nothing is changed. */
export function inWatchesOfMany(
  change: (maps: AsyncIterable<States>, prefix: string) => AsyncGenerator<States>,
  prefixOf = (prefix: string) => prefix,
) {
  return (store: LeaseStore): LeaseStore => {
    const watchAll = store.watchAll?.bind(store);
    if (watchAll === undefined) return store;
    return storeWith(store, {
      watchAll: (prefix, options) => change(watchAll(prefixOf(prefix), options), prefix),
    });
  };
}
