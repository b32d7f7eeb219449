// Keys of elections that something else wrote, or a newer Conclave, in a cluster of Conclave and in a real etcd: they
// are refused with what to do about them, and stay as they are.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { GrpcTransport, toBytes } from '../../src/client/index.ts';
import { elect } from '../../src/election/index.ts';
import type { LeaseStore } from '../../src/election/store.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';
import { conclaveStore } from '../../src/stores/conclave.ts';
import { etcdStore } from '../../src/stores/etcd.ts';
import { LeaseGrantRequest, PutRequest, RangeRequest, services } from '../../src/wire/index.ts';
import { EtcdCluster } from '../integration/etcd-cluster.ts';
import { peer } from '../peers.ts';
import { serveOneMember } from '../servers/one-member.ts';
import { failsWith } from './checks.ts';

const etcd = peer('etcd');
const session = { ttlMs: 60_000, holder: 'h' };
const asked = { metadata: '', priority: 0 };
const lowest = `${'f'.repeat(8)}/${'0'.repeat(15)}1`;
const highest = `${'0'.repeat(8)}/${'0'.repeat(15)}1`;

interface Subject extends AsyncDisposable {
  readonly endpoint: string;
  /** `leader`: below an election, a key that leads. */
  readonly leader: string;
  open(): LeaseStore;
}

const subjects: readonly { name: string; skip: string | undefined; start(): Promise<Subject> }[] = [
  {
    name: 'a cluster of Conclave',
    skip: undefined,
    async start() {
      const member = await serveOneMember();
      const endpoint = member.endpoints;
      return {
        ...{ endpoint, leader: 'leader', open: () => conclaveStore({ endpoints: endpoint }) },
        [Symbol.asyncDispose]: () => member[Symbol.asyncDispose](),
      };
    },
  },
  {
    name: 'etcd',
    skip: etcd.missing,
    async start() {
      const cluster = await EtcdCluster.start(etcd.path ?? '', 1);
      const endpoint = cluster.members[0]?.endpoint ?? '';
      return {
        ...{ endpoint, leader: `leader/${'0'.repeat(15)}7`, open: () => etcdStore({ endpoints: endpoint }) },
        [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
      };
    },
  },
];

/** Writes and reads keys as anybody may. */
class Outsider implements Disposable {
  readonly #transport: GrpcTransport;

  constructor(endpoint: string) {
    this.#transport = new GrpcTransport(endpoint, { runtime: nodeRuntime() });
  }

  async put(name: string, rest: string, value: string, lease = 0n): Promise<void> {
    const request = PutRequest.create({ key: keyOf(name, rest), value: toBytes(value), lease });
    await this.#transport.unary(services.KV.put, request, { timeoutMs: 10_000 });
  }

  async value(name: string, rest: string): Promise<string | undefined> {
    const request = RangeRequest.create({ key: keyOf(name, rest) });
    const { kvs } = await this.#transport.unary(services.KV.range, request, { timeoutMs: 10_000 });
    return kvs[0] && Buffer.from(kvs[0].value).toString();
  }

  async lease(): Promise<bigint> {
    const request = LeaseGrantRequest.create({ TTL: 600 });
    return (await this.#transport.unary(services.Lease.leaseGrant, request, { timeoutMs: 10_000 })).ID;
  }

  [Symbol.dispose](): void {
    this.#transport.close();
  }
}

function keyOf(name: string, rest: string): Uint8Array {
  return toBytes(`conclave/election/${name}/${rest}`);
}

/** `key`: below the election, as an outsider sees it. */
async function assertRefused(store: LeaseStore, name: string, word: RegExp, key: RegExp): Promise<void> {
  const said = new RegExp(`"conclave/election/${name}/${key.source}"`);
  const refused = failsWith('data-incompatible', {}, word, /namespace|release/, said);
  await assert.rejects(store.read(name), refused);
  const watch = store.watch(name, { signal: AbortSignal.timeout(30_000) });
  await assert.rejects(watch[Symbol.asyncIterator]().next(), refused);
  await using own = await store.openSession(session);
  await assert.rejects(own.acquire(name, asked), refused);
  // It is no trouble that passes.
  await assert.rejects(
    elect(store, name, () => assert.fail('it leads'), {}),
    refused,
  );
}

for (const { name: where, skip, start } of subjects) {
  describe(`In ${where}`, { skip: skip ?? false }, () => {
    let subject: Subject;
    let outsider: Outsider;
    before(async () => {
      subject = await start();
      outsider = new Outsider(subject.endpoint);
    });
    after(async () => {
      outsider[Symbol.dispose]();
      await subject[Symbol.asyncDispose]();
    });

    const holding = JSON.stringify({ holder: 'x', metadata: '' });
    const values = [
      { what: 'that another program wrote', value: 'host-1', leased: true, says: /not written by Conclave/ },
      { what: 'of a newer Conclave', value: '{"conclave":2,"by":"x"}', leased: true, says: /format 2/ },
      { what: 'that no session holds', value: holding, leased: false, says: /not written by Conclave/ },
    ];
    for (const [at, { what, value, leased, says }] of values.entries()) {
      test(`a leadership ${what} is refused, and stays`, async () => {
        await using store = subject.open();
        const name = `leading-${at}`;
        await outsider.put(name, subject.leader, value, leased ? await outsider.lease() : 0n);
        await assertRefused(store, name, says, new RegExp(subject.leader));
        assert.equal(await outsider.value(name, subject.leader), value);
      });
    }

    test('a record that another program wrote is refused, and stays', async () => {
      await using store = subject.open();
      await outsider.put('recorded', 'record', 'host-1');
      const said = [/"conclave\/election\/recorded\/record"/, /delete it in the store/];
      await assert.rejects(
        elect(store, 'recorded', () => assert.fail('it leads'), {}),
        failsWith('data-damaged', {}, ...said),
      );
      assert.equal(await outsider.value('recorded', 'record'), 'host-1');
      assert.equal((await store.read('recorded')).leader, undefined);
    });

    test('a place ahead in the queue that no session made is refused, and stays', async () => {
      await using store = subject.open();
      for (const [at, place] of [highest, '0-first'].entries()) {
        const name = `queue-${at}`;
        await outsider.put(name, `queue/${place}`, 'host-1');
        await assertRefused(store, name, /not written by Conclave/, new RegExp(`queue/${place}`));
        assert.equal(await outsider.value(name, `queue/${place}`), 'host-1');
      }
    });

    test('a release passes over a place that no session made', async () => {
      await using store = subject.open();
      await using first = await store.openSession(session);
      const won = await first.acquire('passed', asked);
      assert(won.status === 'acquired');
      await outsider.put('passed', `queue/${highest}`, holding);
      const watch = store.watch('passed', { signal: AbortSignal.timeout(30_000) });
      await assert.rejects(watch[Symbol.asyncIterator]().next(), { code: 'data-incompatible' });
      assert.equal(await first.release('passed', won.token), true);
      assert.equal(await outsider.value('passed', subject.leader), undefined);
      assert.equal(await outsider.value('passed', `queue/${highest}`), holding);
    });

    test('a hand-off does not take what no session made for its target', async () => {
      await using store = subject.open();
      await using first = await store.openSession(session);
      const won = await first.acquire('handed', asked);
      assert(won.status === 'acquired');
      await outsider.put('handed', `queue/${lowest}`, holding);
      const handing = first.transfer('handed', won.token, 'x');
      await assert.rejects(handing, { code: 'target-not-waiting', outcome: 'not-applied' });
      assert.equal(await first.proclaim('handed', won.token, 'still'), true);
    });

    test('who waits is told when what no session holds comes to lead', async () => {
      await using store = subject.open();
      await using first = await store.openSession({ ...session, holder: 'first' });
      await using second = await store.openSession({ ...session, holder: 'second' });
      const won = await first.acquire('waiting', asked);
      const queued = await second.acquire('waiting', asked);
      assert(won.status === 'acquired' && queued.status === 'waiting');
      const turn = second.waitForTurn('waiting', queued, { signal: AbortSignal.timeout(30_000) });
      await outsider.put('waiting', subject.leader, 'host-1', await outsider.lease());
      await turn;
      const refused = failsWith('data-incompatible', {}, /not written by Conclave/);
      await assert.rejects(second.acquire('waiting', asked), refused);
    });

    test('other elections are seen beside one that cannot be read', async () => {
      await using store = subject.open();
      await outsider.put('all-bad', subject.leader, 'host-1');
      await using own = await store.openSession(session);
      await own.acquire('all-good', asked);
      const watch = store.watchAll?.('all-', { signal: AbortSignal.timeout(30_000) });
      for await (const states of watch ?? []) {
        assert.deepEqual([...states.keys()], ['all-good']);
        break;
      }
    });
  });
}

describe('The two stores of keys on one cluster', () => {
  test('refuse an election that the other one leads', async () => {
    await using member = await serveOneMember();
    await using conclave = conclaveStore({ endpoints: member.endpoints });
    await using etcdLike = etcdStore({ endpoints: member.endpoints });
    for (const [name, first, second, key] of [
      ['by-conclave', conclave, etcdLike, /leader/],
      ['by-etcd', etcdLike, conclave, /leader\/[0-9a-f]{16}/],
    ] as const) {
      await using leading = await first.openSession(session);
      const won = await leading.acquire(name, asked);
      assert(won.status === 'acquired');
      await assertRefused(second, name, /conclaveStore and etcdStore/, key);
      assert.equal(await leading.proclaim(name, won.token, 'as before'), true);
      assert.equal((await first.read(name)).leader?.metadata, 'as before');
    }
  });
});
