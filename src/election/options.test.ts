import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { Candidate, type CandidateOptions, elect, lock, observe, Session } from './index.ts';
import type { LeaseStore, StoreCapabilities } from './store.ts';

const runtime = manualRuntime();

/** Any call but a look at what it is fails the test. */
function untouchable(capabilities: Partial<StoreCapabilities> = {}): LeaseStore {
  const refuse = () => assert.fail('the store was called');
  const described = {
    description: 'a test store',
    capabilities: { ...memoryStore({ runtime }).capabilities, ...capabilities },
  };
  return { ...described, openSession: refuse, read: refuse, watch: refuse, [Symbol.asyncDispose]: refuse };
}

const wrong: [CandidateOptions, RegExp][] = [
  [{ ttlMs: 99 }, /ttlMs must be a number from 100 to 86400000, not 99/],
  [{ ttlMs: 86_400_001 }, /ttlMs/],
  [{ ttlMs: Number.NaN }, /ttlMs/],
  [{ ttlMs: '5000' as unknown as number }, /ttlMs/],
  [{ renewEveryMs: 5 }, /renewEveryMs/],
  [{ ttlMs: 1000, renewEveryMs: 895, clockDriftRate: 0.1 }, /leaves no time to renew/],
  [{ clockDriftRate: -0.01 }, /clockDriftRate/],
  [{ clockDriftRate: 0.3 }, /clockDriftRate/],
  [{ graceMs: -1 }, /graceMs/],
  [{ graceMs: Number.POSITIVE_INFINITY }, /graceMs/],
  [{ priority: 1.5 }, /priority must be a whole number/],
  [{ priority: 2 ** 31 }, /priority/],
  [{ holder: '' }, /holder is empty/],
  [{ holder: 'a\nb' }, /holder .* contains a control character/],
  [{ holder: 'h'.repeat(1025) }, /holder has 1025 bytes; the limit is 1024/],
  [{ metadata: 'm'.repeat(65_537) }, /metadata has 65537 bytes/],
  [{ metadata: '\ud800' }, /half of a surrogate pair/],
  [{ metadata: 5 as unknown as string }, /metadata must be a string/],
  [{ releaseOnDisconnect: { graceMs: -5 } }, /releaseOnDisconnect.graceMs/],
  [{ releaseOnDisconnect: 'yes' as unknown as boolean }, /releaseOnDisconnect/],
  [{ acceptAdvisory: ' ' }, /acceptAdvisory/],
  [{ onEvent: 'log' as unknown as () => void }, /onEvent must be a function/],
];

for (const [options, message] of wrong) {
  test(`wrong options are refused before the store is called: ${message.source}`, async () => {
    const expected = { code: 'invalid-argument', message };
    assert.throws(() => new Candidate(untouchable(), 'name', { ...options, runtime }), expected);
    await assert.rejects(
      elect(untouchable(), 'name', () => {}, { ...options, runtime }),
      expected,
    );
    await assert.rejects(lock(untouchable(), 'name', { ...options, runtime }), expected);
  });
}

const wrongNames: [unknown, RegExp][] = [
  ['', /is empty/],
  ['x'.repeat(1025), /has 1025 bytes; the limit is 1024/],
  ['ä'.repeat(513), /has 1026 bytes/],
  ['a\u0000b', /control character/],
  ['a\u007fb', /control character/],
  ['\udfff', /surrogate/],
  [undefined, /must be a string/],
];

for (const [name, message] of wrongNames) {
  test(`wrong names are refused before the store is called: ${message.source}`, async () => {
    const expected = { code: 'invalid-argument', message };
    assert.throws(() => new Candidate(untouchable(), name as string, { runtime }), expected);
    assert.throws(() => observe(untouchable(), name as string, { runtime }), expected);
    await assert.rejects(
      elect(untouchable(), name as string, () => {}, { runtime }),
      expected,
    );
  });
}

test('a TTL outside of what the store keeps is refused with the bound named', () => {
  const store = untouchable({ minTtlMs: 10_000, maxTtlMs: 60_000 });
  assert.throws(() => new Candidate(store, 'name', { runtime }), { message: /use at least 10000/ });
  assert.throws(() => new Session(store, { ttlMs: 70_000, runtime }), { message: /use at most 60000/ });
});

test('a session bound to its connection needs a store that can do it', () => {
  const store = untouchable({ connectionBound: false });
  assert.throws(() => new Candidate(store, 'name', { releaseOnDisconnect: true, runtime }), {
    code: 'unsupported',
  });
});

test('an advisory store is refused unless that is accepted in words', () => {
  const store = untouchable({ consistency: 'advisory', note: 'replication is asynchronous' });
  assert.throws(() => new Candidate(store, 'name', { runtime }), {
    code: 'unsupported',
    message: /replication is asynchronous/,
  });
  new Candidate(store, 'name', { acceptAdvisory: 'two reports a day do no harm', runtime });
});

const wrongCapabilities: [object, RegExp][] = [
  [{ consistency: 'linear' }, /capabilities: consistency must be "linearizable" or "advisory", not "linear"/],
  [{ consistency: undefined }, /consistency .+ not undefined/],
  [{ note: undefined }, /note must be a text/],
  [{ watch: 'push' }, /watch must be "native" or "poll"/],
  [{ minTtlMs: '100' }, /minTtlMs must be a number of milliseconds, not "100"/],
  [{ maxTtlMs: Number.NaN }, /maxTtlMs/],
  [{ handOff: 'no' }, /handOff must be true or false, not "no"/],
];

test('a store that misspells what it promises is refused before it is called', async () => {
  for (const [given, message] of wrongCapabilities) {
    const store = untouchable(given);
    const refused = { code: 'invalid-argument', message };
    assert.throws(() => new Candidate(store, 'name', { runtime }), refused);
    assert.throws(() => new Session(store, { runtime }), refused);
    assert.throws(() => observe(store, 'name', { runtime }), refused);
    await assert.rejects(
      elect(store, 'name', () => {}, { runtime, acceptAdvisory: 'whatever it is' }),
      refused,
    );
  }
});

test('whenJobReturns and the job itself are checked', async () => {
  const options = { whenJobReturns: 'again' as 'stop', runtime };
  await assert.rejects(
    elect(untouchable(), 'name', () => {}, options),
    { code: 'invalid-argument' },
  );
  await assert.rejects(elect(untouchable(), 'name', undefined as never, { runtime }), {
    code: 'invalid-argument',
  });
});

test('the default holder is another one for each candidate', () => {
  const holders = [1, 2].map(() => new Candidate(untouchable(), 'name', { runtime }).holder);
  assert.match(holders[0] ?? '', /^.+:\d+:[0-9a-f]{16}$/);
  assert.notEqual(holders[0], holders[1]);
});

test('a store or a signal that is none is refused in words, not with a TypeError from inside', async () => {
  for (const none of [undefined, null, 'http://127.0.0.1:2379', {}]) {
    const store = none as unknown as LeaseStore;
    assert.throws(() => new Candidate(store, 'name', { runtime }), { code: 'invalid-argument' });
    await assert.rejects(
      elect(store, 'name', () => {}, { runtime }),
      { code: 'invalid-argument' },
    );
  }
  const signal = new AbortController() as unknown as AbortSignal;
  await assert.rejects(
    elect(untouchable(), 'name', () => {}, { signal, runtime }),
    { code: 'invalid-argument' },
  );
  await assert.rejects(new Candidate(untouchable(), 'name', { runtime }).campaign({ signal }), {
    code: 'invalid-argument',
  });
});
