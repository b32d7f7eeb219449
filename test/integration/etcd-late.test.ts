// Requests to a real etcd that were given up and arrive late: they must change nothing any more.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LeaseStore, StoreSession } from '../../src/election/store.ts';
import { etcdStore } from '../../src/stores/etcd.ts';
import { RangeRequest, services } from '../../src/wire/index.ts';
import { peer } from '../peers.ts';
import { EtcdCluster, type EtcdMember } from './etcd-cluster.ts';
import { MeddlingNetwork } from './meddling.ts';

const etcd = peer('etcd');
const options = { metadata: '', priority: 0 };
const name = 'late';

interface Stage extends AsyncDisposable {
  readonly store: LeaseStore;
  readonly session: StoreSession;
  readonly namespace: string;
  /** The next so many transactions are kept until `deliver`. */
  hold(count: number): void;
  deliver(): Promise<void>;
  open(holder: string): Promise<StoreSession>;
}

describe('What was given up and arrives late at etcd', { skip: etcd.missing ?? false }, () => {
  let cluster: EtcdCluster | undefined;
  before(async () => {
    cluster = await EtcdCluster.start(etcd.path ?? '', 1);
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });

  let stages = 0;
  async function stage(): Promise<Stage> {
    const { endpoints } = cluster as EtcdCluster;
    const network = new MeddlingNetwork();
    stages += 1;
    const namespace = `late-${stages}`;
    const store = etcdStore({ endpoints, namespace, transport: network.connect });
    const other = etcdStore({ endpoints, namespace });
    const session = await store.openSession({ ttlMs: 600_000, holder: 'slow' });
    let [left, held] = [0, 0];
    network.meddle = ({ path }) => {
      if (path !== services.KV.txn.path || left === 0) return undefined;
      left -= 1;
      held += 1;
      return 'hold';
    };
    return {
      store: other,
      session,
      namespace,
      hold: (count) => {
        left = count;
      },
      deliver: async () => {
        left = 0;
        assert.equal(await network.deliver(), held);
        assert(held > 0, 'nothing was held');
      },
      open: (holder) => other.openSession({ ttlMs: 600_000, holder }),
      async [Symbol.asyncDispose]() {
        left = 0;
        await store[Symbol.asyncDispose]();
        await other[Symbol.asyncDispose]();
      },
    };
  }

  async function lead(session: StoreSession): Promise<number> {
    const outcome = await session.acquire(name, options);
    assert(outcome.status === 'acquired');
    return outcome.token;
  }

  /** The keys of sessions that left the election. */
  async function leftBehind(namespace: string, election: string): Promise<number> {
    const [member] = (cluster as EtcdCluster).members as [EtcdMember];
    const prefix = `${namespace}/${election}/left/`;
    const request = { key: Buffer.from(prefix), rangeEnd: Buffer.from(prefix.replace(/.$/, '0')) };
    const answer = await (cluster as EtcdCluster).call(
      member,
      services.KV.range,
      RangeRequest.create(request),
    );
    return answer.kvs.length;
  }

  test('elections that a session led and left leave nothing behind in etcd', async () => {
    await using at = await stage();
    const names = Array.from({ length: 150 }, (_, number) => `job-${number}`);
    for (const job of names) {
      const outcome = await at.session.acquire(job, options);
      assert(outcome.status === 'acquired');
      assert.equal(await at.session.release(job, outcome.token), true);
    }
    for (const job of names) while ((await leftBehind(at.namespace, job)) > 0) await sleep(50);
    // And what it takes up again works as before.
    const again = await at.session.acquire('job-7', options);
    assert(again.status === 'acquired');
    assert.equal(await at.session.release('job-7', again.token), true);
  });

  test('what an attempt on the way is measured by stays when the rest is cleaned up', async () => {
    await using at = await stage();
    at.hold(1);
    const token = await lead(at.session);
    assert.equal(await at.session.release(name, token), true);
    const other = await at.session.acquire('other', options);
    assert(other.status === 'acquired');
    assert.equal(await at.session.release('other', other.token), true);
    while ((await leftBehind(at.namespace, 'other')) > 0) await sleep(50);
    await at.deliver();
    assert.equal((await at.store.read(name)).leader, undefined);
  });

  test('an attempt to lead does not make a session lead that has released since', async () => {
    await using at = await stage();
    at.hold(1);
    const token = await lead(at.session);
    assert.equal(await at.session.release(name, token), true);
    await at.deliver();
    assert.equal((await at.store.read(name)).leader, undefined);
  });

  test('an attempt to queue does not put a session into the queue that has withdrawn since', async () => {
    await using at = await stage();
    const first = await at.open('first');
    await lead(first);
    at.hold(1);
    assert.equal((await at.session.acquire(name, options)).status, 'waiting');
    await at.session.withdraw(name);
    await at.deliver();
    assert.deepEqual((await at.store.read(name)).waiting, []);
  });

  test('a withdrawal does not end the leadership that came after it', async () => {
    await using at = await stage();
    const first = await at.open('first');
    const before = await lead(first);
    assert.equal((await at.session.acquire(name, options)).status, 'waiting');
    at.hold(1000);
    await assert.rejects(at.session.withdraw(name, { timeoutMs: 1000 }), { outcome: 'unknown' });
    at.hold(0);
    assert.equal(await first.release(name, before), true);
    const token = await lead(at.session);
    await at.deliver();
    assert.equal((await at.store.read(name)).leader?.token, token);
  });

  test('a release does not end the next leadership, nor a hand-off give it away', async () => {
    await using at = await stage();
    const token = await lead(at.session);
    const first = await at.open('first');
    assert.equal((await first.acquire(name, options)).status, 'waiting');
    at.hold(1000);
    const once = { timeoutMs: 1000 };
    await assert.rejects(at.session.release(name, token, once), { outcome: 'unknown' });
    await assert.rejects(at.session.transfer(name, token, 'first', once), { outcome: 'unknown' });
    at.hold(0);
    assert.equal(await at.session.release(name, token), true);
    await first.withdraw(name);
    const next = await lead(at.session);
    assert.equal((await first.acquire(name, options)).status, 'waiting');
    await at.deliver();
    assert.equal((await at.store.read(name)).leader?.token, next);
  });

  test('an older record or metadata does not replace a newer one', async () => {
    await using at = await stage();
    const token = await lead(at.session);
    at.hold(1000);
    const once = { timeoutMs: 1000 };
    await assert.rejects(at.session.writeRecord(name, token, Uint8Array.of(1), once), { outcome: 'unknown' });
    await assert.rejects(at.session.proclaim(name, token, 'old', once), { outcome: 'unknown' });
    at.hold(0);
    assert.equal(await at.session.writeRecord(name, token, Uint8Array.of(2)), true);
    assert.equal(await at.session.proclaim(name, token, 'new'), true);
    await at.deliver();
    const state = await at.store.read(name);
    assert.deepEqual([state.leader?.metadata, state.record], ['new', Uint8Array.of(2)]);
  });

  test('a transaction of the user is sent once, and its outcome is unknown', async () => {
    await using at = await stage();
    const token = await lead(at.session);
    // A second attempt would get through.
    at.hold(1);
    const transaction = { success: [{ type: 'put', key: 'user', value: 'x' }] } as const;
    await assert.rejects(async () => await at.session.transact?.(name, token, transaction), {
      outcome: 'unknown',
    });
    assert.equal(await at.session.release(name, token), true);
    await at.deliver();
    const next = await lead(at.session);
    const read = { success: [{ type: 'get', key: 'user' }] } as const;
    const found = await at.session.transact?.(name, next, read);
    assert.deepEqual(
      found?.results,
      [{ type: 'get', entries: [], more: false }],
      'its token was current no more',
    );
  });
});
