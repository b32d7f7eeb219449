import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conformanceTests, losingAnswers } from '../conformance/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { memoryStore } from './memory.ts';

const runtime = manualRuntime();

function target() {
  const store = memoryStore({ runtime });
  return Promise.resolve({
    ...losingAnswers(store),
    passTime: (ms: number) => runtime.advance(ms),
    breakConnection: (holder: string) => store.breakConnections(holder),
    restoreConnection: (holder: string) => store.restoreConnections(holder),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  });
}

for (const { name, run } of conformanceTests(target, { runtime })) {
  test(`memory store: ${name}`, async (context) => {
    const { skipped } = await run();
    if (skipped !== undefined) context.skip(skipped);
  });
}

test('memory store: a lease is over at the first call after its time, even if no timer could fire', async () => {
  await using store = memoryStore({ runtime });
  const session = await store.openSession({ ttlMs: 1000, holder: 'a' });
  await session.acquire('n', { metadata: '', priority: 0 });
  const stalled = runtime.clock.stall(1000);
  assert.equal((await store.read('n')).leader, undefined);
  await stalled;
});

test('memory store: a closed store refuses calls and ends its watches', async () => {
  const store = memoryStore({ runtime });
  const watch = store.watch('n', { signal: new AbortController().signal })[Symbol.asyncIterator]();
  assert.equal((await watch.next()).done, false);
  const next = watch.next();
  await store[Symbol.asyncDispose]();
  await assert.rejects(next, { code: 'closed' });
  await assert.rejects(store.read('n'), { code: 'closed' });
  await assert.rejects(store.openSession({ ttlMs: 1000, holder: 'a' }), { code: 'closed' });
});
