// Elections in a real etcd whose members die, stop, lose their leader and compact, and whose clients stop.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { GrpcTransport } from '../../src/client/index.ts';
import { Candidate, elect } from '../../src/election/index.ts';
import type { ElectionState, LeaseStore } from '../../src/election/store.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';
import { electionKeys } from '../../src/stores/conclave/keys.ts';
import { etcdStore } from '../../src/stores/etcd.ts';
import { DeleteRangeRequest, RangeRequest, services, WatchRequest } from '../../src/wire/index.ts';
import { peer } from '../peers.ts';
import { Conclave } from './cli.ts';
import { EtcdCluster } from './etcd-cluster.ts';
import { MeddlingNetwork } from './meddling.ts';

const etcd = peer('etcd');
const acquiring = { metadata: '', priority: 0 };

/** The last state that watching `name` gave, through outages. */
function watched(store: LeaseStore, name: string) {
  const controller = new AbortController();
  let [last, wake]: [ElectionState | undefined, () => void] = [undefined, () => {}];
  const ended = (async () => {
    while (!controller.signal.aborted) {
      try {
        for await (const state of store.watch(name, { signal: controller.signal })) {
          last = state;
          wake();
        }
      } catch (error) {
        if (!ConclaveError.is(error) || !error.retryable) throw error;
      }
    }
  })();
  return {
    /** Resolves when it holds of the last state. */
    async shows(holds: (state: ElectionState) => boolean): Promise<ElectionState> {
      for (;;) {
        if (last !== undefined && holds(last)) return last;
        await Promise.race([ended, new Promise<void>((resolve) => (wake = resolve))]);
      }
    },
    async [Symbol.asyncDispose]() {
      controller.abort();
      await ended;
    },
  };
}

describe('An etcd of three members', { skip: etcd.missing ?? false }, () => {
  let cluster: EtcdCluster;
  before(async () => {
    cluster = await EtcdCluster.start(etcd.path ?? '', 3);
  });
  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  test('whose leader is killed keeps a leadership and a campaign, and its next leader carries them on', async () => {
    const { endpoints } = cluster;
    await using store = etcdStore({ endpoints });
    await using other = etcdStore({ endpoints });
    await using first = new Candidate(store, 'killed', { holder: 'first', ttlMs: 20_000 });
    await using second = new Candidate(other, 'killed', { holder: 'second', ttlMs: 20_000 });
    const leadership = await first.campaign();
    const campaign = second.campaign();
    await using watch = watched(store, 'killed');
    await watch.shows(({ waiting }) => waiting.length === 1);
    const leader = await cluster.leader();
    await cluster.kill(leader);
    assert.equal((await store.read('killed', { timeoutMs: 30_000 })).leader?.token, leadership.token);
    leadership.assertHeld();
    await leadership.resign();
    const next = await campaign;
    assert(next.token > leadership.token);
    await watch.shows((state) => state.leader?.token === next.token);
    cluster.run(leader);
    await cluster.answering(leader);
  });

  test('tells a leader whose keys somebody deleted, and one who waits comes back into the queue', async () => {
    await using store = etcdStore({ endpoints: cluster.endpoints });
    await using other = etcdStore({ endpoints: cluster.endpoints });
    await using first = new Candidate(store, 'deleted', { holder: 'first', ttlMs: 600_000 });
    await using second = new Candidate(other, 'deleted', { holder: 'second', ttlMs: 600_000 });
    const leadership = await first.campaign();
    const campaign = second.campaign();
    await using watch = watched(store, 'deleted');
    await watch.shows(({ waiting }) => waiting.length === 1);
    const { all, allEnd } = electionKeys('conclave/election', 'deleted');
    const request = DeleteRangeRequest.create({ key: all, rangeEnd: allEnd });
    const { deleted } = await cluster.call(await cluster.leader(), services.KV.deleteRange, request);
    assert(deleted >= 2n, `${deleted} keys`);
    // Neither lease runs out while this test does.
    assert.equal(await leadership.ended, 'replaced');
    const next = await campaign;
    assert(next.token > leadership.token);
  });

  test('whose members die one after the other has one leader at a time, whose tokens rise', async () => {
    const stop = new AbortController();
    const tokens: number[] = [];
    let [leading, wake] = [0, () => {}];
    const contenders = Array.from({ length: 5 }, async (_, number) => {
      await using store = etcdStore({ endpoints: cluster.endpoints });
      await elect(
        store,
        'contended',
        async (leadership) => {
          leading += 1;
          assert.equal(leading, 1, 'two at a time');
          assert(leadership.token > (tokens.at(-1) ?? 0), 'the token did not rise');
          tokens.push(leadership.token);
          wake();
          await sleep(20);
          leading -= 1;
        },
        { ttlMs: 10_000, signal: stop.signal, holder: `contender-${number}` },
      );
    });
    const turns = async (count: number) => {
      const goal = tokens.length + count;
      while (tokens.length < goal) await new Promise<void>((resolve) => (wake = resolve));
    };
    const work = async () => {
      await turns(5);
      for (const member of cluster.members) {
        await cluster.kill(member);
        await turns(5);
        cluster.run(member);
        await cluster.answering(member);
      }
    };
    try {
      // A contender ends before only by failing.
      await Promise.race([work(), Promise.all(contenders)]);
    } finally {
      stop.abort();
      await Promise.allSettled(contenders);
    }
    await Promise.all(contenders);
    await using store = etcdStore({ endpoints: cluster.endpoints });
    const { leader, waiting } = await store.read('contended');
    assert.deepEqual([leader, waiting], [undefined, []]);
  });

  test('whose members stop answering one after the other, their connections open, renews leases through the others', async () => {
    await using store = etcdStore({ endpoints: cluster.endpoints });
    let [renewed, wake] = [0, () => {}];
    await using candidate = new Candidate(store, 'stopping', {
      ttlMs: 12_000,
      renewEveryMs: 1000,
      onEvent: ({ type }) => {
        if (type !== 'renewed') return;
        renewed += 1;
        wake();
      },
    });
    const leadership = await candidate.campaign();
    for (const member of cluster.members) {
      cluster.pause(member);
      try {
        for (const goal = renewed + 2; renewed < goal; ) {
          leadership.assertHeld();
          await new Promise<void>((resolve) => {
            wake = resolve;
            leadership.signal.addEventListener('abort', () => resolve(), { once: true });
          });
        }
      } finally {
        cluster.resume(member);
      }
      await cluster.answering(member);
    }
    assert.equal((await store.read('stopping')).leader?.token, leadership.token);
  });

  test('ends the streams of a member without a leader, and a watch goes on when there is one again', async () => {
    const [alone, ...others] = cluster.members;
    assert(alone !== undefined);
    await using store = etcdStore({ endpoints: cluster.endpoints });
    await using far = etcdStore({ endpoints: [alone.endpoint], timeoutMs: 3000 });
    const session = await store.openSession({ ttlMs: 600_000, holder: 'first' });
    await using watch = watched(far, 'leaderless');
    await watch.shows(({ leader }) => leader === undefined);
    const transport = new GrpcTransport(alone.endpoint, {
      runtime: nodeRuntime(),
      headers: () => ({ hasleader: 'true' }),
    });
    const stream = transport.stream(services.Watch.watch);
    stream.send(
      WatchRequest.create({ requestUnion: { $case: 'createRequest', value: { key: Buffer.of(1) } } }),
    );
    for (const other of others) cluster.pause(other);
    try {
      assert.equal((await stream.closed)?.code, 'no-leader');
      await assert.rejects(far.read('leaderless'), { code: 'no-leader', outcome: 'not-applied' });
    } finally {
      transport.close();
      for (const other of others) cluster.resume(other);
    }
    await cluster.answering(alone);
    const won = await session.acquire('leaderless', { ...acquiring, timeoutMs: 30_000 });
    assert(won.status === 'acquired');
    await watch.shows(({ leader }) => leader?.token === won.token);
  });

  test('that compacted what a watch or a waiter had not seen yet tells them how things are now', async () => {
    const { endpoints } = cluster;
    const network = new MeddlingNetwork();
    await using near = etcdStore({ endpoints });
    await using far = etcdStore({ endpoints, transport: network.connect });
    const first = await near.openSession({ ttlMs: 600_000, holder: 'first' });
    const won = await first.acquire('compacted', acquiring);
    const second = await far.openSession({ ttlMs: 600_000, holder: 'second' });
    const queued = await second.acquire('compacted', acquiring);
    assert(won.status === 'acquired' && queued.status === 'waiting');
    await using watch = watched(far, 'compacted');
    await watch.shows(({ waiting }) => waiting.length === 1);
    const stop = new AbortController();
    const turn = second.waitForTurn('compacted', queued, { signal: stop.signal });
    network.cut();
    for (let change = 0; change < 20; change += 1) await first.proclaim('compacted', won.token, `${change}`);
    await first.release('compacted', won.token);
    const [member] = cluster.members;
    assert(member !== undefined);
    const { header } = await cluster.call(
      member,
      services.KV.range,
      RangeRequest.create({ key: Buffer.of(1) }),
    );
    await cluster.call(member, services.KV.compact, { revision: header?.revision ?? 0, physical: true });
    network.restore();
    await turn;
    const next = await second.acquire('compacted', acquiring);
    assert(next.status === 'acquired' && next.token > won.token);
    await watch.shows(({ leader }) => leader?.token === next.token);
  });

  test('lets another lead after a client that stopped, which learns of it before anything else when it goes on', async () => {
    const endpoints = cluster.endpoints.join(',');
    const script = fileURLToPath(new URL('./etcd-holder.ts', import.meta.url));
    const child = spawn(process.execPath, [script, endpoints, 'stopped', '2000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    try {
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const said = async () => JSON.parse((await lines.next()).value ?? '{}') as Record<string, unknown>;
      const { token } = await said();
      await using store = etcdStore({ endpoints });
      await using candidate = new Candidate(store, 'stopped', { holder: 'parent', ttlMs: 10_000 });
      child.kill('SIGSTOP');
      const leadership = await candidate.campaign();
      assert(leadership.token > Number(token));
      child.kill('SIGCONT');
      assert.deepEqual(await said(), { aborted: true, held: false });
      // By its clock, or by what etcd tells it in the same moment.
      assert.match(String((await said()).cause), /^(expired|lease-lost|replaced)$/);
      await exit;
      leadership.assertHeld();
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('carries out a transaction of a leadership while that is the current one, and not after', async () => {
    await using store = etcdStore({ endpoints: cluster.endpoints });
    await using first = new Candidate(store, 'fenced', { holder: 'first' });
    await using second = new Candidate(store, 'fenced', { holder: 'second' });
    const old = await first.campaign();
    const put = (value: string) => ({ success: [{ type: 'put', key: 'etcd-fenced', value }] }) as const;
    assert.equal((await old.txn(put('first'))).succeeded, true);
    const campaign = second.campaign();
    while ((await store.read('fenced')).waiting.length === 0) await sleep(20);
    await old.handOff('second');
    const leadership = await campaign;
    assert(leadership.token > old.token);
    await leadership.txn(put('second'));
    await assert.rejects(old.txn(put('stale')), { code: 'not-leading' });
    const read = { success: [{ type: 'get', key: 'etcd-fenced' }] } as const;
    const [found] = (await leadership.txn(read)).results;
    assert(found?.type === 'get');
    assert.equal(Buffer.from(found.entries[0]?.value ?? []).toString(), 'second');
  });
});

test('conclave observe tells of an etcd that is down, goes on when it is back, and shows who leads then', {
  skip: etcd.missing ?? false,
}, async () => {
  await using cluster = await EtcdCluster.start(etcd.path ?? '', 1);
  const [member] = cluster.members;
  assert(member !== undefined);
  await using store = etcdStore({ endpoints: cluster.endpoints });
  await using before = await store.openSession({ ttlMs: 600_000, holder: 'before' });
  const won = await before.acquire('down', acquiring);
  assert(won.status === 'acquired');
  await using observing = new Conclave(['observe', 'down', '--store', `etcd://${member.endpoint}`]);
  await observing.match('stdout', /before leads/);
  await cluster.kill(member);
  await observing.match(
    'stderr',
    new RegExp(`Observing election "down": .*${member.endpoint}.* Trying again`),
  );
  cluster.run(member);
  await cluster.answering(member);
  await before.release('down', won.token);
  await using after = await store.openSession({ ttlMs: 600_000, holder: 'after' });
  await after.acquire('down', acquiring);
  await observing.match('stdout', /after leads/);
  assert(observing.running, observing.stderr);
});
