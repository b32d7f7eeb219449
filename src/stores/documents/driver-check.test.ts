import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../../runtime/testing.ts';
import { DriverCalls } from './calling.ts';
import { documentStore } from './index.ts';
import { MemoryService } from './testing.ts';

const runtime = manualRuntime();
const driver = () =>
  new MemoryService({ runtime, ownsClock: true, tells: true, many: true }).driver() as unknown as object;
const { traits } = driver() as { readonly traits: object };

const wrongMembers: [object, RegExp][] = [
  [{ description: undefined }, /driver: description must be a text, not undefined/],
  [{ traits: undefined }, /driver: traits must be an object, not undefined/],
  [{ read: undefined }, /driver: read must be a function, not undefined/],
  [{ write: undefined }, /driver: write must be a function, not undefined/],
  [{ remove: 'no' }, /driver: remove must be a function, not "no"/],
  [{ [Symbol.asyncDispose]: undefined }, /asyncDispose\] must be a function/],
  [{ readMany: {} }, /driver: readMany must be a function, not an object/],
  [{ changes: true }, /driver: changes must be a function, not true/],
  [{ bonds: { bind: () => {} } }, /driver's bonds: endedByHolder must be a function/],
];

const wrongTraits: [object, RegExp][] = [
  [{ consistency: 'linear' }, /consistency must be "linearizable" or "advisory", not "linear"/],
  [{ consistency: undefined }, /consistency must be .+ not undefined/],
  [{ consistancy: 'linearizable' }, /must not contain "consistancy"\. Did you mean consistency\?/],
  [{ note: undefined }, /note must be a text/],
  [{ minTtlMs: undefined }, /minTtlMs must be a number of milliseconds, not undefined/],
  [{ minTtlMs: '500' }, /minTtlMs must be a number of milliseconds, not "500"/],
  [{ maxTtlMs: null }, /maxTtlMs must be a number of milliseconds, not null/],
  [{ ownsClock: undefined }, /ownsClock must be true or false, not undefined/],
  [{ forgets: 1 }, /forgets must be true or false, not 1/],
];

test('a driver that lacks something is refused when the store is made, and told what', () => {
  const cases = [
    ...wrongMembers.map(([given, message]) => ({ given, message })),
    ...wrongTraits.map(([given, message]) => ({ given: { traits: { ...traits, ...given } }, message })),
  ];
  for (const { given, message } of cases) {
    const wrong = Object.assign(driver(), given) as never;
    assert.throws(() => documentStore(wrong, { runtime }), { code: 'invalid-argument', message });
  }
  for (const none of [undefined, null, 'sqlite']) {
    const message = /must be a driver/;
    assert.throws(() => documentStore(none as never), { code: 'invalid-argument', message });
  }
});

test('bonds without the clock of the service are refused', () => {
  const bonds = { bind: () => {}, endedByHolder: () => {} };
  const wrong = Object.assign(driver(), { bonds, traits: { ...traits, ownsClock: false } }) as never;
  assert.throws(() => documentStore(wrong), { code: 'invalid-argument', message: /ownsClock/ });
});

test('an option that documentStore does not know is refused by its name, and a text is shown as one', () => {
  const made = (options: object) => () => documentStore(driver() as never, options);
  assert.throws(made({ polMs: 100 }), {
    code: 'invalid-argument',
    message: 'The options of documentStore must not contain "polMs". Did you mean pollMs?',
  });
  assert.throws(made({ timeoutMs: '5' }), {
    code: 'invalid-argument',
    message: 'timeoutMs must be from 1 to 86400000 ms, not "5".',
  });
});

/** What a driver of another language's habits gives, and the first call that is told of it. */
const wrongAnswers: [object, RegExp][] = [
  [{ write: async () => 7 }, /write must give the version as a text that is not empty, or undefined, not 7/],
  [{ write: async () => null }, /write must give the version .+ not null/],
  [{ write: async () => '' }, /write must give the version .+ not ""/],
  [{ write: async () => true }, /write must give the version .+ not true/],
  [{ read: async () => null }, /read must give a document or undefined, not null/],
  [{ read: async () => 'text' }, /read must give a document or undefined, not "text"/],
  [{ read: async () => ({ text: '{}', version: 7 }) }, /a document whose version is a text .+ not 7/],
  [{ read: async () => ({ text: Buffer.of(1), version: 'v' }) }, /whose text is a text, not an object/],
  [{ read: async () => ({ text: '{}', version: 'v', leftMs: '5' }) }, /leftMs is a number .+ not "5"/],
];

test('a driver that answers in a wrong shape is told so by the first call that meets it', async () => {
  for (const [given, message] of wrongAnswers) {
    await using store = documentStore(Object.assign(driver(), given) as never, { runtime });
    const leading = async () => {
      const session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
      await session.acquire('answers', { metadata: '', priority: 0 });
    };
    await assert.rejects(leading(), { code: 'invalid-argument', retryable: false, message });
  }
});

test('answers of a wrong shape to calls for many, removals and lists are told of', async () => {
  const calls = (given: object) => new DriverCalls(Object.assign(driver(), given) as never, runtime, 1000);
  const within = { signal: undefined, untilMs: 1000 };
  const key = { kind: 'session', name: 'ab'.repeat(16) } as const;
  const renewal = { key, text: '{}', replaces: 'v' };
  const refused: [Promise<unknown>, RegExp][] = [
    [calls({ readMany: async () => [undefined] }).readMany([key, key], within), /an array of 2, .+ one of 1/],
    [calls({ readMany: async () => [null, null] }).readMany([key, key], within), /document or undefined/],
    [calls({ renewMany: async () => [] }).renewMany([renewal], within), /an array of 1, .+ one of 0/],
    [calls({ renewMany: async () => [1] }).renewMany([renewal], within), /as a text .+ not 1/],
    [calls({ remove: async () => 1 }).remove(key, 'v', within), /remove must give true or false, not 1/],
    [calls({ list: async () => 'abc' }).list('', within), /list must give an array of texts, not "abc"/],
  ];
  for (const [call, message] of refused) await assert.rejects(call, { code: 'invalid-argument', message });
});
