import assert from 'node:assert/strict';
import { test } from 'node:test';
import { losingAnswers } from '../conformance/index.ts';
import { sessionWith, storeWith } from '../conformance/wrapping.ts';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime, settle } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { Candidate, type CandidateOptions, type ElectionEvent, Session } from './index.ts';
import { decodeGraceRecord, encodeGraceRecord } from './record.ts';

const down = () => new ConclaveError('unavailable', 'The store is down.', { retryable: true });

function setUp() {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  const candidate = (holder: string, options: CandidateOptions = {}) =>
    new Candidate(store, 'n', { ttlMs: 1000, holder, runtime, ...options });
  return { runtime, store, candidate };
}

test('a store that is down at the start is tried again and again, and that is reported', async () => {
  const { runtime, store } = setUp();
  let isDown = true;
  const events: ElectionEvent[] = [];
  const wrapped = storeWith(store, {
    openSession: async (options) => {
      if (isDown) throw down();
      return await store.openSession(options);
    },
  });
  const onEvent = (event: ElectionEvent) => events.push(event);
  await using one = new Candidate(wrapped, 'n', { ttlMs: 1000, holder: 'one', runtime, onEvent });
  const campaign = one.campaign();
  await runtime.advance(20_000);
  const trouble = events.filter((event) => event.type === 'trouble');
  assert(trouble.length >= 10 && trouble.length < 100);
  assert.deepEqual(
    trouble.slice(0, 3).map((event) => event.attempt),
    [1, 2, 3],
  );
  isDown = false;
  (await settle(runtime, campaign)).assertHeld();
});

test('a campaign ends when its signal aborts, although the store never answers', async () => {
  const { runtime, store } = setUp();
  const wrapped = storeWith(store, { openSession: () => new Promise(() => {}) });
  await using one = new Candidate(wrapped, 'n', { ttlMs: 1000, holder: 'one', runtime });
  const stop = new AbortController();
  const campaign = one.campaign({ signal: stop.signal });
  await runtime.advance(300);
  stop.abort(new Error('shutting down'));
  await assert.rejects(settle(runtime, campaign, 0), (error: Error) => {
    assert(ConclaveError.is(error, 'aborted'));
    return (error.cause as Error).message === 'shutting down';
  });
  await assert.rejects(one.campaign({ signal: stop.signal }), { code: 'aborted' });
});

for (const shared of [false, true]) {
  test(`an aborted campaign leaves no place in the queue (${shared ? 'shared' : 'own'} session)`, async () => {
    const { runtime, store, candidate } = setUp();
    await using one = candidate('one');
    await using session = new Session(store, { ttlMs: 1000, holder: 'two', runtime });
    await using two = candidate('two', shared ? { session } : {});
    await settle(runtime, one.campaign());
    const stop = new AbortController();
    const campaign = two.campaign({ signal: stop.signal });
    await runtime.advance(100);
    assert.deepEqual(
      (await store.read('n')).waiting.map(({ holder }) => holder),
      ['two'],
    );
    stop.abort();
    await assert.rejects(settle(runtime, campaign, 0), { code: 'aborted' });
    assert.deepEqual((await store.read('n')).waiting, []);
  });

  test(`a campaign aborted while its victory is on the way does not keep it (${shared ? 'shared' : 'own'} session)`, async () => {
    const { runtime, store } = setUp();
    const wrapped = storeWith(store, {
      openSession: async (options) => {
        const session = await store.openSession(options);
        return sessionWith(session, {
          acquire: async (name, more) => {
            const outcome = await session.acquire(name, more);
            await new Promise<void>((resolve) => void runtime.timers.after(200, resolve));
            return outcome;
          },
        });
      },
    });
    const session = new Session(wrapped, { ttlMs: 1000, holder: 'one', runtime });
    await using one = new Candidate(wrapped, 'n', { ttlMs: 1000, runtime, ...(shared && { session }) });
    const stop = new AbortController();
    const campaign = one.campaign({ signal: stop.signal });
    await runtime.advance(100);
    assert.notEqual((await store.read('n')).leader, undefined);
    stop.abort();
    await assert.rejects(settle(runtime, campaign), { code: 'aborted' });
    assert.equal((await store.read('n')).leader, undefined);
    await session[Symbol.asyncDispose]();
  });
}

test('a campaign ends with closed when its candidate is disposed', async () => {
  const { runtime, candidate, store } = setUp();
  await using one = candidate('one');
  const two = candidate('two');
  await settle(runtime, one.campaign());
  const campaign = two.campaign();
  campaign.catch(() => {});
  await runtime.advance(100);
  await settle(runtime, (async () => two[Symbol.asyncDispose]())());
  await assert.rejects(campaign, { code: 'closed' });
  await assert.rejects(two.campaign(), { code: 'closed' });
  assert.deepEqual((await store.read('n')).waiting, []);
});

test('disposing a candidate resigns what it leads', async () => {
  const { runtime, candidate, store } = setUp();
  const one = candidate('one');
  const leadership = await settle(runtime, one.campaign());
  await settle(runtime, (async () => one[Symbol.asyncDispose]())());
  assert.equal(await leadership.ended, 'resigned');
  assert.equal((await store.read('n')).leader, undefined);
});

test('one campaign or leadership at a time', async () => {
  const { runtime, candidate } = setUp();
  await using one = candidate('one');
  const first = one.campaign();
  await assert.rejects(one.campaign(), { code: 'failed-precondition', message: /campaigns/ });
  const leadership = await settle(runtime, first);
  await assert.rejects(one.campaign(), { code: 'failed-precondition', message: /leads/ });
  await settle(runtime, leadership.resign());
  assert((await settle(runtime, one.campaign())).token > leadership.token);
});

test('a victory whose answer was lost is found by asking again', async () => {
  const { runtime, store } = setUp();
  const { store: losing, loseNextAnswer } = losingAnswers(store);
  await using one = new Candidate(losing, 'n', { ttlMs: 1000, holder: 'one', runtime });
  loseNextAnswer('acquire');
  const leadership = await settle(runtime, one.campaign());
  assert.equal((await store.read('n')).leader?.token, leadership.token);
});

test('a waiter whose session is lost while it waits opens another and goes on', async () => {
  const { runtime, store, candidate } = setUp();
  await using one = candidate('one');
  const leadership = await settle(runtime, one.campaign());
  let sessions = 0;
  let isDown = false;
  const wrapped = storeWith(store, {
    openSession: async (options) => {
      sessions += 1;
      const session = await store.openSession(options);
      const renew = async () => {
        if (isDown) throw down();
        await session.renew();
      };
      return sessionWith(session, { renew });
    },
  });
  await using two = new Candidate(wrapped, 'n', { ttlMs: 1000, holder: 'two', runtime });
  const campaign = two.campaign();
  await runtime.advance(100);
  isDown = true;
  await runtime.advance(1500);
  isDown = false;
  await runtime.advance(500);
  assert(sessions >= 2);
  assert.deepEqual(
    (await store.read('n')).waiting.map(({ holder }) => holder),
    ['two'],
  );
  await settle(runtime, leadership.resign());
  (await settle(runtime, campaign)).assertHeld();
});

test('a waiter does not say that it won when its own lease ran out on the way', async () => {
  const { runtime, store } = setUp();
  let slow = true;
  const tokens: number[] = [];
  const wrapped = storeWith(store, {
    openSession: async (options) => {
      const session = await store.openSession(options);
      return sessionWith(session, {
        acquire: async (name, more) => {
          const outcome = await session.acquire(name, more);
          if (outcome.status === 'acquired') tokens.push(outcome.token);
          if (slow) runtime.clock.jumpWall(5000);
          slow = false;
          return outcome;
        },
      });
    },
  });
  await using one = new Candidate(wrapped, 'n', { ttlMs: 1000, holder: 'one', runtime });
  const leadership = await settle(runtime, one.campaign());
  assert.equal(tokens.length, 2);
  assert.equal(leadership.token, tokens[1]);
});

test('higher priority leads first', async () => {
  const { runtime, candidate } = setUp();
  await using one = candidate('one');
  await using low = candidate('low');
  await using high = candidate('high', { priority: 5 });
  const leadership = await settle(runtime, one.campaign());
  let first = '';
  const campaigns = [low, high].map(async (each) => {
    const won = await each.campaign();
    first ||= won.holder;
    await won.resign();
  });
  await runtime.advance(100);
  await settle(runtime, leadership.resign());
  await settle(runtime, Promise.all(campaigns));
  assert.equal(first, 'high');
});

test('after an unclean end nobody leads for the grace, counted by whoever comes next', async () => {
  const { runtime, store, candidate } = setUp();
  const one = await store.openSession({ ttlMs: 1000, holder: 'one' });
  const outcome = await one.acquire('n', { metadata: '', priority: 0 });
  assert(outcome.status === 'acquired');
  const { token } = outcome;
  await one.writeRecord('n', token, encodeGraceRecord({ token, graceMs: 3000, clean: false }));
  await using two = candidate('two');
  const campaign = two.campaign();
  let won = false;
  campaign.then(() => {
    won = true;
  });
  await runtime.advance(1000);
  assert.equal((await store.read('n')).leader?.holder, 'two');
  await runtime.advance(2990);
  assert.equal(won, false);
  const leadership = await settle(runtime, campaign, 1);
  assert(runtime.clock.monotonicMs() >= 4000);
  leadership.assertHeld();
});

test('a grace is waited out after a crash, not after a resignation', async () => {
  const { runtime, store, candidate } = setUp();
  await using one = candidate('one', { graceMs: 2000 });
  await using two = candidate('two', { graceMs: 2000 });
  const leadership = await settle(runtime, one.campaign());
  const campaign = two.campaign();
  await runtime.advance(10);
  const resignedMs = runtime.clock.monotonicMs();
  await settle(runtime, leadership.resign(), 0);
  const second = await settle(runtime, campaign, 0);
  assert.equal(runtime.clock.monotonicMs(), resignedMs);
  // Now `two` vanishes: its session is closed without a word.
  const three = candidate('three');
  const third = three.campaign();
  await runtime.advance(10);
  const stalled = runtime.clock.stall(1000);
  await store.read('n');
  await stalled;
  assert.notEqual(await second.ended, 'resigned');
  const goneMs = runtime.clock.monotonicMs();
  await settle(runtime, third);
  assert(runtime.clock.monotonicMs() >= goneMs + 2000);
  await settle(runtime, (async () => three[Symbol.asyncDispose]())());
});

for (const shared of [false, true]) {
  test(`who gives up within a grace leaves the rest of it, not all, to the next (${shared ? 'shared' : 'own'} session)`, async () => {
    const { runtime, store, candidate } = setUp();
    const dead = await store.openSession({ ttlMs: 1000, holder: 'dead' });
    const outcome = await dead.acquire('n', { metadata: '', priority: 0 });
    assert(outcome.status === 'acquired');
    const { token } = outcome;
    await dead.writeRecord('n', token, encodeGraceRecord({ token, graceMs: 5000, clean: false }));
    await runtime.advance(1000);
    const diedMs = runtime.clock.monotonicMs();
    await using session = new Session(store, { ttlMs: 1000, holder: 'hasty', runtime });
    for (let at = 0; at < 2; at++) {
      await using hasty = candidate('hasty', shared ? { session } : {});
      const stop = new AbortController();
      const campaign = hasty.campaign({ signal: stop.signal });
      campaign.catch(() => {});
      await runtime.advance(2000);
      stop.abort();
      await assert.rejects(settle(runtime, campaign, 1), { code: 'aborted' });
    }
    await using patient = candidate('patient');
    const leadership = await settle(runtime, patient.campaign());
    const passedMs = runtime.clock.monotonicMs() - diedMs;
    assert(passedMs >= 5000 && passedMs < 6000, `${passedMs} ms after the end`);
    await settle(runtime, leadership.resign());
  });
}

test('who wins and gives up before it is told so leaves no grace behind', async () => {
  const { runtime, store, candidate } = setUp();
  const slow = storeWith(store, {
    openSession: async (options) => {
      const session = await store.openSession(options);
      let isFirst = true;
      return sessionWith(session, {
        writeRecord: async (...of) => {
          const written = await session.writeRecord(...of);
          if (isFirst) await new Promise<void>((resolve) => void runtime.timers.after(100, resolve));
          isFirst = false;
          return written;
        },
      });
    },
  });
  const one = new Candidate(slow, 'n', { ttlMs: 1000, holder: 'one', runtime, graceMs: 60_000 });
  const stop = new AbortController();
  const campaign = one.campaign({ signal: stop.signal });
  campaign.catch(() => {});
  await runtime.advance(50);
  stop.abort();
  await assert.rejects(settle(runtime, campaign), { code: 'aborted' });
  await using two = candidate('two');
  const startMs = runtime.clock.monotonicMs();
  await settle(runtime, two.campaign());
  assert(runtime.clock.monotonicMs() < startMs + 1000);
  await settle(runtime, (async () => one[Symbol.asyncDispose]())());
});

test('no record is written where no grace is asked for and none is pending', async () => {
  const { runtime, store, candidate } = setUp();
  await using one = candidate('one');
  const leadership = await settle(runtime, one.campaign());
  await settle(runtime, leadership.resign());
  const session = await store.openSession({ ttlMs: 1000, holder: 'looking' });
  const outcome = await session.acquire('n', { metadata: '', priority: 0 });
  assert(outcome.status === 'acquired');
  assert.equal(outcome.record, undefined);
});

test('a record that cannot be read ends the campaign with a clear error, and no leadership stays', async () => {
  const { runtime, store, candidate } = setUp();
  const session = await store.openSession({ ttlMs: 1000, holder: 'other' });
  const outcome = await session.acquire('n', { metadata: '', priority: 0 });
  assert(outcome.status === 'acquired');
  await session.release('n', outcome.token, { record: new TextEncoder().encode('{"format":2}') });
  await using one = candidate('one');
  await assert.rejects(settle(runtime, one.campaign()), { code: 'data-incompatible' });
  assert.equal((await store.read('n')).leader, undefined);
  assert.throws(() => decodeGraceRecord('n', new Uint8Array([255])), { code: 'data-damaged' });
});

test('candidates of many names share one session and its renewals', async () => {
  const { runtime, store } = setUp();
  const renewed: string[] = [];
  const onEvent = (event: ElectionEvent) => {
    if (event.type === 'renewed') renewed.push(event.session);
  };
  const session = new Session(store, { ttlMs: 1000, holder: 'one', runtime, onEvent });
  const candidates = Array.from(
    { length: 50 },
    (_, at) => new Candidate(store, `n${at}`, { session, runtime }),
  );
  const leaderships = await settle(runtime, Promise.all(candidates.map((each) => each.campaign())));
  await runtime.advance(10_000);
  assert.equal(new Set(renewed).size, 1);
  assert(renewed.length < 40);
  for (const leadership of leaderships) leadership.assertHeld();
  await settle(runtime, leaderships[0]?.resign() ?? Promise.reject());
  leaderships[1]?.assertHeld();
  await settle(runtime, (async () => session[Symbol.asyncDispose]())());
  assert.equal(await leaderships[1]?.ended, 'closed');
});

test('an attempt that is carried out after the leadership another one won was resigned leads nowhere', async () => {
  const { runtime, store } = setUp();
  let isFirst = true;
  const late = storeWith(store, {
    openSession: async (options) => {
      const session = await store.openSession(options);
      return sessionWith(session, {
        acquire: async (name, more) => {
          const delayMs = isFirst ? 2000 : 0;
          isFirst = false;
          if (delayMs > 0) await new Promise<void>((resolve) => void runtime.timers.after(delayMs, resolve));
          return await session.acquire(name, more);
        },
      });
    },
  });
  await using session = new Session(late, { ttlMs: 1000, holder: 'one', runtime });
  await using one = new Candidate(late, 'n', { session, runtime });
  const leadership = await settle(runtime, one.campaign());
  await settle(runtime, leadership.resign());
  const again = await settle(runtime, one.campaign());
  await settle(runtime, again.resign());
  await runtime.advance(6000);
  const { leader, waiting } = await store.read('n');
  assert.deepEqual([leader, waiting], [undefined, []]);
  await using other = new Candidate(late, 'n', { session, runtime });
  (await settle(runtime, other.campaign())).assertHeld();
});

test('an attempt that is carried out after a release, and answered before it, leads nowhere', async () => {
  const { runtime, store } = setUp();
  const pause = (ms: number) => new Promise<void>((resolve) => void runtime.timers.after(ms, resolve));
  let isFirst = true;
  const late = storeWith(store, {
    openSession: async (options) => {
      const session = await store.openSession(options);
      return sessionWith(session, {
        acquire: async (name, more) => {
          const isLate = isFirst;
          isFirst = false;
          if (isLate) await pause(2000);
          return await session.acquire(name, more);
        },
        release: async (name, token, more) => {
          const released = await session.release(name, token, more);
          await pause(200);
          return released;
        },
      });
    },
  });
  await using session = new Session(late, { ttlMs: 1000, holder: 'one', runtime });
  await using one = new Candidate(late, 'n', { session, runtime });
  const leadership = await settle(runtime, one.campaign());
  await runtime.advance(1900 - runtime.clock.monotonicMs());
  await settle(runtime, leadership.resign());
  await runtime.advance(6000);
  const { leader, waiting } = await store.read('n');
  assert.deepEqual([leader, waiting], [undefined, []]);
});
