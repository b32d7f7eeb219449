import assert from 'node:assert/strict';
import { test } from 'node:test';
import { losingAnswers } from '../conformance/index.ts';
import { sessionWith, storeWith } from '../conformance/wrapping.ts';
import { manualRuntime, settle } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { Candidate, type CandidateOptions, elect, lock, type StoreTransaction } from './index.ts';

function setUp() {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  const options = (holder: string, more: CandidateOptions = {}) => ({
    ttlMs: 1000,
    holder,
    runtime,
    ...more,
  });
  const candidate = (holder: string, more: CandidateOptions = {}) =>
    new Candidate(store, 'n', options(holder, more));
  return { runtime, store, options, candidate };
}

test('a leader that yields hands off to the first of higher priority, after its job has settled', async () => {
  const { runtime, candidate } = setUp();
  await using low = candidate('low', { yieldToPriority: true });
  await using same = candidate('same');
  await using high = candidate('high', { priority: 2 });
  await using higher = candidate('higher', { priority: 3, yieldToPriority: true });
  const leadership = await settle(runtime, low.campaign());
  let finish = () => {};
  leadership.settle(
    new Promise<void>((resolve) => {
      finish = resolve;
    }),
  );
  const others = [same, high, higher].map((each) => each.campaign());
  for (const each of others) each.catch(() => {});
  await runtime.advance(5000);
  assert.equal(leadership.signal.aborted, true);
  assert.equal(leadership.remainingMs() > 0, true, 'the lease is renewed while the job settles');
  finish();
  assert.equal(await settle(runtime, leadership.ended), 'handed-off');
  const next = await settle(runtime, Promise.race(others));
  assert(['high', 'higher'].includes(next.holder));
  assert(next.token > leadership.token);
  await settle(runtime, next.resign());
});

test('without the option, and towards the same or a lower priority, a leader stays', async () => {
  const { runtime, candidate } = setUp();
  await using leading = candidate('leading', { priority: 1, yieldToPriority: true });
  await using low = candidate('low');
  await using same = candidate('same', { priority: 1 });
  const leadership = await settle(runtime, leading.campaign());
  low.campaign().catch(() => {});
  const campaign = same.campaign();
  await runtime.advance(10_000);
  leadership.assertHeld();
  await settle(runtime, leadership.resign());
  const second = await settle(runtime, campaign);
  await using high = candidate('high', { priority: 9 });
  high.campaign().catch(() => {});
  await runtime.advance(10_000);
  second.assertHeld();
});

test('a job under elect is handed over to one of higher priority, and never runs twice at a time', async () => {
  const { runtime, store, options } = setUp();
  const stop = new AbortController();
  const order: string[] = [];
  let running = 0;
  const run = (holder: string, priority: number) =>
    elect(
      store,
      'n',
      async ({ signal }) => {
        running += 1;
        assert.equal(running, 1);
        order.push(holder);
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        await new Promise<void>((resolve) => void runtime.timers.after(300, resolve));
        running -= 1;
      },
      { ...options(holder), priority, yieldToPriority: true, signal: stop.signal },
    );
  const low = run('low', 0);
  await runtime.advance(1000);
  const high = run('high', 1);
  await runtime.advance(5000);
  assert.deepEqual(order, ['low', 'high']);
  stop.abort();
  await settle(runtime, Promise.all([low, high]));
});

test('a yield whose reading fails is tried again', async () => {
  const { runtime, store, options, candidate } = setUp();
  let failing = 3;
  const shaky = storeWith(store, {
    read: async (name, more) => {
      if (failing > 0) {
        failing -= 1;
        throw new Error('no answer');
      }
      return await store.read(name, more);
    },
  });
  await using low = new Candidate(shaky, 'n', options('low', { yieldToPriority: true }));
  await using high = candidate('high', { priority: 1 });
  const leadership = await settle(runtime, low.campaign());
  const campaign = high.campaign();
  assert.equal(await settle(runtime, leadership.ended), 'handed-off');
  assert.equal((await settle(runtime, campaign)).holder, 'high');
  assert.equal(failing, 0);
});

test('a lock is not given away, whatever comes', async () => {
  const { runtime, store, options, candidate } = setUp();
  const yielding = { ...options('one'), yieldToPriority: true };
  await assert.rejects(lock(store, 'n', yielding), { code: 'invalid-argument', message: /yieldToPriority/ });
  const held = await settle(runtime, lock(store, 'n', options('one')));
  await using high = candidate('high', { priority: 9 });
  high.campaign().catch(() => {});
  await runtime.advance(10_000);
  held.assertHeld();
  await settle(runtime, held.release());
});

test('a store without hand-off refuses to yield', () => {
  const { store, options } = setUp();
  const without = storeWith(store, { capabilities: { ...store.capabilities, handOff: false } });
  assert.throws(() => new Candidate(without, 'n', options('a', { yieldToPriority: true })), {
    code: 'unsupported',
  });
  // @ts-expect-error for callers without types
  assert.throws(() => new Candidate(store, 'n', options('a', { yieldToPriority: 1 })), {
    code: 'invalid-argument',
  });
});

test('a candidate that refuses does not campaign before that time is over, counted from its end', async () => {
  const { runtime, store, candidate } = setUp();
  await using one = candidate('one');
  const leadership = await settle(runtime, one.campaign());
  await assert.rejects(leadership.resign({ refuseForMs: -1 }), { code: 'invalid-argument' });
  await assert.rejects(leadership.resign({ refuseForMs: 86_400_001 }), { code: 'invalid-argument' });
  leadership.assertHeld();
  await settle(runtime, leadership.resign({ refuseForMs: 30_000 }), 0);
  const endedMs = runtime.clock.monotonicMs();
  const campaign = one.campaign();
  await runtime.advance(29_000);
  assert.deepEqual((await store.read('n')).waiting, []);
  assert.equal((await store.read('n')).leader, undefined);
  await settle(runtime, campaign);
  assert(runtime.clock.monotonicMs() >= endedMs + 30_000);
});

test('a campaign that waits out its refusal can be aborted, and closed', async () => {
  const { runtime, candidate } = setUp();
  const one = candidate('one');
  await settle(runtime, (await settle(runtime, one.campaign())).resign({ refuseForMs: 30_000 }), 0);
  const stop = new AbortController();
  const campaign = one.campaign({ signal: stop.signal });
  stop.abort();
  await assert.rejects(settle(runtime, campaign, 0), { code: 'aborted' });
  const again = one.campaign();
  again.catch(() => {});
  await settle(runtime, (async () => one[Symbol.asyncDispose]())(), 0);
  await assert.rejects(again, { code: 'closed' });
});

test('elect leads again only after the refusal its job named', async () => {
  const { runtime, store, options } = setUp();
  const stop = new AbortController();
  const startsMs: number[] = [];
  const running = elect(
    store,
    'n',
    async (leadership) => {
      startsMs.push(runtime.clock.monotonicMs());
      await leadership.resign({ refuseForMs: 20_000 });
    },
    { ...options('one'), signal: stop.signal },
  );
  await runtime.advance(50_000);
  assert.equal(startsMs.length, 3);
  assert((startsMs[1] ?? 0) - (startsMs[0] ?? 0) >= 20_000);
  stop.abort();
  await settle(runtime, running);
});

const senseless: [unknown, RegExp][] = [
  [{}, /needs a compare or an operation/],
  [{ success: [], failure: [] }, /needs a compare or an operation/],
  [{ sucess: [{ type: 'put', key: 'k', value: 'v' }] }, /must not contain "sucess"\. Did you mean success\?/],
  [{ success: [{ type: 'put', key: 'k', value: 'v', lease: 7 }] }, /type 'put' must not contain "lease"/],
  [{ success: [{ type: 'get', key: 'k', prefix: 'k' }] }, /a key or a prefix, not both/],
  [{ compare: [{ key: 'k', target: 'version', value: 1, op: '>' }] }, /A compare must not contain "op"/],
  [{ success: ['put'] }, /type of an operation/],
  [{ compare: [null] }, /A compare must be an object, not null/],
];

test('a transaction that would not do what was meant is refused, with what is wrong in it named', async () => {
  const { runtime, candidate } = setUp();
  await using one = candidate('one');
  const leadership = await settle(runtime, one.campaign());
  for (const [transaction, message] of senseless) {
    const made = leadership.txn(transaction as StoreTransaction);
    await assert.rejects(made, { code: 'invalid-argument', outcome: 'not-applied', message });
  }
  const checked = await leadership.txn({ compare: [{ key: 'k', target: 'exists', value: false }] });
  assert.equal(checked.succeeded, true);
});

test('a transaction commits under a leadership, and tells what it found', async () => {
  const { runtime, candidate } = setUp();
  await using one = candidate('one');
  const leadership = await settle(runtime, one.campaign());
  const first = await leadership.txn({
    compare: [{ key: 'k', target: 'exists', value: false }],
    success: [{ type: 'put', key: 'k', value: 'v' }],
    failure: [{ type: 'get', key: 'k' }],
  });
  assert.deepEqual([first.succeeded, first.results], [true, [{ type: 'put' }]]);
  const second = await leadership.txn({
    compare: [{ key: 'k', target: 'exists', value: false }],
    failure: [{ type: 'get', key: 'k' }],
  });
  assert.equal(second.succeeded, false);
  const [found] = second.results;
  assert(found?.type === 'get');
  assert.equal(new TextDecoder().decode(found.entries[0]?.value), 'v');
  assert.equal(found.entries[0]?.modRevision, first.revision);
  await assert.rejects(leadership.txn({ success: [{ type: 'put', key: '', value: '' }] }), {
    code: 'invalid-argument',
  });
  leadership.assertHeld();
});

test('a transaction of one who was replaced is refused, does nothing, and ends that leadership', async () => {
  const { runtime, store, options, candidate } = setUp();
  const put = (value: string) => ({ success: [{ type: 'put', key: 'k', value }] }) as const;
  // Without renewals that are heard of, and without the watch: only the transaction can tell.
  const deaf = storeWith(store, {
    capabilities: { ...store.capabilities, watch: 'poll' },
    openSession: async (more) =>
      sessionWith(await store.openSession({ ...more, ttlMs: 100 }), { ttlMs: 1000, renew: async () => {} }),
  });
  await using old = new Candidate(deaf, 'n', options('old'));
  const leadership = await settle(runtime, old.campaign());
  await runtime.advance(200);
  await using other = candidate('other');
  const next = await settle(runtime, other.campaign());
  await next.txn(put('next'));
  leadership.assertHeld();
  await assert.rejects(leadership.txn(put('old')), { code: 'not-leading', outcome: 'not-applied' });
  assert.match(await leadership.ended, /replaced|lease-lost/);
  const [read] = (await next.txn({ success: [{ type: 'get', prefix: 'k' }] })).results;
  assert(read?.type === 'get');
  assert.equal(new TextDecoder().decode(read.entries[0]?.value), 'next');
});

test('a transaction whose answer is lost says that its outcome is unknown, and is not tried again', async () => {
  const { runtime, store, options } = setUp();
  const { store: losing, loseNextAnswer } = losingAnswers(store);
  await using one = new Candidate(losing, 'n', options('one'));
  const leadership = await settle(runtime, one.campaign());
  loseNextAnswer('transact');
  await assert.rejects(leadership.txn({ success: [{ type: 'put', key: 'k', value: '1' }] }), {
    outcome: 'unknown',
  });
  leadership.assertHeld();
  const [read] = (await leadership.txn({ success: [{ type: 'get', key: 'k' }] })).results;
  assert(read?.type === 'get');
  assert.equal(read.entries[0]?.version, 1);
});

test('a store without transactions says so', async () => {
  const { runtime, store, options } = setUp();
  const without = storeWith(store, { capabilities: { ...store.capabilities, transactions: false } });
  await using one = new Candidate(without, 'n', options('one'));
  const leadership = await settle(runtime, one.campaign());
  await assert.rejects(leadership.txn({}), { code: 'unsupported' });
});
