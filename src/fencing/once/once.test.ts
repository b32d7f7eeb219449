import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, passUntil, resultOf } from '../../../test/fencing/once-stopping.ts';
import { sessionWith, storeWith } from '../../conformance/wrapping.ts';
import { Candidate, type LeaseStore, Session } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { manualRuntime } from '../../runtime/testing.ts';
import { memoryStore } from '../../stores/memory.ts';
import { type OnceContext, type OnceOptions, once, type ResultCodec } from './index.ts';

function world() {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  return { runtime, store, options: { runtime, ttlMs: 1000 } };
}

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

/** A function that waits until it is told to go on. */
function held<T>(value: T) {
  const gate = Promise.withResolvers<void>();
  const contexts: OnceContext[] = [];
  const fn = async (context: OnceContext) => {
    contexts.push(context);
    await gate.promise;
    return value;
  };
  return { fn, contexts, open: () => gate.resolve() };
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

test('callers that begin at the same instant, with sessions shared and not, run it once', async () => {
  const { runtime, store, options } = world();
  const session = new Session(store, options);
  let runs = 0;
  const fn = async () => {
    runs += 1;
    await Promise.resolve();
    return runs;
  };
  const calls = Array.from({ length: 30 }, (_, place) =>
    once(store, 'a', fn, place % 3 === 0 ? options : { session }),
  );
  const results = await resultOf(runtime, Promise.all(calls));
  assert.deepEqual([...new Set(results)], [1]);
  assert.equal(runs, 1);
  await session[Symbol.asyncDispose]();
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

test('an operation may have no result, and every caller gets what was recorded, not what was returned', async () => {
  const { runtime, store, options } = world();
  assert.equal(
    await resultOf(
      runtime,
      once(store, 'void', async () => {}, options),
    ),
    undefined,
  );
  assert.equal(
    await resultOf(
      runtime,
      once(store, 'void', () => assert.fail(), options),
    ),
    undefined,
  );
  const fn = () => ({ left: undefined, list: [Number.NaN] });
  const recorded = await resultOf(runtime, once(store, 'changed', fn, options));
  assert.deepEqual(recorded, { list: [null] });
});

test('a codec of the caller makes the bytes, and JSON-less types ask for one when compiled', async () => {
  const { runtime, store, options } = world();
  const codec: ResultCodec<bigint> = {
    encode: (value) => new TextEncoder().encode(String(value)),
    decode: (bytes) => BigInt(new TextDecoder().decode(bytes)),
  };
  const fn = () => 2n ** 70n;
  assert.equal(await resultOf(runtime, once(store, 'big', fn, { ...options, codec })), 2n ** 70n);
  assert.equal(await resultOf(runtime, once(store, 'big', fn, { ...options, codec })), 2n ** 70n);
  // @ts-expect-error a codec is missing
  const error = await errorOf(runtime, once(store, 'bigger', fn, options));
  assert(ConclaveError.is(error, 'invalid-argument'));
  const pattern = () => ({ of: [/x/] });
  // @ts-expect-error a RegExp comes back empty
  await errorOf(runtime, once(store, '', pattern, options));
  const table = () => [new Map<string, string>()];
  // @ts-expect-error a Map comes back empty
  await errorOf(runtime, once(store, '', table, options));
  interface Tree {
    readonly children: readonly Tree[];
    readonly note?: string;
  }
  const tree: Tree = { children: [{ children: [] }] };
  assert.deepEqual(
    await resultOf(
      runtime,
      once(store, 'tree', () => tree, options),
    ),
    tree,
  );
});

test('a result that cannot be recorded is a final failure, since its effect has taken place', async () => {
  const { runtime, store, options } = world();
  let runs = 0;
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const run = () => {
    runs += 1;
    return cyclic;
  };
  const first = await errorOf(runtime, once(store, 'a', run, options));
  const second = await errorOf(runtime, once(store, 'a', run, options));
  for (const error of [first, second]) {
    assert(ConclaveError.is(error, 'invalid-argument'), String(error));
    assert.equal(error.outcome, 'unknown');
    assert.match(error.message, /^Operation "a" has run and taken effect/);
  }
  assert.equal(runs, 1);
  const small = { ...options, resultLimitBytes: 10 };
  for (const _ of [1, 2]) {
    const error = await errorOf(
      runtime,
      once(store, 'b', () => 'x'.repeat(9), small),
    );
    assert(ConclaveError.is(error, 'too-large'));
    assert.equal(error.outcome, 'unknown');
    assert.match(error.message, /it has 11 bytes, and resultLimitBytes is 10/);
  }
});

test('a store that refuses the size of a record gets a record that says so', async () => {
  const { runtime, store, options } = world();
  const limited = storeWith(store, {
    openSession: async (asked) => {
      const session = await store.openSession(asked);
      return sessionWith(session, {
        release: async (name, token, more) => {
          if ((more?.record?.length ?? 0) > 1000) throw new ConclaveError('too-large', 'At most 1000 bytes.');
          return await session.release(name, token, more);
        },
      });
    },
  });
  for (const _ of [1, 2]) {
    const error = await errorOf(
      runtime,
      once(limited, 'a', () => 'x'.repeat(2000), options),
    );
    assert(ConclaveError.is(error, 'too-large'));
    assert.match(error.message, /the store takes no record of that size/);
  }
});

test('an error is final and the same for all: name, message, code and details', async () => {
  const { runtime, store, options } = world();
  class Declined extends Error {
    override readonly name = 'Declined';
    readonly code = 'card_declined';
    readonly details = { attempt: 3, reasons: ['limit'] };
  }
  const { fn, open, contexts } = held(undefined);
  const failing = async (context: OnceContext) => {
    await fn(context);
    throw new Declined('no money');
  };
  const calls = [1, 2, 3].map(() => errorOf(runtime, once(store, 'a', failing, options)));
  await runtime.advance(10);
  open();
  const errors = [...(await Promise.all(calls)), await errorOf(runtime, once(store, 'a', failing, options))];
  for (const error of errors) {
    assert(error instanceof Error);
    assert.deepEqual(
      { ...error, name: error.name, message: error.message },
      {
        name: 'Declined',
        message: 'no money',
        code: 'card_declined',
        details: { attempt: 3, reasons: ['limit'] },
      },
    );
  }
  assert.equal(contexts.length, 1);
  assert.equal(errors.filter((error) => (error as Error).cause instanceof Declined).length, 1);
});

test('a ConclaveError stays one, with its outcome and details', async () => {
  const { runtime, store, options } = world();
  const failing = () => {
    const details = { path: '/x', revision: 2n ** 60n };
    throw new ConclaveError('disk-full', 'No space.', { outcome: 'unknown', details });
  };
  await errorOf(runtime, once(store, 'a', failing, options));
  const error = await errorOf(runtime, once(store, 'a', failing, options));
  assert(ConclaveError.is(error, 'disk-full'));
  assert.deepEqual(
    [error.outcome, error.retryable, error.details],
    ['unknown', false, { path: '/x', revision: 2n ** 60n }],
  );
});

test('an error that may be tried again is not recorded: the next caller runs it', async () => {
  const { runtime, store, options } = world();
  const attempts: [number, boolean][] = [];
  const failing = (error: unknown) => (context: OnceContext) => {
    attempts.push([context.attempt, context.takenOver]);
    throw error;
  };
  const away = new ConclaveError('unavailable', 'The bank is away.', { retryable: true });
  assert.equal(await errorOf(runtime, once(store, 'a', failing(away), options)), away);
  const busy = new Error('busy');
  const isRetryable = (error: unknown) => error === busy;
  const asked: OnceOptions<string> = { ...options, isRetryable };
  assert.equal(await errorOf(runtime, once(store, 'a', failing(busy), asked)), busy);
  const third = (context: OnceContext) => {
    attempts.push([context.attempt, context.takenOver]);
    return 'ok';
  };
  assert.equal(await resultOf(runtime, once(store, 'a', third, options)), 'ok');
  assert.deepEqual(attempts, [
    [1, false],
    [2, false],
    [3, false],
  ]);
});

test('a predicate that throws has not said that it may be tried again', async () => {
  const { runtime, store, options } = world();
  const isRetryable = () => assert.fail('a bug');
  const fail = () => {
    throw new RangeError('no');
  };
  for (const _ of [1, 2]) {
    const error = await errorOf(runtime, once(store, 'a', fail, { ...options, isRetryable }));
    assert.equal((error as Error).name, 'RangeError');
  }
});

test('the outcome is kept for retainMs, and the operation is unknown after it', async () => {
  const { runtime, store, options } = world();
  let runs = 0;
  const run = () => {
    runs += 1;
    return runs;
  };
  const kept = { ...options, retainMs: 10_000 };
  assert.equal(await resultOf(runtime, once(store, 'a', run, kept)), 1);
  await runtime.advance(9900);
  assert.equal(await resultOf(runtime, once(store, 'a', run, kept)), 1);
  await runtime.advance(200);
  assert.equal(
    await resultOf(runtime, once(store, 'a', run, { ...kept, retainMs: Number.POSITIVE_INFINITY })),
    2,
  );
  await runtime.advance(10 * 86_400_000);
  assert.equal(await resultOf(runtime, once(store, 'a', run, kept)), 2);
});

test('the signal ends the waiting, on a session of its own and on a shared one, and others go on', async () => {
  for (const shared of [false, true]) {
    const { runtime, store, options } = world();
    const session = new Session(store, { ...options, holder: 'shared' });
    const asked = shared ? { session } : options;
    const { fn, open } = held('late');
    const first = once(store, 'a', fn, options);
    await runtime.advance(10);
    const stop = new AbortController();
    const aborted = once(store, 'a', fn, { ...asked, signal: stop.signal });
    const behind = once(store, 'a', fn, asked);
    await runtime.advance(10);
    stop.abort('enough');
    const error = await errorOf(runtime, aborted);
    assert(ConclaveError.is(error, 'aborted'));
    assert.deepEqual([error.outcome, error.cause], ['not-applied', 'enough']);
    open();
    assert.deepEqual(await resultOf(runtime, Promise.all([first, behind])), ['late', 'late']);
    const before = AbortSignal.abort();
    assert(
      ConclaveError.is(await errorOf(runtime, once(store, 'b', fn, { ...asked, signal: before })), 'aborted'),
    );
    assert.equal((await store.read('once/b')).record, undefined);
    await session[Symbol.asyncDispose]();
  }
});

test('a caller that gives up in the queue leaves no place there, on a shared session either', async () => {
  const { runtime, store, options } = world();
  const rival = new Candidate(store, 'once/a', { ...options, holder: 'rival' });
  const session = new Session(store, { ...options, holder: 'shared' });
  const stop = new AbortController();
  // Between its read and its claim somebody else comes first.
  const late = storeWith(store, {
    read: async (name, asked) => {
      const state = await store.read(name, asked);
      await rival.campaign();
      return state;
    },
  });
  const lateSession = new Session(late, { ...options, holder: 'late' });
  const waiting = once(late, 'a', () => 1, { session: lateSession, signal: stop.signal });
  await runtime.advance(100);
  assert.deepEqual(
    (await store.read('once/a')).waiting.map(({ holder }) => holder),
    ['late'],
  );
  stop.abort();
  assert(ConclaveError.is(await errorOf(runtime, waiting), 'aborted'));
  await runtime.advance(100);
  assert.deepEqual((await store.read('once/a')).waiting, []);
  await rival[Symbol.asyncDispose]();
  await session[Symbol.asyncDispose]();
  await lateSession[Symbol.asyncDispose]();
});

test('aborting while it runs aborts the signal of the function; what it throws then is not recorded', async () => {
  const { runtime, store, options } = world();
  const stop = new AbortController();
  const fn = (context: OnceContext) =>
    new Promise<string>((_resolve, reject) => {
      context.signal.addEventListener('abort', () =>
        reject(new Error('cut off', { cause: context.signal.reason })),
      );
    });
  const running = once(store, 'a', fn, { ...options, signal: stop.signal });
  await runtime.advance(10);
  stop.abort('enough');
  const error = await errorOf(runtime, running);
  assert(ConclaveError.is(error, 'aborted'));
  assert.equal(error.outcome, 'unknown');
  assert.equal((error.cause as Error).message, 'cut off');
  assert.equal((await store.read('once/a')).leader, undefined);
  const next = once(store, 'a', ({ attempt, takenOver }) => ({ attempt, takenOver }), options);
  assert.deepEqual(await resultOf(runtime, next), { attempt: 2, takenOver: false });
});

test('a function that finishes in spite of the abort has its result recorded and returned', async () => {
  const { runtime, store, options } = world();
  const stop = new AbortController();
  const { fn, open } = held('finished');
  const running = once(store, 'a', fn, { ...options, signal: stop.signal });
  await runtime.advance(10);
  stop.abort();
  await runtime.advance(10);
  open();
  assert.equal(await resultOf(runtime, running), 'finished');
  assert.equal(
    await resultOf(
      runtime,
      once(store, 'a', () => assert.fail(), options),
    ),
    'finished',
  );
});

test('the store may be down: callers wait, and nothing is guessed', async () => {
  const { runtime, store, options } = world();
  let down = true;
  const shaky = storeWith(store, {
    read: async (name, asked) => {
      if (down) throw new ConclaveError('unavailable', 'Away.', { retryable: true });
      return await store.read(name, asked);
    },
  });
  const events: string[] = [];
  const onEvent = ({ type }: { type: string }) => void events.push(type);
  const call = once(shaky, 'a', () => 'there', { ...options, onEvent });
  await runtime.advance(20_000);
  down = false;
  assert.equal(await resultOf(runtime, call), 'there');
  assert(events.includes('trouble'));
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

test('a result that this caller cannot decode says whose fault it is', async () => {
  const { runtime, store, options } = world();
  await resultOf(
    runtime,
    once(store, 'a', () => 'text', options),
  );
  const codec: ResultCodec<string> = {
    encode: () => new Uint8Array(),
    decode: () => {
      throw new Error('not mine');
    },
  };
  const error = await errorOf(
    runtime,
    once(store, 'a', () => 'text', { ...options, codec }),
  );
  assert(ConclaveError.is(error, 'data-damaged'));
  assert.match(error.message, /all its callers must use the codec/);
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
  assert.equal(await resultOf(runtime, once(store, 'a', pay, options)), true);
  const late = kept?.leadership.txn({ success: [{ type: 'delete', key: 'paid/a' }] });
  assert(ConclaveError.is(await errorOf(runtime, late ?? Promise.resolve()), 'not-leading'));
});
