import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sessionWith, storeWith } from '../conformance/wrapping.ts';
import { ConclaveError, type ErrorCode } from '../errors/index.ts';
import { manualRuntime, settle } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { Candidate, type ElectionEvent, type LeaseStore, observe } from './index.ts';
import { Refusals, refusedForMs } from './refusals.ts';

const refused = (code: ErrorCode = 'unauthenticated') => new ConclaveError(code, 'Wrong password.');
const down = new ConclaveError('unavailable', 'Down.', { retryable: true });

test('a refusal is final at first; after something has worked, only when it has lasted for a minute', async () => {
  const runtime = manualRuntime();
  const codes = ['unauthenticated', 'permission-denied', 'failed-precondition'] as const;
  for (const error of codes.map(refused)) {
    const refusals = new Refusals(runtime.clock);
    assert.equal(refusals.isFinal(down), false);
    assert.equal(refusals.isFinal(error), true);
    refusals.worked();
    const lasts = async () => {
      for (let step = 0; step < 3; step++) {
        assert.equal(refusals.isFinal(error), false);
        assert.equal(refusals.isFinal(down), false);
        await runtime.advance(refusedForMs / 3);
      }
      assert.equal(refusals.isFinal(error), true);
    };
    await lasts();
    refusals.worked();
    await lasts();
    // Nothing was refused meanwhile, though nobody said that it worked.
    await runtime.advance(refusedForMs);
    await lasts();
  }
  const other = new Refusals(runtime.clock);
  other.worked();
  assert.equal(other.isFinal(refused('data-incompatible')), true);
});

test('who is refused from the start hears of it at once, as a candidate and as an observer', async () => {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  const refuse = (): never => {
    throw refused();
  };
  const at = (wrapped: LeaseStore) => new Candidate(wrapped, 'n', { ttlMs: 1000, holder: 'one', runtime });
  await using one = at(storeWith(store, { openSession: refuse }));
  await assert.rejects(settle(runtime, one.campaign()), { code: 'unauthenticated' });
  const denied = storeWith(store, {
    openSession: async (options) =>
      sessionWith(await store.openSession(options), {
        acquire: () => Promise.reject(refused('permission-denied')),
      }),
  });
  await using two = at(denied);
  await assert.rejects(settle(runtime, two.campaign()), { code: 'permission-denied' });
  const changes = observe(storeWith(store, { watch: refuse }), 'n', { runtime });
  await assert.rejects(settle(runtime, changes.next()), { code: 'unauthenticated' });
});

test('who waits and is refused what it may do goes on waiting', async () => {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  let refuses = false;
  const wrapped = storeWith(store, {
    openSession: async (options) => {
      const session = await store.openSession(options);
      return sessionWith(session, {
        acquire: async (...given) => {
          if (refuses) throw refused('failed-precondition');
          return await session.acquire(...given);
        },
        waitForTurn: async (...given) => {
          if (refuses) throw refused('failed-precondition');
          return await session.waitForTurn(...given);
        },
      });
    },
  });
  await using first = new Candidate(store, 'n', { ttlMs: 60_000, holder: 'first', runtime });
  const led = await settle(runtime, first.campaign());
  const events: ElectionEvent[] = [];
  const onEvent = (event: ElectionEvent) => events.push(event);
  await using one = new Candidate(wrapped, 'n', { ttlMs: 60_000, holder: 'one', runtime, onEvent });
  const campaign = one.campaign();
  campaign.catch(() => {});
  await runtime.advance(0);
  refuses = true;
  await runtime.advance(refusedForMs / 2);
  // What it waited on stood; the look after that was refused.
  await runtime.advance(120_000);
  assert.ok(events.some((event) => event.type === 'trouble'));
  refuses = false;
  await runtime.advance(5000);
  await settle(runtime, led.resign());
  await settle(runtime, campaign);
});

test('a candidate that led is refused for a while before it gives up, and says so', async () => {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  let refuses = false;
  const wrapped = storeWith(store, {
    openSession: async (options) => {
      if (refuses) throw refused();
      return sessionWith(await store.openSession(options), {
        renew: async () => {
          if (refuses) throw refused();
        },
      });
    },
  });
  const events: ElectionEvent[] = [];
  const onEvent = (event: ElectionEvent) => events.push(event);
  await using one = new Candidate(wrapped, 'n', { ttlMs: 1000, holder: 'one', runtime, onEvent });
  const leadership = await settle(runtime, one.campaign());
  refuses = true;
  await settle(runtime, leadership.ended);
  const again = one.campaign();
  const early = again.then(
    () => 'leads',
    () => 'refused',
  );
  await runtime.advance(refusedForMs / 2);
  assert.equal(await Promise.race([early, 'still trying']), 'still trying');
  assert.ok(events.some((event) => event.type === 'trouble' && event.what === 'Opening a session'));
  await runtime.advance(refusedForMs);
  await assert.rejects(again, { code: 'unauthenticated' });
});

test('a store that gives lower tokens than before is told as trouble, and tried until they have passed', async () => {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  let added = 4;
  const wrapped = storeWith(store, {
    openSession: async (options) => {
      const session = await store.openSession(options);
      return sessionWith(session, {
        acquire: async (...given) => {
          const outcome = await session.acquire(...given);
          return outcome.status === 'acquired' ? { ...outcome, token: outcome.token + added } : outcome;
        },
        release: (name, token, more) => session.release(name, token - added, more),
      });
    },
  });
  const events: ElectionEvent[] = [];
  const onEvent = (event: ElectionEvent) => events.push(event);
  await using one = new Candidate(wrapped, 'n', { ttlMs: 1000, holder: 'one', runtime, onEvent });
  const first = await settle(runtime, one.campaign());
  await settle(runtime, first.resign());
  added = 0;
  const second = await settle(runtime, one.campaign());
  assert.ok(second.token > first.token);
  const said = events.flatMap((event) => (event.type === 'trouble' ? [String(event.error)] : []));
  assert.match(said[0] ?? '', /after \d+: its data were deleted, or restored from an older backup/);
});
