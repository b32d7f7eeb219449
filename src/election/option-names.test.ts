import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import {
  Candidate,
  elect,
  type LeaseStore,
  lock,
  observe,
  readWriteLock,
  resizeReadWriteLock,
  resizeSemaphore,
  Session,
  semaphore,
  withLock,
} from './index.ts';

const runtime = manualRuntime();

/** As from plain JavaScript; any call of the store but a look at what it is fails the test. */
function untouchable(): LeaseStore {
  const refuse = () => assert.fail('the store was called');
  const { capabilities } = memoryStore({ runtime });
  const calls = { openSession: refuse, read: refuse, watch: refuse, [Symbol.asyncDispose]: refuse };
  return { description: 'a test store', capabilities, ...calls };
}

const entries: Record<string, (options: never) => unknown> = {
  elect: (options) => elect(untouchable(), 'name', () => {}, options),
  Candidate: (options) => new Candidate(untouchable(), 'name', options),
  Session: (options) => new Session(untouchable(), options),
  lock: (options) => lock(untouchable(), 'name', options),
  withLock: (options) => withLock(untouchable(), 'name', () => assert.fail('it ran'), options),
  semaphore: (options) => semaphore(untouchable(), 'name', options),
  resizeSemaphore: (options) => resizeSemaphore(untouchable(), 'name', options),
  readWriteLock: (options) => readWriteLock(untouchable(), 'name', options),
  resizeReadWriteLock: (options) => resizeReadWriteLock(untouchable(), 'name', options),
  observe: (options) => observe(untouchable(), 'name', options),
};

/** What each cannot do without. */
const needed = {
  semaphore: { permits: 2 },
  resizeSemaphore: { permits: 2 },
  readWriteLock: { mode: 'read' },
};

for (const [name, entry] of Object.entries(entries)) {
  test(`${name} refuses an option that it does not know, by its name`, async () => {
    const given = { ...needed[name as keyof typeof needed], runtime };
    const call = async (options: unknown) => entry(options as never);
    const message = /must not contain "nonsense"\. Known are .*runtime/;
    await assert.rejects(call({ ...given, nonsense: 1 }), { code: 'invalid-argument', message });
    await assert.rejects(call({ ...given, onEvnt() {}, runtimee: runtime }), {
      code: 'invalid-argument',
      message: /must not contain "onEvnt"\. |must not contain "runtimee"\. Did you mean runtime\?/,
    });
    for (const none of [5, 'ttlMs', []])
      await assert.rejects(call(none), { code: 'invalid-argument', message: /must be an object, not / });
  });
}

const misspelt: [string, string][] = [
  ['ttl', 'ttlMs'],
  ['ttlMS', 'ttlMs'],
  ['prioriy', 'priority'],
  ['meta', 'metadata'],
  ['onevent', 'onEvent'],
];

for (const [given, meant] of misspelt) {
  test(`who writes ${given} is asked whether ${meant} was meant`, () => {
    assert.throws(() => new Candidate(untouchable(), 'name', { runtime, [given]: 1 }), {
      code: 'invalid-argument',
      message: `The options of a candidate must not contain "${given}". Did you mean ${meant}?`,
    });
  });
}

test('null in the place of the options is refused in words', async () => {
  const nothing = null as never;
  const expected = { code: 'invalid-argument', message: /must be/ };
  for (const entry of Object.values(entries)) await assert.rejects(async () => entry(nothing), expected);
});

test('an option that is undefined is none, whatever its name', () => {
  new Candidate(untouchable(), 'name', { runtime, ...{ nonsense: undefined } });
});

test('what a leadership is told is looked at before it has an effect', async () => {
  await using store = memoryStore({ runtime });
  await using candidate = new Candidate(store, 'name', { runtime });
  await assert.rejects(candidate.campaign({ signl: 1 } as object), { message: /Did you mean signal\?/ });
  const leadership = await candidate.campaign();
  await assert.rejects(leadership.resign({ refuseForMS: 5 } as object), {
    code: 'invalid-argument',
    message: /"refuseForMS"\. Did you mean refuseForMs\?/,
  });
  await assert.rejects(leadership.resign(5 as never), { message: /must be an object, not 5/ });
  await assert.rejects(leadership.resign(null as never), { message: /must be an object, not null/ });
  const put = { success: [{ type: 'put', key: 'k', value: 'v' }] } as const;
  await assert.rejects(leadership.txn(put, { sginal: 5 } as object), { message: /Did you mean signal\?/ });
  for (const work of [undefined, null, () => {}]) {
    assert.throws(() => leadership.settle(work as never), {
      code: 'invalid-argument',
      message: /settle\(\) takes the promise of the work to wait for, not (undefined|null|a function)\./,
    });
  }
  leadership.assertHeld();
});

test('a text in the place of a number is shown as a text', () => {
  assert.throws(() => new Session(untouchable(), { runtime, ttlMs: '5000' as never }), {
    message: 'ttlMs must be a number from 100 to 86400000, not "5000".',
  });
});
