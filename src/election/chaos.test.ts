import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { shakyStore } from '../conformance/shaky.ts';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime, SeededRandom } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { Candidate, type Leadership } from './index.ts';

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
        const store = shakyStore(memory, runtime, random, () => isCalm);
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
