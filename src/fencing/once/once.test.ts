import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, held, passUntil, resultOf, world } from '../../../test/fencing/once-stopping.ts';
import { sessionWith, storeWith } from '../../conformance/wrapping.ts';
import { Candidate, type LeaseStore, Session } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type OnceContext, once } from './index.ts';

/** The names of what is asked of the store. */
function counting(store: LeaseStore): { readonly store: LeaseStore; readonly calls: string[] } {
  const calls: string[] = [];
  const counted = storeWith(store, {
    read: (name, options) => {
      calls.push('read');
      return store.read(name, options);
    },
    openSession: async (options) => {
      calls.push('openSession');
      const session = await store.openSession(options);
      return sessionWith(session, {
        acquire: (name, more) => {
          calls.push('acquire');
          return session.acquire(name, more);
        },
      });
    },
  });
  return { store: counted, calls };
}

test('the function runs once, and a later caller reads its result without a session', async () => {
  const { runtime, store, options } = world();
  const seen: OnceContext[] = [];
  const fn = (context: OnceContext) => {
    seen.push(context);
    context.leadership.assertHeld();
    return { paid: 30 };
  };
  assert.deepEqual(await resultOf(runtime, once(store, 'order-7', fn, options)), { paid: 30 });
  const later = counting(store);
  assert.deepEqual(await resultOf(runtime, once(later.store, 'order-7', fn, options)), { paid: 30 });
  assert.deepEqual(later.calls, ['read']);
  const [context, ...others] = seen as [OnceContext];
  assert.equal(others.length, 0);
  assert.deepEqual(
    [context.operationId, context.attempt, context.takenOver, context.leadership.name],
    ['order-7', 1, false, 'once/order-7'],
  );
  assert.equal(context.token, context.leadership.token);
  assert.throws(() => context.leadership.assertHeld(), { code: 'not-leading' });
  const { leader, waiting } = await store.read('once/order-7');
  assert.deepEqual([leader, waiting], [undefined, []]);
});

test('callers that come while it runs wait for its result, and leave nothing behind', async () => {
  const { runtime, store, options } = world();
  const { fn, contexts, open } = held('done');
  const first = once(store, 'a', fn, options);
  await runtime.advance(10);
  const session = new Session(store, options);
  const others = Array.from({ length: 20 }, (_, place) =>
    once(store, 'a', fn, place % 2 === 0 ? options : { session }),
  );
  await runtime.advance(5000);
  open();
  const results = await resultOf(runtime, Promise.all([first, ...others]));
  assert.deepEqual([...new Set(results)], ['done']);
  assert.equal(contexts.length, 1);
  await runtime.advance(0);
  const { leader, waiting } = await store.read('once/a');
  assert.deepEqual([leader, waiting], [undefined, []]);
  await session[Symbol.asyncDispose]();
});

test('callers that begin at the same instant run it once, on one session, on many, and on both', async () => {
  for (const sharing of [1, 3, Number.POSITIVE_INFINITY]) {
    const { runtime, store, options } = world();
    const session = new Session(store, options);
    let runs = 0;
    const fn = async () => {
      runs += 1;
      const run = runs;
      await new Promise<void>((resolve) => void runtime.timers.after(100, resolve));
      return run;
    };
    const calls = Array.from({ length: 30 }, (_, place) =>
      once(store, 'a', fn, (place + 1) % sharing === 0 ? options : { session }),
    );
    const results = await resultOf(runtime, Promise.all(calls));
    assert.deepEqual([...new Set(results)], [1]);
    assert.equal(runs, 1);
    await session[Symbol.asyncDispose]();
  }
});

test('many operations on one session cost one session, and do not wait for each other', async () => {
  const { runtime, store, options } = world();
  const counted = counting(store);
  const session = new Session(counted.store, options);
  const slow = held('slow');
  const first = once(counted.store, 'slow', slow.fn, { session });
  const others = await resultOf(
    runtime,
    Promise.all(
      Array.from({ length: 50 }, (_, id) => once(counted.store, `op-${id}`, () => id, { session })),
    ),
  );
  assert.equal(others[49], 49);
  slow.open();
  assert.equal(await resultOf(runtime, first), 'slow');
  assert.equal(counted.calls.filter((call) => call === 'openSession').length, 1);
  await session[Symbol.asyncDispose]();
});

test('an election of the same name is not taken for an operation, nor the other way round', async () => {
  const { runtime, store, options } = world();
  const candidate = new Candidate(store, 'once/a', { ...options, graceMs: 1000 });
  await (await candidate.campaign()).resign();
  let runs = 0;
  const run = () => {
    runs += 1;
  };
  const error = await errorOf(runtime, once(store, 'a', run, options));
  assert(ConclaveError.is(error, 'data-damaged'));
  assert.equal(runs, 0);
  await candidate[Symbol.asyncDispose]();
  await resultOf(runtime, once(store, 'b', run, options));
  const other = new Candidate(store, 'once/b', options);
  const refused = await passUntil(runtime, other.campaign());
  assert('error' in refused && ConclaveError.is(refused.error, 'data-damaged'));
  await other[Symbol.asyncDispose]();
});

test('a transaction in the store is carried out for the owner alone, and not once the function has returned', async () => {
  const { runtime, store, options } = world();
  let kept: OnceContext | undefined;
  const pay = async (context: OnceContext) => {
    kept = context;
    const key = `paid/${context.operationId}`;
    const { succeeded } = await context.leadership.txn({
      compare: [{ key, target: 'exists', value: false }],
      success: [{ type: 'put', key, value: '30' }],
    });
    return succeeded;
  };
  await using session = new Session(store, options);
  assert.equal(await resultOf(runtime, once(store, 'a', pay, { session })), true);
  assert.throws(() => kept?.leadership.assertHeld(), { code: 'not-leading' });
  assert.deepEqual([kept?.leadership.remainingMs(), kept?.leadership.signal.aborted], [0, true]);
  const late = kept?.leadership.txn({ success: [{ type: 'delete', key: 'paid/a' }] });
  assert(ConclaveError.is(await errorOf(runtime, late ?? Promise.resolve()), 'not-leading'));
});
