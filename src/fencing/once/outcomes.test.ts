import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, held, resultOf, world } from '../../../test/fencing/once-stopping.ts';
import { sessionWith, storeWith } from '../../conformance/wrapping.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type OnceArguments, type OnceContext, type OnceOptions, once, type ResultCodec } from './index.ts';

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
  const fn = () => ({ left: undefined, list: [-0, null] });
  const recorded = await resultOf(runtime, once(store, 'changed', fn, options));
  assert.deepEqual(recorded, { list: [0, null] });
});

test('what JSON would not give back equal is refused when it is run, too: a final failure for every caller', async () => {
  const { runtime, store, options } = world();
  class Money {
    cents = 5;
    double(): number {
      return 2 * this.cents;
    }
  }
  const lost: readonly (readonly [unknown, RegExp])[] = [
    [new Date(0), /it is of class Date,/],
    [{ at: [new Date(0)] }, /it\.at\[0\] is of class Date,/],
    [new Map([[1, 2]]), /it is of class Map,/],
    [{ of: new Set() }, /it\.of is of class Set,/],
    [/x/, /it is of class RegExp,/],
    [new Error('x'), /it is of class Error,/],
    [new Uint8Array(2), /it is of class Uint8Array,/],
    [Number.NaN, /it is NaN,/],
    [[1, Number.POSITIVE_INFINITY], /it\[1\] is Infinity,/],
    [[undefined], /it\[0\] is undefined,/],
    [new Array(1), /it\[0\] is undefined,/],
    [/x/.exec('x'), /it is an array with properties/],
    [{ run() {} }, /no function for it\.run/],
    [{ of: Symbol('x') }, /no symbol for it\.of/],
    [{ toJSON: () => 1 }, /it is of class Object,/],
    [new Money(), /it is of class Money,/],
    [Object(''), /it is of class String,/],
    [5n, /BigInt/],
  ];
  for (const [place, [value, why]] of lost.entries()) {
    let runs = 0;
    const run = () => {
      runs += 1;
      return value;
    };
    for (const _ of ['who ran it', 'another']) {
      const error = await errorOf(runtime, once(store, `lost-${place}`, run, options));
      assert(ConclaveError.is(error, 'invalid-argument'), String(error));
      assert.equal(error.outcome, 'unknown');
      assert.match(error.message, why);
    }
    assert.equal(runs, 1);
  }
});

test('what JSON gives back equal is recorded: nested, without a prototype, or of a class without methods', async () => {
  const { runtime, store, options } = world();
  class Row {
    id = 7;
  }
  const kept: readonly unknown[] = [null, 0, '\ud800', false, [], [[{ a: { b: [null] } }]]];
  for (const [place, value] of kept.entries()) {
    assert.deepEqual(
      await resultOf(
        runtime,
        once(store, `kept-${place}`, () => value, options),
      ),
      value,
    );
  }
  const bare: unknown = Object.assign(Object.create(null), { a: 1 });
  assert.deepEqual(
    await resultOf(
      runtime,
      once(store, 'bare', () => bare, options),
    ),
    { a: 1 },
  );
  assert.deepEqual(
    await resultOf(
      runtime,
      once(store, 'row', () => [new Row()], options),
    ),
    [{ id: 7 }],
  );
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
  const wrapped = <T>(id: string, run: () => T, ...more: OnceArguments<T>) => once(store, id, run, ...more);
  assert.equal(
    await resultOf(
      runtime,
      wrapped('wrapped', () => 7, options),
    ),
    7,
  );
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
