import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sessionWith, storeWith } from '../conformance/wrapping.ts';
import { manualRuntime, settle } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { Candidate, type CandidateOptions } from './index.ts';

/** The store handles a request as late as `slowMs` says then: as behind a connection that is made anew. */
function setUp(options: CandidateOptions) {
  const runtime = manualRuntime();
  const memory = memoryStore({ runtime });
  const slowMs = { open: 0, renew: 0 };
  const opened: number[] = [];
  const renewed: { readonly sentMs: number; readonly answeredMs: number }[] = [];
  const nowMs = () => runtime.clock.monotonicMs();
  const wait = (ms: number) => new Promise<void>((resolve) => void runtime.timers.after(ms, resolve));
  const store = storeWith(memory, {
    openSession: async (more) => {
      if (slowMs.open > 0) await wait(slowMs.open);
      const session = await memory.openSession(more);
      opened.push(nowMs());
      return sessionWith(session, {
        renew: async () => {
          const sentMs = nowMs();
          const delayMs = slowMs.renew;
          if (delayMs > 0) await wait(delayMs);
          await session.renew();
          renewed.push({ sentMs, answeredMs: nowMs() });
        },
      });
    },
  });
  const candidate = new Candidate(store, 'n', { ttlMs: 1000, holder: 'one', runtime, ...options });
  return { runtime, slowMs, opened, renewed, candidate };
}

test('a session whose opening was answered with little of its lease left is renewed at once, and lives', async () => {
  const { runtime, slowMs, opened, renewed, candidate } = setUp({});
  await using one = candidate;
  slowMs.open = 950;
  const leadership = await settle(runtime, one.campaign());
  await runtime.advance(5000);
  leadership.assertHeld();
  assert.equal(opened.length, 1);
  assert.equal(renewed[0]?.sentMs, opened[0]);
  // Quick again: then as usual.
  assert(renewed.length <= 2 + 5000 / 300, `${renewed.length} renewals`);
});

test('after a late answer the next renewal is counted from when the request was sent', async () => {
  const { runtime, slowMs, opened, renewed, candidate } = setUp({});
  await using one = candidate;
  slowMs.open = 200;
  await settle(runtime, one.campaign());
  slowMs.open = 0;
  await runtime.advance(1000);
  const distanceMs = (renewed[0]?.sentMs ?? 0) - ((opened[0] ?? 0) - 200);
  assert(distanceMs >= 299 && distanceMs <= 368, `${distanceMs} ms`);
});

test('a store whose every answer is late, but comes, keeps a session alive, at no more requests', async () => {
  const { runtime, slowMs, renewed, candidate } = setUp({});
  await using one = candidate;
  slowMs.renew = 290;
  const leadership = await settle(runtime, one.campaign());
  await runtime.advance(10_000);
  leadership.assertHeld();
  assert(renewed.length >= 25 && renewed.length <= 34, `${renewed.length} renewals`);
});

test('while answers are quick, renewals keep their distance, however little that leaves', async () => {
  for (const renewEveryMs of [10, 330, 850]) {
    const { runtime, slowMs, opened, renewed, candidate } = setUp({ renewEveryMs });
    await using one = candidate;
    slowMs.renew = 1;
    const leadership = await settle(runtime, one.campaign());
    await runtime.advance(5000);
    leadership.assertHeld();
    let lastMs = opened[0] ?? 0;
    for (const { sentMs, answeredMs } of renewed) {
      const distance = (sentMs - lastMs) / renewEveryMs;
      assert(distance >= 0.89 && distance <= 1.11, `${distance} of ${renewEveryMs} ms`);
      lastMs = answeredMs;
    }
    assert(renewed.length > 0);
  }
});
