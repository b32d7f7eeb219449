/** Wrappers around a store that change some of what it does. */
import type { AcquireOutcome, ElectionState, LeaseStore, StoreSession } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';

export function storeWith(store: LeaseStore, changes: Partial<LeaseStore>): LeaseStore {
  return {
    description: store.description,
    capabilities: store.capabilities,
    openSession: (options) => store.openSession(options),
    read: (name, options) => store.read(name, options),
    watch: (name, options) => store.watch(name, options),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    ...(store.watchAll && { watchAll: store.watchAll.bind(store) }),
    ...changes,
  };
}

export function sessionWith(session: StoreSession, changes: Partial<StoreSession>): StoreSession {
  return {
    id: session.id,
    holder: session.holder,
    ttlMs: session.ttlMs,
    renew: (options) => session.renew(options),
    acquire: (name, options) => session.acquire(name, options),
    waitForTurn: (name, outcome, options) => session.waitForTurn(name, outcome, options),
    withdraw: (name, options) => session.withdraw(name, options),
    release: (name, token, options) => session.release(name, token, options),
    transfer: (name, token, toHolder, options) => session.transfer(name, token, toHolder, options),
    proclaim: (name, token, metadata, options) => session.proclaim(name, token, metadata, options),
    writeRecord: (name, token, record, options) => session.writeRecord(name, token, record, options),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    ...(session.transact && { transact: session.transact.bind(session) }),
    ...(session.connection && { connection: session.connection }),
    ...changes,
  };
}

async function* watchAllOf(store: LeaseStore, prefix: string, options: { readonly signal: AbortSignal }) {
  if (store.watchAll) yield* store.watchAll(prefix, options);
}

/** Names as the caller gives them become other names below. */
export function mapNames(store: LeaseStore, map: (name: string) => string): LeaseStore {
  return storeWith(store, {
    read: (name, options) => store.read(map(name), options),
    watch: (name, options) => store.watch(map(name), options),
    ...(store.watchAll && { watchAll: (prefix, options) => watchAllOf(store, map(prefix), options) }),
    openSession: async (options) => {
      const session = await store.openSession(options);
      return sessionWith(session, {
        acquire: (name, more) => session.acquire(map(name), more),
        waitForTurn: (name, outcome, more) => session.waitForTurn(map(name), outcome, more),
        withdraw: (name, more) => session.withdraw(map(name), more),
        release: (name, token, more) => session.release(map(name), token, more),
        transfer: (name, token, toHolder, more) => session.transfer(map(name), token, toHolder, more),
        proclaim: (name, token, metadata, more) => session.proclaim(map(name), token, metadata, more),
        writeRecord: (name, token, record, more) => session.writeRecord(map(name), token, record, more),
        ...(session.transact && {
          transact: async (name, token, transaction, more) =>
            session.transact?.(map(name), token, transaction, more),
        }),
      });
    },
  });
}

/** Tokens as they are below are shown as others. What comes in is the token that this session saw last, by name. */
export function mapTokens(store: LeaseStore, outward: (token: number) => number): LeaseStore {
  const shown = (state: ElectionState): ElectionState => ({
    ...state,
    leader: state.leader && { ...state.leader, token: outward(state.leader.token) },
  });
  return storeWith(store, {
    read: async (name, options) => shown(await store.read(name, options)),
    watch: async function* (name, options) {
      for await (const state of store.watch(name, options)) yield shown(state);
    },
    ...(store.watchAll && {
      watchAll: async function* (prefix, options) {
        for await (const states of watchAllOf(store, prefix, options))
          yield new Map([...states].map(([name, state]) => [name, shown(state)]));
      },
    }),
    openSession: async (options) => {
      const session = await store.openSession(options);
      const real = new Map<string, number>();
      const inward = (name: string) => real.get(name) ?? -1;
      return sessionWith(session, {
        acquire: async (name, more): Promise<AcquireOutcome> => {
          const outcome = await session.acquire(name, more);
          if (outcome.status === 'waiting') return { ...outcome, state: shown(outcome.state) };
          real.set(name, outcome.token);
          return { ...outcome, token: outward(outcome.token) };
        },
        waitForTurn: async (name, outcome, more) => {
          const given = await session.waitForTurn(name, outcome, more);
          if (!given) return;
          real.set(name, given.token);
          return { ...given, token: outward(given.token) };
        },
        release: (name, _token, more) => session.release(name, inward(name), more),
        transfer: (name, _token, toHolder, more) => session.transfer(name, inward(name), toHolder, more),
        proclaim: (name, _token, metadata, more) => session.proclaim(name, inward(name), metadata, more),
        writeRecord: (name, _token, record, more) => session.writeRecord(name, inward(name), record, more),
        ...(session.transact && {
          transact: async (name, _token, transaction, more) =>
            session.transact?.(name, inward(name), transaction, more),
        }),
      });
    },
  });
}

/** Calls whose answers get lost on request: carried out, then failing with 'timeout' and outcome 'unknown'. */
export function losingAnswers(store: LeaseStore): {
  readonly store: LeaseStore;
  loseNextAnswer(operation: LosableOperation): void;
} {
  const lost: LosableOperation[] = [];
  const answer = async <T>(operation: LosableOperation, call: Promise<T>): Promise<T> => {
    const value = await call;
    const at = lost.indexOf(operation);
    if (at < 0) return value;
    lost.splice(at, 1);
    throw new ConclaveError('timeout', `The answer to ${operation} was lost.`, {
      retryable: true,
      outcome: 'unknown',
    });
  };
  const wrapped = storeWith(store, {
    openSession: async (options) => {
      const session = await store.openSession(options);
      return sessionWith(session, {
        renew: (more) => answer('renew', session.renew(more)),
        acquire: (name, more) => answer('acquire', session.acquire(name, more)),
        release: (name, token, more) => answer('release', session.release(name, token, more)),
        transfer: (name, token, toHolder, more) =>
          answer('transfer', session.transfer(name, token, toHolder, more)),
        writeRecord: (name, token, record, more) =>
          answer('writeRecord', session.writeRecord(name, token, record, more)),
        ...(session.transact && {
          transact: (name, token, transaction, more) =>
            answer('transact', (async () => session.transact?.(name, token, transaction, more))()),
        }),
      });
    },
  });
  return { store: wrapped, loseNextAnswer: (operation) => void lost.push(operation) };
}

export type LosableOperation = 'renew' | 'acquire' | 'release' | 'transfer' | 'writeRecord' | 'transact';
