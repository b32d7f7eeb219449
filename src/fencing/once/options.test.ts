import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storeWith } from '../../conformance/wrapping.ts';
import { type LeaseStore, Session } from '../../election/index.ts';
import { ConclaveError, type ErrorCode } from '../../errors/index.ts';
import { manualRuntime } from '../../runtime/testing.ts';
import { memoryStore } from '../../stores/memory.ts';
import { once } from './index.ts';

const runtime = manualRuntime();
const store = memoryStore({ runtime });

/** Fails before it asks the store for anything, or runs anything. */
async function refuses(
  code: ErrorCode,
  message: RegExp,
  { id = 'a', options = {}, on = store }: { id?: unknown; options?: object; on?: LeaseStore },
): Promise<void> {
  let touched = 0;
  const touch = () => {
    touched += 1;
    return assert.fail('it had an effect');
  };
  const untouched = storeWith(on, { read: touch, openSession: touch, watch: touch });
  await assert.rejects(once(untouched, id as string, touch, { runtime, ...options }), (error: unknown) => {
    assert(ConclaveError.is(error, code), String(error));
    assert.match(error.message, message);
    assert.equal(error.outcome, 'not-applied');
    return true;
  });
  assert.equal(touched, 0);
}

test('operation ids that are empty, too long, no text, or hold control characters are refused', async () => {
  await refuses('invalid-argument', /is empty/, { id: '' });
  await refuses('too-large', /has 513 bytes; the limit is 512/, { id: 'x'.repeat(513) });
  await refuses('too-large', /has 514 bytes/, { id: 'ü'.repeat(257) });
  await refuses('invalid-argument', /must be a string, not number/, { id: 7 });
  await refuses('invalid-argument', /control character/, { id: 'a\nb' });
  await refuses('invalid-argument', /half a character/, { id: '\ud800' });
});

test('options out of their ranges are refused', async () => {
  for (const retainMs of [0, 999, Number.NaN, 367 * 86_400_000, '1 day']) {
    await refuses('invalid-argument', /retainMs must be/, { options: { retainMs } });
  }
  for (const resultLimitBytes of [0, 1.5, 1_048_577]) {
    await refuses('invalid-argument', /resultLimitBytes must be/, { options: { resultLimitBytes } });
  }
  await refuses('invalid-argument', /codec must be/, { options: { codec: { encode: () => {} } } });
  await refuses('invalid-argument', /isRetryable must be/, { options: { isRetryable: true } });
  await refuses('invalid-argument', /signal must be/, { options: { signal: {} } });
  await refuses('invalid-argument', /ttlMs must be/, { options: { ttlMs: 1 } });
  const session = new Session(memoryStore({ runtime }), { runtime });
  await refuses('invalid-argument', /belongs to another store/, { options: { session } });
  await assert.rejects(once(store, 'a', 'text' as never), { code: 'invalid-argument' });
});

test('an option that once does not know is refused by its name', async () => {
  await refuses('invalid-argument', /options of once must not contain "retainMS"\. Did you mean retainMs\?/, {
    options: { retainMS: 5000 },
  });
  await refuses('invalid-argument', /must not contain "nonsense"\. Known are .*codec/, {
    options: { nonsense: 1 },
  });
});

test('a codec whose results may exceed the limit is refused before anything runs', async () => {
  const codec = { encode: () => new Uint8Array(), decode: () => undefined, maxBytes: 100 };
  await refuses('too-large', /gives up to 100 bytes, and resultLimitBytes is 99/, {
    options: { codec, resultLimitBytes: 99 },
  });
});

test('a store that cannot forget takes no retention but for ever', async () => {
  const keeping = storeWith(memoryStore({ runtime }), {
    capabilities: { ...store.capabilities, recordsExpire: false },
  });
  await refuses('unsupported', /cannot forget records/, { on: keeping });
  await refuses('unsupported', /retainMs: Infinity/, { on: keeping, options: { retainMs: 5000 } });
  const retainMs = Number.POSITIVE_INFINITY;
  assert.equal(await once(keeping, 'a', () => 'kept', { runtime, retainMs }), 'kept');
});

test('a store that is advisory, or whose tokens do not survive deletion, is refused unless accepted in words', async () => {
  for (const weakness of [{ consistency: 'advisory' }, { tokenSurvivesDeletion: false }] as const) {
    const weak = storeWith(memoryStore({ runtime }), {
      capabilities: { ...store.capabilities, ...weakness },
    });
    await refuses('unsupported', /acceptAdvisory/, { on: weak });
    await refuses('invalid-argument', /acceptAdvisory must be a text/, {
      on: weak,
      options: { acceptAdvisory: ' ' },
    });
    const acceptAdvisory = 'a report that may be sent twice';
    assert.equal(await once(weak, 'a', () => 'sent', { runtime, acceptAdvisory }), 'sent');
  }
});
