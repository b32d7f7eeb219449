import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storeWith } from '../conformance/wrapping.ts';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { Partitions, type PartitionsOptions, partitionRouter } from './index.ts';

const runtime = manualRuntime();
const onAssigned = () => {};

/** What the constructor says; before it can have done anything at the store. */
function refused(options: unknown, code: string, message: RegExp, name: unknown = 'work') {
  const store = memoryStore({ runtime });
  const untouched = storeWith(store, {
    openSession: () => assert.fail('a session was opened'),
    watchAll: () => assert.fail('a watch was opened'),
    watch: () => assert.fail('a watch was opened'),
  });
  assert.throws(
    () => new Partitions(untouched, name as string, options as PartitionsOptions),
    (error) => {
      assert(ConclaveError.is(error), String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    },
  );
}

test('counts out of range, and no or two ways of saying which partitions there are', () => {
  for (const count of [0, -1, 1.5, 65_537, Number.NaN, Number.POSITIVE_INFINITY, '8', null])
    refused({ count, onAssigned }, 'invalid-argument', /count must be a whole number from 1 to 65536/);
  refused({ onAssigned }, 'invalid-argument', /either count.*or keys/);
  refused({ count: 1, keys: ['a'], onAssigned }, 'invalid-argument', /either count.*or keys/);
});

test('keys that are twice there, empty, too long, too many, reserved or no texts', () => {
  refused({ keys: [], onAssigned }, 'invalid-argument', /at least one/);
  refused({ keys: 'abc', onAssigned }, 'invalid-argument', /list/);
  refused({ keys: ['a', 'b', 'a'], onAssigned }, 'invalid-argument', /"a" twice/);
  refused({ keys: ['a', ''], onAssigned }, 'invalid-argument', /not empty/);
  refused({ keys: ['a', 7], onAssigned }, 'invalid-argument', /text/);
  refused({ keys: ['roster'], onAssigned }, 'invalid-argument', /cannot be "roster"/);
  refused({ keys: ['roster/1'], onAssigned }, 'invalid-argument', /cannot be "roster\/1"/);
  refused({ keys: ['ä'.repeat(129)], onAssigned }, 'invalid-argument', /258 bytes; the limit is 256/);
  refused({ keys: ['a\nb'], onAssigned }, 'invalid-argument', /control character/);
  const long = Array.from({ length: 100 }, (_, number) => `${number}`.padStart(200, 'x'));
  refused({ keys: long, onAssigned }, 'invalid-argument', /20000 bytes together; the limit is 16384/);
  const many = Array.from({ length: 4097 }, (_, number) => `${number}`);
  refused({ keys: many, onAssigned }, 'invalid-argument', /4097 entries; the limit is 4096/);
});

test('weights, times, jobs, names and metadata that are none', () => {
  for (const weight of [0, -1, 101, Number.NaN, '1'])
    refused({ count: 1, weight, onAssigned }, 'invalid-argument', /weight must be a number from 0.01 to 100/);
  refused({ count: 1, drainMs: -1, onAssigned }, 'invalid-argument', /drainMs/);
  refused({ count: 1, settleMs: 60_001, onAssigned }, 'invalid-argument', /settleMs/);
  refused({ count: 1 }, 'invalid-argument', /onAssigned must be a function/);
  refused({ count: 1, onAssigned, onRevoked: 'x' }, 'invalid-argument', /onRevoked must be a function/);
  refused({ count: 1, onAssigned, onJobError: 1 }, 'invalid-argument', /onJobError must be a function/);
  refused({ count: 1, onAssigned, onEvent: 1 }, 'invalid-argument', /onEvent must be a function/);
  refused({ count: 1, onAssigned, ttlMs: 1 }, 'invalid-argument', /ttlMs/);
  refused({ count: 1, onAssigned, signal: 1 }, 'invalid-argument', /signal/);
  refused({ count: 1, onAssigned, metadata: 'x'.repeat(65_536) }, 'invalid-argument', /the limit is 65536/);
  refused({ count: 1, onAssigned }, 'invalid-argument', /name/, '');
  refused({ count: 1, onAssigned }, 'invalid-argument', /name/, 7);
  refused({ count: 1, onAssigned }, 'invalid-argument', /limit is 1024/, 'x'.repeat(1020));
  refused(undefined, 'invalid-argument', /options/);
});

test('options that nothing knows, and what an election has but partitions have not', async () => {
  refused({ count: 1, onAssigned, onRevoke: onAssigned }, 'invalid-argument', /"onRevoke".*mean onRevoked/);
  refused({ count: 1, onAssigned, ttlMS: 1000 }, 'invalid-argument', /"ttlMS".*mean ttlMs/);
  refused({ count: 1, onAssigned, priority: 1 }, 'invalid-argument', /"priority"/);
  refused({ count: 1, onAssigned, session: {} }, 'invalid-argument', /"session"/);
  const store = memoryStore({ runtime });
  assert.throws(() => partitionRouter(store, 'work', { onevent: 1 } as never), { code: 'invalid-argument' });
  await using router = partitionRouter(store, 'work', { runtime });
  await assert.rejects(router.route('k', { fresch: true } as never), { code: 'invalid-argument' });
});

test('stores that cannot carry partitions, and a signal that aborted already', () => {
  const store = memoryStore({ runtime });
  const advisory = storeWith(store, { capabilities: { ...store.capabilities, consistency: 'advisory' } });
  assert.throws(() => new Partitions(advisory, 'work', { count: 1, onAssigned }), { code: 'unsupported' });
  assert.throws(() => new Partitions({} as never, 'work', { count: 1, onAssigned }), {
    code: 'invalid-argument',
  });
  assert.throws(() => partitionRouter({} as never, 'work'), { code: 'invalid-argument' });
  assert.throws(() => partitionRouter(store, ''), { code: 'invalid-argument' });
  refused({ count: 1, onAssigned, signal: AbortSignal.abort() }, 'aborted', /signal/);
});
