import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sessionWith, storeWith } from '../conformance/wrapping.ts';
import { ConclaveError } from '../errors/index.ts';
import { type ManualRuntime, manualRuntime, SeededRandom } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { Candidate, type Leadership } from './index.ts';
import type { LeaseStore } from './store.ts';

/** Calls are late, fail before or after they were carried out, or hang; `calm` ends that. */
function unreliable(
  store: LeaseStore,
  runtime: ManualRuntime,
  random: SeededRandom,
  calm: () => boolean,
): LeaseStore {
  const pause = (ms: number) => new Promise<void>((resolve) => void runtime.timers.after(ms, resolve));
  const fail = (outcome: 'unknown' | 'not-applied') =>
    new ConclaveError('unavailable', 'The store is shaky.', { retryable: true, outcome });
  const shaky = async <T>(call: () => Promise<T>): Promise<T> => {
    if (calm()) return await call();
    const fate = random.unit();
    if (fate < 0.1) throw fail('not-applied');
    if (fate < 0.15) await pause(random.below(3000));
    const value = await call();
    if (fate > 0.9) throw fail('unknown');
    if (fate > 0.85) await new Promise(() => {});
    if (fate > 0.6) await pause(random.below(400));
    return value;
  };
  return storeWith(store, {
    // Without the watch over its own leadership, which would hide a lease that is trusted for too long.
    capabilities: { ...store.capabilities, watch: 'poll' },
    read: (name, options) => shaky(() => store.read(name, options)),
    openSession: (options) =>
      shaky(async () => {
        const session = await store.openSession(options);
        return sessionWith(session, {
          renew: (more) => shaky(() => session.renew(more)),
          acquire: (name, more) => shaky(() => session.acquire(name, more)),
          release: (name, token, more) => shaky(() => session.release(name, token, more)),
          transfer: (name, token, to, more) => shaky(() => session.transfer(name, token, to, more)),
          withdraw: (name, more) => shaky(() => session.withdraw(name, more)),
          writeRecord: (name, token, record, more) =>
            shaky(() => session.writeRecord(name, token, record, more)),
        });
      }),
  });
}

test('whatever a store does to its calls: never two leaders, tokens rise, and calm brings a leader again', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async (seed) => {
      const runtime = manualRuntime({ seed });
      const random = new SeededRandom(seed);
      const memory = memoryStore({ runtime });
      const stop = new AbortController();
      const holding = new Map<string, Leadership>();
      let isCalm = false;
      let highest = -1;
      const loops = ['a', 'b', 'c', 'd'].map(async (holder) => {
        const store = unreliable(memory, runtime, random, () => isCalm);
        const graceMs = holder === 'd' ? 300 : 0;
        const candidate = new Candidate(store, 'n', { ttlMs: 1000, holder, graceMs, runtime });
        while (!stop.signal.aborted) {
          const give = new AbortController();
          const giveUp = runtime.timers.after(random.below(20_000), () => give.abort());
          const signal = AbortSignal.any([stop.signal, give.signal]);
          const leadership = await candidate.campaign({ signal }).catch((error: unknown) => {
            assert(ConclaveError.is(error, 'aborted'), String(error));
            return undefined;
          });
          giveUp.cancel();
          if (leadership === undefined) continue;
          assert(leadership.token > highest, `token ${leadership.token} came after ${highest}`);
          highest = leadership.token;
          holding.set(holder, leadership);
          await leadership.ended;
          holding.delete(holder);
        }
        await candidate[Symbol.asyncDispose]();
      });
      const leaders = () =>
        [...holding.values()].filter((leadership) => {
          try {
            leadership.assertHeld();
            return true;
          } catch {
            return false;
          }
        });
      const run = async (steps: number) => {
        for (let step = 0; step < steps; step++) {
          const ms = random.below(60);
          if (!isCalm && random.unit() < 0.01) await runtime.clock.stall(random.below(1500));
          else await runtime.advance(ms);
          const [leader, other] = leaders();
          assert.equal(other, undefined, 'two lead at once');
          if (random.unit() < 0.01) void leader?.resign();
          if (random.unit() < 0.01) void leader?.handOff('abcd'.charAt(random.below(4))).catch(() => {});
        }
      };
      await run(600);
      isCalm = true;
      await run(200);
      const before = highest;
      await leaders()[0]?.resign();
      await runtime.advance(5000);
      assert.equal(leaders().length, 1);
      assert(highest > before);
      stop.abort();
      void leaders()[0]?.resign();
      let done = false;
      void Promise.all(loops).then(() => {
        done = true;
      });
      await runtime.advance(15_000);
      assert(done);
      const { leader, waiting } = await memory.read('n');
      assert.deepEqual([leader, waiting], [undefined, []]);
    }),
    { numRuns: 15 },
  );
});
