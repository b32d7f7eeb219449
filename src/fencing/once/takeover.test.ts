import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, held, passUntil, resultOf, stopping, world } from '../../../test/fencing/once-stopping.ts';
import { type LosableOperation, losingAnswers, sessionWith, storeWith } from '../../conformance/wrapping.ts';
import { Session } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { manualRuntime } from '../../runtime/testing.ts';
import { memoryStore } from '../../stores/memory.ts';
import { type OnceContext, once } from './index.ts';

/** A bank that knows idempotency keys: the second charge with a key is the first one. */
class Bank {
  readonly charges = new Map<string, string>();
  requests = 0;

  charge(key: string, by: string): string {
    this.requests += 1;
    const known = this.charges.get(key);
    if (known !== undefined) return known;
    const receipt = `receipt of ${by}`;
    this.charges.set(key, receipt);
    return receipt;
  }
}

/** The first process stops at one step; the second calls afterwards. `going`: the steps of a process that does not. */
async function stoppedAt(at: number, when: 'before' | 'after', shared: boolean) {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  const bank = new Bank();
  const first = stopping(store, at, when);
  const seen: OnceContext[] = [];
  const pay = (by: string, step: (name: string) => Promise<void>) => async (context: OnceContext) => {
    seen.push(context);
    await step('before the effect');
    const receipt = bank.charge(context.operationId, by);
    await step('after the effect');
    return receipt;
  };
  const options = { runtime, ttlMs: 1000, holder: 'first' };
  const asked = shared ? { session: new Session(first.store, options) } : options;
  const running = once(first.store, 'order-7', pay('first', first.step), asked);
  running.catch(() => {});
  await runtime.advance(100);
  const second = { runtime, ttlMs: 1000, holder: 'second' };
  const other = await resultOf(
    runtime,
    once(
      store,
      'order-7',
      pay('second', async () => {}),
      second,
    ),
  );
  return { runtime, store, bank, first, running, seen, other };
}

test('a process that stops at any step is taken over; when it goes on it gets the recorded result, or says unknown', async (context) => {
  for (const shared of [false, true]) {
    for (const when of ['before', 'after'] as const) {
      let refused = 0;
      for (let at = 0; ; at += 1) {
        const where = `stopped ${when} step ${at}`;
        const { runtime, store, bank, first, running, seen, other } = await stoppedAt(at, when, shared);
        if (!first.stopped) {
          assert.equal(await resultOf(runtime, running), other);
          break;
        }
        const name = first.steps[at];
        const record = (await store.read('once/order-7')).record;
        assert.equal(bank.charges.size, 1, where);
        first.resume();
        const late = await passUntil(runtime, running);
        if ('value' in late) assert.equal(late.value, other, `${where} (${name})`);
        else {
          assert(ConclaveError.is(late.error, 'lease-lost'), String(late.error));
          assert.equal(late.error.outcome, 'unknown');
        }
        assert.deepEqual((await store.read('once/order-7')).record, record, `${where}: it recorded another`);
        assert.equal(bank.charges.size, 1);
        const tokens = seen.map(({ token }) => token);
        assert.deepEqual(
          tokens.toSorted((a, b) => a - b),
          tokens,
        );
        if (seen.length === 2) {
          assert.deepEqual([seen[1]?.attempt, seen[1]?.takenOver], [2, true], where);
          refused += 1;
        }
        const third = once(store, 'order-7', () => assert.fail(), { runtime });
        assert.equal(await resultOf(runtime, third), other);
        await runtime.advance(5000);
        const { leader, waiting } = await store.read('once/order-7');
        assert.deepEqual([leader, waiting], [undefined, []], where);
      }
      assert(refused >= 2, 'an owner was taken over while it ran');
      context.diagnostic(`${shared ? 'shared' : 'own'} session, ${when}: ${refused} owners were taken over`);
    }
  }
});

test('an owner whose lease ran out while it worked records nothing, and gets what the new owner recorded', async () => {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  const first = stopping(store, Number.POSITIVE_INFINITY, 'before');
  const gate = Promise.withResolvers<void>();
  const contexts: OnceContext[] = [];
  const options = { runtime, ttlMs: 1000 };
  const slow = once(
    first.store,
    'a',
    async (context) => {
      contexts.push(context);
      await gate.promise;
      return 'by the old owner';
    },
    options,
  );
  await runtime.advance(10);
  await runtime.clock.stall(5000);
  assert.throws(() => contexts[0]?.leadership.assertHeld(), { code: 'not-leading' });
  assert(contexts[0]?.signal.aborted);
  const second = Promise.withResolvers<void>();
  const taking = once(
    store,
    'a',
    async ({ token, takenOver }) => {
      assert(takenOver && token > (contexts[0]?.token ?? 0));
      await second.promise;
      return 'by the new owner';
    },
    options,
  );
  await runtime.advance(100);
  gate.resolve();
  await runtime.advance(100);
  second.resolve();
  assert.deepEqual(await resultOf(runtime, Promise.all([slow, taking])), [
    'by the new owner',
    'by the new owner',
  ]);
});

test('an owner that lost its lease, and after whom nobody came, says that the outcome is unknown', async () => {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  const gate = Promise.withResolvers<void>();
  const options = { runtime, ttlMs: 1000 };
  const failed = once(
    store,
    'a',
    async () => {
      await gate.promise;
      return 'never recorded';
    },
    options,
  );
  await runtime.advance(10);
  await runtime.clock.stall(5000);
  gate.resolve();
  const error = await errorOf(runtime, failed);
  assert(ConclaveError.is(error, 'lease-lost'));
  assert.deepEqual([error.outcome, error.retryable], ['unknown', true]);
  const again = once(store, 'a', ({ attempt, takenOver }) => ({ attempt, takenOver }), options);
  assert.deepEqual(await resultOf(runtime, again), { attempt: 2, takenOver: true });
});

test('a shared session that is closed while the function runs lets nobody else in before that has ended', async () => {
  const { runtime, store, options } = world();
  const session = new Session(store, { ...options, ttlMs: 60_000, holder: 'first' });
  const first = held('first');
  const running = once(store, 'a', first.fn, { session });
  running.catch(() => {});
  await runtime.advance(10);
  const closing = session[Symbol.asyncDispose]();
  const second = held('second');
  const waiting = once(store, 'a', second.fn, options);
  await runtime.advance(5000);
  assert.deepEqual([first.contexts[0]?.signal.aborted, second.contexts.length], [true, 0]);
  first.open();
  await runtime.advance(5000);
  assert.deepEqual([second.contexts[0]?.takenOver, second.contexts.length], [true, 1]);
  second.open();
  assert.equal(await resultOf(runtime, waiting), 'second');
  const told = await errorOf(runtime, running);
  assert(ConclaveError.is(told, 'lease-lost') && told.outcome === 'unknown');
  await closing;
});

test('a session that ends under waiting callers is opened again', async () => {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  const options = { runtime, ttlMs: 1000 };
  const gate = Promise.withResolvers<void>();
  const slow = once(store, 'a', () => gate.promise.then(() => 'slow'), { ...options, ttlMs: 60_000 });
  await runtime.advance(10);
  const session = new Session(store, options);
  const waiting = once(store, 'a', () => 'unused', { session });
  const other = once(store, 'b', () => 'other', { session });
  assert.equal(await resultOf(runtime, other), 'other');
  await runtime.clock.stall(5000);
  gate.resolve();
  assert.deepEqual(await resultOf(runtime, Promise.all([slow, waiting])), ['slow', 'slow']);
  await session[Symbol.asyncDispose]();
});

test('a lost answer, to whichever call, is read again and never guessed', async () => {
  for (const operation of ['acquire', 'writeRecord', 'release'] satisfies LosableOperation[]) {
    for (const shared of [false, true]) {
      const runtime = manualRuntime();
      const store = memoryStore({ runtime });
      const losing = losingAnswers(store);
      const options = { runtime, ttlMs: 1000 };
      const session = new Session(losing.store, options);
      losing.loseNextAnswer(operation);
      let runs = 0;
      const run = () => {
        runs += 1;
        return runs;
      };
      const asked = shared ? { session } : options;
      assert.equal(await resultOf(runtime, once(losing.store, 'a', run, asked)), 1, operation);
      assert.equal(await resultOf(runtime, once(store, 'a', run, options)), 1, operation);
      await runtime.advance(100);
      const { leader, waiting } = await store.read('once/a');
      assert.deepEqual([leader, waiting], [undefined, []], operation);
      await session[Symbol.asyncDispose]();
    }
  }
});

test('a release that was carried out and whose answers never come is found in the record', async () => {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  let releases = 0;
  const deaf = storeWith(store, {
    openSession: async (asked) => {
      const session = await store.openSession(asked);
      return sessionWith(session, {
        release: async (...call) => {
          releases += 1;
          await session.release(...call);
          return await new Promise<boolean>(() => {});
        },
        renew: () => new Promise(() => {}),
      });
    },
  });
  const options = { runtime, ttlMs: 1000 };
  assert.equal(
    await resultOf(
      runtime,
      once(deaf, 'a', () => 'recorded', options),
    ),
    'recorded',
  );
  assert(releases >= 1);
});

test('an acquire that is carried out after its caller has left does not keep a shared session in the way', async () => {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  const arrived = Promise.withResolvers<void>();
  const late = storeWith(store, {
    openSession: async (asked) => {
      const session = await store.openSession(asked);
      return sessionWith(session, {
        acquire: async (name, more) => {
          await arrived.promise;
          return await session.acquire(name, more);
        },
      });
    },
  });
  const session = new Session(late, { runtime, ttlMs: 1000 });
  const stop = new AbortController();
  const gone = once(late, 'a', () => 'unused', { session, signal: stop.signal });
  await runtime.advance(100);
  stop.abort();
  assert(ConclaveError.is(await errorOf(runtime, gone), 'aborted'));
  arrived.resolve();
  await runtime.advance(3000);
  const { leader, waiting } = await store.read('once/a');
  assert.deepEqual([leader, waiting], [undefined, []]);
  const after = once(late, 'a', () => 'free', { session });
  assert.equal(await resultOf(runtime, after), 'free');
  await session[Symbol.asyncDispose]();
});
