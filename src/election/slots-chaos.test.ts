import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { shakyStore } from '../conformance/shaky.ts';
import { ConclaveError } from '../errors/index.ts';
import { type ManualRuntime, manualRuntime, SeededRandom } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { type Lock, readWriteLock, Session, semaphore } from './index.ts';
import type { LeaseStore } from './store.ts';

interface Holding {
  readonly held: Lock;
  readonly exclusive: boolean;
  readonly index: number | undefined;
}

/** Passes `assertHeld()` now. */
function isValid({ held }: Holding): boolean {
  try {
    held.assertHeld();
    return true;
  } catch {
    return false;
  }
}

class World {
  readonly runtime: ManualRuntime;
  readonly random: SeededRandom;
  readonly memory: LeaseStore;
  readonly holding = new Set<Holding>();
  readonly stop = new AbortController();
  isCalm = false;
  /** Who held it since the calm began. */
  readonly served = new Set<string>();
  readonly #check: (valid: readonly Holding[]) => void;

  constructor(seed: number, check: (valid: readonly Holding[]) => void) {
    this.runtime = manualRuntime({ seed });
    this.random = new SeededRandom(seed);
    this.memory = memoryStore({ runtime: this.runtime });
    this.#check = check;
  }

  /** Comes, gives up or holds for a while, again and again. */
  async visitor(
    holder: string,
    take: (store: LeaseStore, holder: string, signal: AbortSignal, session?: Session) => Promise<Holding>,
  ): Promise<void> {
    const { runtime, random } = this;
    const store = shakyStore(this.memory, runtime, random, () => this.isCalm);
    const session = holder > 'c' ? undefined : new Session(store, { ttlMs: 1000, holder, runtime });
    const pause = (ms: number) => new Promise<void>((resolve) => void runtime.timers.after(ms, resolve));
    for (let visit = 0; !this.stop.signal.aborted; visit++) {
      const give = new AbortController();
      const giveUp = runtime.timers.after(this.isCalm ? 1e9 : random.below(15_000), () => give.abort());
      const signal = AbortSignal.any([this.stop.signal, give.signal]);
      const holding = await take(store, session ? holder : `${holder}${visit}`, signal, session).catch(
        (error: unknown) => {
          assert(ConclaveError.is(error, 'aborted'), String(error));
          return undefined;
        },
      );
      giveUp.cancel();
      if (holding === undefined) continue;
      this.holding.add(holding);
      await pause(random.below(600));
      if (this.isCalm && isValid(holding)) this.served.add(holder);
      this.holding.delete(holding);
      await holding.held.release();
    }
    await session?.[Symbol.asyncDispose]();
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      if (!this.isCalm && this.random.unit() < 0.01) await this.runtime.clock.stall(this.random.below(1500));
      else await this.runtime.advance(this.random.below(60));
      this.#check([...this.holding].filter(isValid));
    }
  }

  /** Trouble, then calm, in which all must be served again, and then an end that leaves nothing. */
  async play(visitors: readonly Promise<void>[]): Promise<void> {
    await this.run(500);
    this.isCalm = true;
    for (let round = 0; round < 20 && this.served.size < visitors.length; round++) await this.run(100);
    assert.equal(this.served.size, visitors.length, `in the calm only ${[...this.served]} were served`);
    this.stop.abort();
    let isDone = false;
    void Promise.all(visitors).then(() => {
      isDone = true;
    });
    for (let step = 0; step < 60 && !isDone; step++) await this.runtime.advance(500);
    assert(isDone, 'all stopped');
    await this.runtime.advance(3000);
    const end = new AbortController();
    for await (const states of this.memory.watchAll?.('', { signal: end.signal }) ?? []) {
      for (const [name, { leader, waiting }] of states)
        assert.deepEqual([name, leader, waiting], [name, undefined, []]);
      break;
    }
    end.abort();
  }
}

const seeds = fc.integer({ min: 1, max: 2 ** 31 });

test('whatever a store does: never more hold permits than there are, tokens rise, and calm serves all', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, fc.integer({ min: 1, max: 3 }), async (seed, permits) => {
      const highest = new Map<number, number>();
      const world = new World(seed, (valid) => {
        assert(valid.length <= permits, `${valid.length} hold one of ${permits} permits`);
        assert.equal(new Set(valid.map(({ index }) => index)).size, valid.length, 'one permit is held twice');
      });
      const visitors = ['a', 'b', 'c', 'd', 'e', 'f'].map((holder) =>
        world.visitor(holder, async (store, as, signal, session) => {
          const options = { permits, ttlMs: 1000, holder: as, runtime: world.runtime, signal };
          const held = await semaphore(store, 's', { ...options, ...(session && { session }) });
          assert(held.token > (highest.get(held.index) ?? -1), 'the tokens of one index rise');
          highest.set(held.index, held.token);
          return { held, exclusive: false, index: held.index };
        }),
      );
      await world.play(visitors);
    }),
    { numRuns: 10 },
  );
});

test('whatever a store does: a writer is alone, its token is above all before, and calm serves all', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      let highest = -1;
      const world = new World(seed, (valid) => {
        const writers = valid.filter(({ exclusive }) => exclusive).length;
        assert(writers === 0 || valid.length === 1, `${writers} write among ${valid.length}`);
        assert(valid.length <= 3);
      });
      const visitors = ['a', 'b', 'c', 'd', 'e', 'f'].map((holder) =>
        world.visitor(holder, async (store, as, signal, session) => {
          const mode = world.random.unit() < 0.4 ? 'write' : 'read';
          const options = {
            mode,
            maxReaders: 3,
            ttlMs: 1000,
            holder: as,
            runtime: world.runtime,
            signal,
          } as const;
          const held = await readWriteLock(store, 'c', { ...options, ...(session && { session }) });
          if (mode === 'write') assert(held.token > highest, 'the token of a writer is the highest yet');
          highest = Math.max(highest, held.token);
          return { held, exclusive: mode === 'write', index: undefined };
        }),
      );
      await world.play(visitors);
    }),
    { numRuns: 10 },
  );
});
