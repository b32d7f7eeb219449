// Two leaders by force, at the store itself: a transaction under a leadership that is over changes nothing. It is one
// request, so there is one point at which the first leader can be paused: before it reaches the store.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Candidate, type LeaseStore, type StoreSession } from '../../src/election/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import { conclaveStore } from '../../src/stores/conclave.ts';
import { etcdStore } from '../../src/stores/etcd.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import { TestCluster } from '../integration/cluster.ts';
import { EtcdCluster } from '../integration/etcd-cluster.ts';
import { peer } from '../peers.ts';

const patience = { timeout: 120_000 };
const etcd = peer('etcd');
const key = 'ledger/balance';

async function acquire(session: StoreSession, name: string): Promise<number> {
  for (;;) {
    const outcome = await session.acquire(name, { metadata: '', priority: 0 });
    if (outcome.status === 'acquired') return outcome.token;
    await session.waitForTurn(name, outcome, { signal: AbortSignal.timeout(60_000) });
  }
}

/** What the store says to it: 'committed', or how it was refused. */
async function write(session: StoreSession, name: string, token: number, value: string): Promise<string> {
  assert(session.transact !== undefined);
  try {
    const result = await session.transact(name, token, { success: [{ type: 'put', key, value }] });
    return result?.succeeded ? 'committed' : 'refused';
  } catch (error) {
    if (ConclaveError.is(error, 'lease-lost')) return 'refused';
    throw error;
  }
}

async function storedValue(store: LeaseStore): Promise<string | undefined> {
  await using candidate = new Candidate(store, 'reader');
  const leadership = await candidate.campaign();
  const { results } = await leadership.txn({ success: [{ type: 'get', key }] });
  const [result] = results;
  assert(result?.type === 'get');
  const [entry] = result.entries;
  return entry === undefined ? undefined : new TextDecoder().decode(entry.value);
}

/** One that leads and has written. A lease that is to run out may do so too soon, where this machine stalls: then anew. */
async function leading(store: LeaseStore, ttlMs: number) {
  for (;;) {
    const startMs = performance.now();
    const session = await store.openSession({ ttlMs, holder: 'first' });
    try {
      const token = await acquire(session, 'ledger');
      assert.equal(await write(session, 'ledger', token, '100'), 'committed');
      return { session, token };
    } catch (error) {
      if (performance.now() - startMs < ttlMs) throw error;
    }
  }
}

/** @param end how the first leadership ends, unseen by who goes on writing with its token. */
async function race(
  store: LeaseStore,
  ttlMs: number,
  end: (first: StoreSession, token: number) => Promise<unknown>,
): Promise<void> {
  await using second = await store.openSession({ ttlMs: 600_000, holder: 'second' });
  const { session: first, token: old } = await leading(store, ttlMs);

  await end(first, old);
  const token = await acquire(second, 'ledger');
  assert(token > old);
  assert.equal(await write(first, 'ledger', old, 'stale, before the new one wrote'), 'refused');
  assert.equal(await storedValue(store), '100');
  assert.equal(await write(second, 'ledger', token, '70'), 'committed');
  assert.equal(await write(first, 'ledger', old, 'stale'), 'refused');
  assert.equal(await write(second, 'ledger', old, 'an old token in the hands of the leader'), 'refused');
  assert.equal(await storedValue(store), '70');
  await first[Symbol.asyncDispose]();
}

function testStore(
  name: string,
  open: () => Promise<LeaseStore & AsyncDisposable>,
  skip: string | false = false,
): void {
  describe(`leadership.txn() on ${name}`, { skip }, () => {
    test('a leader that renews nothing any more, past its lease, writes nothing', patience, async () => {
      await using store = await open();
      // Nobody renews: the lease runs out while it is paused.
      await race(store, Math.max(store.capabilities.minTtlMs, 2000), async () => {});
    });

    test(
      'a leader that gave the leadership up, and whose session lives, writes nothing',
      patience,
      async () => {
        await using store = await open();
        await race(store, 600_000, (first, token) => first.release('ledger', token));
      },
    );
  });
}

testStore('memory', async () => memoryStore());

testStore('Conclave', async () => {
  const cluster = await TestCluster.start(1);
  return closedWith(conclaveStore({ endpoints: cluster.members[0]?.clientUrl ?? '' }), cluster);
});

testStore(
  'etcd',
  async () => {
    const cluster = await EtcdCluster.start(etcd.path ?? '', 1);
    return closedWith(etcdStore({ endpoints: cluster.endpoints }), cluster);
  },
  etcd.missing ?? false,
);

function closedWith(store: LeaseStore, server: AsyncDisposable): LeaseStore {
  return new Proxy(store, {
    get(target, property) {
      if (property === Symbol.asyncDispose) {
        return async () => {
          await target[Symbol.asyncDispose]();
          await server[Symbol.asyncDispose]();
        };
      }
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
