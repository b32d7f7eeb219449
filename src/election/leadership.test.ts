import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { losingAnswers } from '../conformance/index.ts';
import { sessionWith, storeWith } from '../conformance/wrapping.ts';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime, settle as settleOn } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import {
  Candidate,
  type CandidateOptions,
  type ElectionEvent,
  electionChannels,
  type Leadership,
  Session,
} from './index.ts';
import type { LeaseStore, StoreSession } from './store.ts';

/** Calls of these kinds fail, or never come back. */
function breakable(store: LeaseStore) {
  const broken = new Map<'renew' | 'release' | 'openSession' | 'proclaim', 'fails' | 'hangs'>();
  const guard = async <T>(kind: Parameters<typeof broken.get>[0], call: () => Promise<T>): Promise<T> => {
    if (broken.get(kind) === 'hangs') await new Promise(() => {});
    if (broken.get(kind) === 'fails')
      throw new ConclaveError('unavailable', 'The store is down.', { retryable: true });
    return await call();
  };
  const wrapped = storeWith(store, {
    openSession: (options) =>
      guard('openSession', async () => {
        const session = await store.openSession(options);
        return sessionWith(session, {
          renew: (more) => guard('renew', () => session.renew(more)),
          release: (name, token, more) => guard('release', () => session.release(name, token, more)),
          proclaim: (name, token, text, more) =>
            guard('proclaim', () => session.proclaim(name, token, text, more)),
        });
      }),
  });
  return { store: wrapped, broken };
}

function setUp() {
  const runtime = manualRuntime();
  const memory = memoryStore({ runtime });
  const { store, broken } = breakable(memory);
  const events: ElectionEvent[] = [];
  const candidate = (holder: string, options: CandidateOptions = {}) =>
    new Candidate(store, 'n', {
      ttlMs: 1000,
      holder,
      runtime,
      onEvent: (event) => events.push(event),
      ...options,
    });
  /** Time is moved on until it has settled. */
  const settle = <T>(promise: Promise<T>, stepMs?: number) => settleOn(runtime, promise, stepMs);
  const win = (one: Candidate): Promise<Leadership> => settle(one.campaign());
  return { runtime, memory, store, broken, events, candidate, settle, win };
}

test('a leadership that is renewed goes on, with the time left in sight', async () => {
  const { runtime, candidate, win, events } = setUp();
  await using one = candidate('one');
  const leadership = await win(one);
  for (let step = 0; step < 100; step++) {
    await runtime.advance(100);
    leadership.assertHeld();
    assert(leadership.remainingMs() > 500 && leadership.remainingMs() <= 1000);
    assert.equal(leadership.validUntil, runtime.clock.monotonicMs() + leadership.remainingMs());
  }
  assert(events.filter((event) => event.type === 'renewed').length >= 25);
});

test('it ends on time when the store is down, before the store lets another in', async () => {
  const { runtime, broken, candidate, win, settle } = setUp();
  await using one = candidate('one', { clockDriftRate: 0.1 });
  await using two = candidate('two');
  const leadership = await win(one);
  const next = two.campaign();
  await runtime.advance(500);
  broken.set('renew', 'fails');
  broken.set('release', 'fails');
  const lastValidMs = leadership.validUntil;
  let endedMs = 0;
  leadership.signal.addEventListener('abort', () => {
    endedMs = runtime.clock.monotonicMs();
  });
  await runtime.advance(lastValidMs - runtime.clock.monotonicMs() - 1);
  leadership.assertHeld();
  assert.equal(await settle(leadership.ended, 1), 'expired');
  assert(Math.abs(endedMs - lastValidMs) <= 1);
  assert.throws(() => leadership.assertHeld(), { code: 'not-leading', message: /expired/ });
  assert.equal(leadership.remainingMs(), 0);
  broken.clear();
  assert((await settle(next)).token > leadership.token);
});

test('a renewal that hangs is given up and tried again; one error does not end a leadership', async () => {
  const { runtime, broken, candidate, win, events } = setUp();
  await using one = candidate('one');
  const leadership = await win(one);
  broken.set('renew', 'hangs');
  await runtime.advance(700);
  broken.clear();
  await runtime.advance(2000);
  leadership.assertHeld();
  const trouble = events.filter((event) => event.type === 'trouble');
  assert(trouble.length >= 1);
  assert.equal(trouble[0]?.what, 'Renewing the session');
});

test('a renewal counts from when it was sent, however late its answer is', async () => {
  const { runtime, memory, settle } = setUp();
  let renewedMs = 0;
  const slow = storeWith(memory, {
    openSession: async (options) => {
      const session = await memory.openSession(options);
      return sessionWith(session, {
        renew: async () => {
          renewedMs = runtime.clock.monotonicMs();
          await session.renew();
          await new Promise<void>((resolve) => void runtime.timers.after(200, resolve));
        },
      });
    },
  });
  await using one = new Candidate(slow, 'n', { ttlMs: 1000, clockDriftRate: 0, holder: 'one', runtime });
  const leadership = await settle(one.campaign());
  await runtime.advance(600);
  assert(renewedMs > 0);
  assert(Math.abs(leadership.validUntil - (renewedMs + 1000)) < 1);
});

test('a token that was given up never leads again, even if the store still gives it', async () => {
  const { runtime, memory, settle } = setUp();
  const lying = storeWith(memory, {
    openSession: async (options) =>
      sessionWith(await memory.openSession(options), { proclaim: () => Promise.resolve(false) }),
  });
  await using one = new Candidate(lying, 'n', { ttlMs: 1000, holder: 'one', runtime });
  const leadership = await settle(one.campaign());
  await assert.rejects(settle(leadership.proclaim('m')), { code: 'not-leading' });
  assert.equal(await leadership.ended, 'replaced');
  assert.equal((await memory.read('n')).leader?.token, leadership.token);
  assert((await settle(one.campaign())).token > leadership.token);
});

test('a loop that was blocked past the lease: assertHeld throws though no timer fired', async () => {
  const { runtime, candidate, win } = setUp();
  await using one = candidate('one');
  const leadership = await win(one);
  const stalled = runtime.clock.stall(1000);
  assert.equal(leadership.signal.aborted, false);
  assert.throws(() => leadership.assertHeld(), { code: 'not-leading' });
  assert.equal(leadership.signal.aborted, true);
  assert.equal(await leadership.ended, 'expired');
  await stalled;
});

test('a host that slept: the wall clock ends the leadership though the monotonic clock stood still', async () => {
  const { runtime, broken, candidate, win, settle } = setUp();
  await using one = candidate('one');
  const leadership = await win(one);
  broken.set('renew', 'hangs');
  runtime.clock.jumpWall(60_000);
  assert.equal(leadership.remainingMs(), 0);
  assert.throws(() => leadership.assertHeld(), { code: 'not-leading' });
  const again = await win(one).catch(() => undefined);
  broken.clear();
  if (again === undefined) await settle(leadership.ended);
});

test('a host that slept: the signal aborts at the next look, long before the lease by the monotonic clock', async () => {
  const { runtime, candidate, win } = setUp();
  await using one = candidate('one', { ttlMs: 60_000 });
  const leadership = await win(one);
  runtime.clock.jumpWall(120_000);
  await runtime.advance(1000);
  assert.equal(leadership.signal.aborted, true);
});

test('a lease that the store calls lost ends the leadership at once', async () => {
  const { runtime, candidate, win, memory, settle } = setUp();
  await using one = candidate('one');
  const leadership = await win(one);
  const live = await memory.read('n');
  assert.equal(live.leader?.holder, 'one');
  await memory[Symbol.asyncDispose]();
  const cause = await settle(leadership.ended);
  assert(cause === 'expired' || cause === 'lease-lost' || cause === 'replaced');
  assert(runtime.clock.monotonicMs() <= 1000);
});

test('a leadership that an outsider removed is noticed by watching, long before the lease ends', async () => {
  const { runtime, store, settle, events } = setUp();
  const sessions: StoreSession[] = [];
  const spied = storeWith(store, {
    openSession: async (options) => {
      const session = await store.openSession(options);
      sessions.push(session);
      return session;
    },
  });
  const onEvent = (event: ElectionEvent) => events.push(event);
  await using one = new Candidate(spied, 'n', { ttlMs: 60_000, holder: 'one', runtime, onEvent });
  const leadership = await settle(one.campaign());
  await sessions[0]?.release('n', leadership.token);
  assert.equal(await settle(leadership.ended, 0), 'replaced');
  assert.equal(runtime.clock.monotonicMs(), 0);
  assert.deepEqual(events.at(-1), {
    type: 'lost',
    name: 'n',
    holder: 'one',
    token: leadership.token,
    cause: 'replaced',
  });
});

test('a resignation frees the leadership at once, and is idempotent', async () => {
  const { runtime, candidate, win, settle, events } = setUp();
  await using one = candidate('one');
  await using two = candidate('two');
  const leadership = await win(one);
  const next = two.campaign();
  await runtime.advance(10);
  await settle(Promise.all([leadership.resign(), leadership.resign(), leadership[Symbol.asyncDispose]()]));
  assert.equal(await leadership.ended, 'resigned');
  assert.throws(() => leadership.assertHeld(), { message: /resigned/ });
  assert((await settle(next, 0)).token > leadership.token);
  assert(events.some((event) => event.type === 'resigned' && event.token === leadership.token));
});

test('a resignation waits for the work given to settle, renewing meanwhile, and reports work that overruns', async () => {
  const { runtime, candidate, win, settle, events, memory } = setUp();
  await using one = candidate('one');
  const leadership = await win(one);
  const { promise: work, resolve: finish } = Promise.withResolvers<void>();
  leadership.settle(work);
  const resigned = leadership.resign();
  await runtime.advance(10_000);
  assert.equal((await memory.read('n')).leader?.token, leadership.token);
  assert(leadership.remainingMs() > 0);
  const overran = events.filter((event) => event.type === 'job-overran');
  assert.deepEqual(
    overran.map((event) => event.elapsedMs),
    [1000, 3000, 7000],
  );
  finish();
  await settle(resigned);
  assert.equal((await memory.read('n')).leader, undefined);
});

test('a resignation whose answer is lost is repeated, and its token never leads again', async () => {
  const { runtime, memory, settle } = setUp();
  const { store, loseNextAnswer } = losingAnswers(memory);
  await using one = new Candidate(store, 'n', { ttlMs: 1000, holder: 'one', runtime });
  const leadership = await settle(one.campaign());
  loseNextAnswer('release');
  await settle(leadership.resign());
  assert.equal((await memory.read('n')).leader, undefined);
  assert((await settle(one.campaign())).token > leadership.token);
});

test('a resignation that the store never answers lets the lease run out', async () => {
  const { broken, candidate, win, settle, memory } = setUp();
  await using one = candidate('one');
  const leadership = await win(one);
  broken.set('release', 'hangs');
  await settle(leadership.resign());
  assert.equal(await leadership.ended, 'closed');
  assert.equal((await memory.read('n')).leader, undefined);
  broken.clear();
  assert((await settle(one.campaign())).token > leadership.token);
});

test('a hand-off lets the target lead next, past the queue, and its token rises', async () => {
  const { runtime, candidate, win, settle, events } = setUp();
  await using one = candidate('one');
  await using two = candidate('two');
  await using three = candidate('three');
  const leadership = await win(one);
  const stop = new AbortController();
  const second = two.campaign({ signal: stop.signal });
  second.catch(() => {});
  await runtime.advance(10);
  const third = three.campaign();
  await runtime.advance(10);
  await settle(leadership.handOff('three'));
  assert.throws(() => leadership.assertHeld(), { message: /: it was given up, to hand it to "three"\.$/ });
  assert.equal(await leadership.ended, 'handed-off');
  assert((await settle(third)).token > leadership.token);
  assert(events.some((event) => event.type === 'resigned' && event.handedTo === 'three'));
  stop.abort();
  await settle(second.catch(() => {}));
});

test('a hand-off to one that does not wait is an error, and the leadership goes on', async () => {
  const { runtime, candidate, win, settle } = setUp();
  await using one = candidate('one');
  const leadership = await win(one);
  await assert.rejects(settle(leadership.handOff('two')), { code: 'target-not-waiting' });
  await assert.rejects(leadership.handOff(''), { code: 'invalid-argument' });
  await runtime.advance(5000);
  leadership.assertHeld();
});

test('a hand-off whose target vanishes while the work ends is a resignation', async () => {
  const { runtime, candidate, win, settle, memory } = setUp();
  await using one = candidate('one');
  await using two = candidate('two');
  const leadership = await win(one);
  const stop = new AbortController();
  const campaign = two.campaign({ signal: stop.signal });
  campaign.catch(() => {});
  await runtime.advance(10);
  const { promise: work, resolve: finish } = Promise.withResolvers<void>();
  leadership.settle(work);
  const handing = leadership.handOff('two');
  await runtime.advance(10);
  stop.abort();
  await settle(campaign.catch(() => {}));
  finish();
  await settle(handing);
  assert.equal(await leadership.ended, 'resigned');
  assert.equal((await memory.read('n')).leader, undefined);
});

test('a hand-off whose answer is lost is seen through, and its token never leads again', async () => {
  const { runtime, memory, settle } = setUp();
  const { store, loseNextAnswer } = losingAnswers(memory);
  await using one = new Candidate(store, 'n', { ttlMs: 1000, holder: 'one', runtime });
  await using two = new Candidate(memory, 'n', { ttlMs: 1000, holder: 'two', runtime });
  const leadership = await settle(one.campaign());
  const next = two.campaign();
  await runtime.advance(10);
  loseNextAnswer('transfer');
  await settle(leadership.handOff('two'));
  assert.equal(await leadership.ended, 'handed-off');
  assert((await settle(next)).token > leadership.token);
});

test('a resignation that cannot reach the store for long does not end the other leaderships of its session', async () => {
  const { runtime, store, broken, win, settle, memory } = setUp();
  await using session = new Session(store, { ttlMs: 60_000, holder: 'one', runtime });
  await using one = new Candidate(store, 'one', { session });
  await using other = new Candidate(store, 'other', { session });
  const [leaving, staying] = [await win(one), await win(other)];
  broken.set('release', 'fails');
  const resigned = leaving.resign();
  await runtime.advance(40_000);
  staying.assertHeld();
  assert.equal((await memory.read('one')).leader?.token, leaving.token);
  broken.clear();
  await settle(resigned);
  assert.equal(await leaving.ended, 'resigned');
  assert.equal((await memory.read('one')).leader, undefined);
  staying.assertHeld();
});

test('metadata is proclaimed in the order of the calls, through trouble with the store', async () => {
  const { runtime, broken, candidate, win, settle, memory } = setUp();
  await using one = candidate('one', { metadata: 'zero' });
  const leadership = await win(one);
  broken.set('proclaim', 'fails');
  const calls = [leadership.proclaim('first'), leadership.proclaim('second')];
  await runtime.advance(100);
  assert.equal((await memory.read('n')).leader?.metadata, 'zero');
  broken.clear();
  await settle(Promise.all(calls));
  assert.equal((await memory.read('n')).leader?.metadata, 'second');
  await assert.rejects(leadership.proclaim('x'.repeat(65_537)), { code: 'invalid-argument' });
  await settle(leadership.resign());
  await assert.rejects(leadership.proclaim('late'), { code: 'not-leading' });
});

test('a bound session ends with the grace of its broken connection, and goes on when attached again', async () => {
  const { runtime, memory, candidate, win, settle } = setUp();
  await using one = candidate('one', {
    ttlMs: 10_000,
    clockDriftRate: 0,
    releaseOnDisconnect: { graceMs: 500 },
  });
  const leadership = await win(one);
  memory.breakConnections('one');
  assert.equal(leadership.remainingMs(), 500);
  await runtime.advance(400);
  memory.restoreConnections('one');
  assert(leadership.remainingMs() > 5000);
  await runtime.advance(1000);
  leadership.assertHeld();
  memory.breakConnections('one');
  await runtime.advance(499);
  leadership.assertHeld();
  assert.equal(await settle(leadership.ended, 1), 'disconnected');
});

test('a bound session without grace is over the moment its connection breaks', async () => {
  const { memory, candidate, win } = setUp();
  await using one = candidate('one', { ttlMs: 10_000, releaseOnDisconnect: true });
  const leadership = await win(one);
  memory.breakConnections('one');
  assert.equal(leadership.signal.aborted, true);
  assert.equal(await leadership.ended, 'disconnected');
});

test('events are published on their channels, and listeners that throw stop nothing', async () => {
  const { runtime, store, settle } = setUp();
  const seen: string[] = [];
  const listener = (message: unknown) => void seen.push((message as ElectionEvent).type);
  const names = Object.values(electionChannels);
  for (const name of names) subscribe(name, listener);
  try {
    const onEvent = () => {
      throw new Error('a listener failed');
    };
    await using one = new Candidate(store, 'n', { ttlMs: 1000, holder: 'one', runtime, onEvent });
    const leadership = await settle(one.campaign());
    await runtime.advance(5000);
    leadership.assertHeld();
    await settle(leadership.resign());
  } finally {
    for (const name of names) unsubscribe(name, listener);
  }
  assert.deepEqual(new Set(seen), new Set(['campaign', 'elected', 'renewed', 'resigned']));
});
