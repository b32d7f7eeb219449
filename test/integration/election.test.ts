import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Candidate, type ElectionEvent, elect, type Leadership } from '../../src/election/index.ts';
import { conclaveStore } from '../../src/stores/conclave.ts';
import { TestCluster } from './cluster.ts';

function storeOf(cluster: TestCluster) {
  const endpoints = cluster.members.map((member) => member.clientUrl);
  return conclaveStore({ endpoints, timeoutMs: 30_000 });
}

test('a leadership outlives the Raft leader', async () => {
  await using cluster = await TestCluster.start(3);
  await using store = storeOf(cluster);
  await using candidate = new Candidate(store, 'billing', { ttlMs: 20_000 });
  const leadership = await candidate.campaign();
  await cluster.end(await cluster.leader(), 'SIGKILL');
  await cluster.leader();
  await leadership.proclaim('still here');
  leadership.assertHeld();
  assert.equal(leadership.signal.aborted, false);
  const { leader } = await store.read('billing');
  assert.deepEqual(leader, { holder: candidate.holder, token: leadership.token, metadata: 'still here' });
});

test('with the whole store away for longer than the TTL a leadership ends on time, and the campaign goes on', async () => {
  await using cluster = await TestCluster.start(3);
  await using store = storeOf(cluster);
  const stop = new AbortController();
  const leaderships: Leadership[] = [];
  let wake = () => {};
  const led = async (count: number) => {
    while (leaderships.length < count) await new Promise<void>((resolve) => (wake = resolve));
  };
  const running = elect(
    store,
    'billing',
    async (leadership) => {
      leaderships.push(leadership);
      wake();
      await new Promise((resolve) => leadership.signal.addEventListener('abort', resolve, { once: true }));
    },
    { ttlMs: 4000, signal: stop.signal },
  );
  await led(1);
  const [first] = leaderships as [Leadership];
  await Promise.all(cluster.members.map((member) => cluster.end(member, 'SIGKILL')));
  const cause = await first.ended;
  assert.equal(cause, 'expired');
  assert.throws(() => first.assertHeld(), { code: 'not-leading' });
  for (const member of cluster.members) cluster.run(member);
  await led(2);
  assert.ok((leaderships[1] as Leadership).token > first.token);
  stop.abort();
  await running;
  assert.equal((await store.read('billing')).leader, undefined);
});

test('a session bound to its connection moves when its member stops, and keeps its leadership', async () => {
  await using cluster = await TestCluster.start(3);
  await using store = storeOf(cluster);
  const events: ElectionEvent[] = [];
  await using candidate = new Candidate(store, 'billing', {
    ttlMs: 20_000,
    releaseOnDisconnect: { graceMs: 0 },
    onEvent: (event) => events.push(event),
  });
  const leadership = await candidate.campaign();
  // Whichever member holds the connection is among them.
  for (const member of cluster.members) {
    await cluster.end(member, 'SIGTERM');
    cluster.run(member);
    await cluster.until(member, (state) => state.leader !== 0);
    leadership.assertHeld();
  }
  assert.deepEqual(
    events.filter((event) => event.type === 'lost'),
    [],
  );
  const { leader } = await store.read('billing');
  assert.equal(leader?.token, leadership.token);
});

test('many contenders under members that die: one at a time, tokens rise, everyone resigns cleanly', async () => {
  await using cluster = await TestCluster.start(3);
  const stop = new AbortController();
  const tokens: number[] = [];
  let leading = 0;
  let wake = () => {};
  const contenders = Array.from({ length: 8 }, async (_, number) => {
    await using store = storeOf(cluster);
    await elect(
      store,
      'billing',
      async (leadership) => {
        leading++;
        assert.equal(leading, 1, 'two at a time');
        assert.ok(leadership.token > (tokens.at(-1) ?? 0), 'the token did not rise');
        tokens.push(leadership.token);
        wake();
        await new Promise((resolve) => setTimeout(resolve, 50));
        leading--;
      },
      { ttlMs: 20_000, signal: stop.signal, holder: `contender-${number}` },
    );
  });
  const turns = async (count: number) => {
    const goal = tokens.length + count;
    while (tokens.length < goal) await new Promise<void>((resolve) => (wake = resolve));
  };
  await turns(5);
  for (let round = 0; round < 3; round++) {
    const leader = await cluster.leader();
    await cluster.end(leader, round === 1 ? 'SIGTERM' : 'SIGKILL');
    await turns(5);
    cluster.run(leader);
    await cluster.until(leader, (state) => state.leader !== 0);
  }
  stop.abort();
  await Promise.all(contenders);
  await using store = storeOf(cluster);
  assert.deepEqual((await store.read('billing')).waiting, []);
});

test('a hand-off goes to the named one, with a higher token', async () => {
  await using cluster = await TestCluster.start(3);
  await using store = storeOf(cluster);
  await using first = new Candidate(store, 'billing', { holder: 'first' });
  await using second = new Candidate(store, 'billing', { holder: 'second' });
  await using third = new Candidate(store, 'billing', { holder: 'third' });
  const leadership = await first.campaign();
  const campaigns = [second.campaign(), third.campaign()];
  while ((await store.read('billing')).waiting.length < 2)
    await new Promise((resolve) => setTimeout(resolve, 10));
  await assert.rejects(leadership.handOff('nobody'), { code: 'target-not-waiting' });
  leadership.assertHeld();
  await leadership.handOff('third');
  const next = await (campaigns[1] as Promise<Leadership>);
  assert.equal(next.holder, 'third');
  assert.ok(next.token > leadership.token);
  assert.equal(await leadership.ended, 'handed-off');
  await next.resign();
  assert.equal((await (campaigns[0] as Promise<Leadership>)).holder, 'second');
});
