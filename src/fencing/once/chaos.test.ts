import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sessionWith, storeWith } from '../../conformance/wrapping.ts';
import { type LeaseStore, Session } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type ManualRuntime, manualRuntime, SeededRandom } from '../../runtime/testing.ts';
import { memoryStore } from '../../stores/memory.ts';
import { type OnceContext, once } from './index.ts';
import { finalRecord } from './place.ts';

interface World {
  readonly runtime: ManualRuntime;
  readonly random: SeededRandom;
  isCalm: boolean;
}

const pause = (runtime: ManualRuntime, ms: number) =>
  new Promise<void>((resolve) => void runtime.timers.after(ms, resolve));

/** Of one process: calls are late, fail before or after they were carried out, or never answer; or it is paused. */
function unreliable(world: World, store: LeaseStore): LeaseStore {
  const { runtime, random } = world;
  let pausedUntilMs = 0;
  const fail = (outcome: 'unknown' | 'not-applied') =>
    new ConclaveError('unavailable', 'The store is shaky.', { retryable: true, outcome });
  const shaky = async <T>(call: () => Promise<T>): Promise<T> => {
    if (world.isCalm) return await call();
    if (random.unit() < 0.02) pausedUntilMs = runtime.clock.monotonicMs() + 2500;
    await pause(runtime, pausedUntilMs - runtime.clock.monotonicMs());
    const fate = random.unit();
    if (fate < 0.06) throw fail('not-applied');
    if (fate < 0.12) await pause(runtime, random.below(3000));
    const value = await call();
    if (fate > 0.93) throw fail('unknown');
    if (fate > 0.9) await new Promise(() => {});
    if (fate > 0.6) await pause(runtime, random.below(300));
    return value;
  };
  return storeWith(store, {
    read: (name, options) => shaky(() => store.read(name, options)),
    watch: async function* (name, options) {
      for await (const state of store.watch(name, options)) {
        if (!world.isCalm && random.unit() < 0.1) throw fail('not-applied');
        yield state;
      }
    },
    openSession: (options) =>
      shaky(async () => {
        const session = await store.openSession(options);
        return sessionWith(session, {
          renew: (more) => shaky(() => session.renew(more)),
          acquire: (name, more) => shaky(() => session.acquire(name, more)),
          release: (name, token, more) => shaky(() => session.release(name, token, more)),
          withdraw: (name, more) => shaky(() => session.withdraw(name, more)),
          writeRecord: (name, token, record, more) =>
            shaky(() => session.writeRecord(name, token, record, more)),
        });
      }),
  });
}

/** What one life of several processes came to. */
class Life {
  readonly world: World;
  readonly ids = Array.from({ length: 20 }, (_, place) => `operation ${place}`);
  /** By operation: what its callers were told, where that was final. */
  readonly told = new Map<string, Set<string>>();
  /** Effects by idempotency key; the second with a key is the first. */
  readonly effects = new Map<string, number>();
  readonly final = new Map<string, string>();
  calls = 0;
  runs = 0;
  lost = 0;

  constructor(world: World) {
    this.world = world;
  }

  async operation({ operationId, signal, token, attempt }: OnceContext) {
    const { runtime, random, isCalm } = this.world;
    this.runs += 1;
    const run = this.runs;
    if (!isCalm) await pause(runtime, random.below(random.unit() < 0.4 ? 4000 : 200));
    if (!this.effects.has(operationId)) this.effects.set(operationId, run);
    if (!isCalm) await pause(runtime, random.below(200));
    if (signal.aborted && random.unit() < 0.5) throw signal.reason;
    if (!isCalm && random.unit() < 0.2) throw new ConclaveError('unavailable', 'Again.', { retryable: true });
    if (random.unit() < 0.2) throw new Error(`declined in run ${run}`);
    return { run, token, attempt, effect: this.effects.get(operationId) };
  }

  async call(store: LeaseStore, id: string, options: object): Promise<void> {
    this.calls += 1;
    const tell = (text: string) => {
      const told = this.told.get(id) ?? new Set();
      this.told.set(id, told.add(text));
    };
    await once(store, id, (context) => this.operation(context), options).then(
      (value) => tell(JSON.stringify(value)),
      (error: unknown) => {
        if (error instanceof Error && error.message.startsWith('declined')) return tell(error.message);
        assert(ConclaveError.is(error), String(error));
        assert(error.retryable || error.code === 'aborted' || error.code === 'not-leading', String(error));
        if (error.code === 'lease-lost') this.lost += 1;
      },
    );
  }

  /** What is final in the store stays as it is. */
  async look(store: LeaseStore): Promise<void> {
    for (const id of this.ids) {
      const { record } = await store.read(`once/${id}`);
      const final = finalRecord(id, record);
      const text = final && new TextDecoder().decode(final);
      const before = this.final.get(id);
      if (before !== undefined) assert.equal(text, before, `another outcome of ${id} was recorded`);
      if (text !== undefined) this.final.set(id, text);
    }
  }
}

async function live(seed: number): Promise<Life> {
  const runtime = manualRuntime({ seed });
  const world = { runtime, random: new SeededRandom(seed), isCalm: false };
  const { random } = world;
  const memory = memoryStore({ runtime });
  const life = new Life(world);
  let stopped = false;
  const processes = ['p', 'q', 'r', 's'].map(async (holder, place) => {
    const store = unreliable(world, memory);
    const options = { runtime, ttlMs: 1000, holder };
    await using session = new Session(store, options);
    const loops = [1, 2].map(async () => {
      while (!stopped) {
        const give = new AbortController();
        const giveUp = runtime.timers.after(random.below(20_000), () => give.abort());
        const asked = place % 2 === 0 ? { session } : options;
        const newest = Math.floor(runtime.clock.monotonicMs() / 700);
        const id = life.ids[Math.min(life.ids.length - 1, newest + random.below(3))] as string;
        await life.call(store, id, { ...asked, signal: give.signal });
        giveUp.cancel();
        await pause(runtime, 50 + random.below(500));
      }
    });
    await Promise.all(loops);
  });
  for (let step = 0; step < 500; step++) {
    await runtime.advance(random.below(60));
    await life.look(memory);
  }
  world.isCalm = true;
  stopped = true;
  let ended = false;
  const all = Promise.all(processes).then(() => {
    ended = true;
  });
  for (let step = 0; step < 2000 && !ended; step++) await runtime.advance(100);
  assert(ended, 'a caller waits for ever');
  await all;
  for (const id of life.ids) {
    const last = life.call(memory, id, { runtime, ttlMs: 1000 });
    await runtime.advance(5000);
    await last;
  }
  await life.look(memory);
  await runtime.advance(5000);
  for (const id of life.ids) {
    assert.equal(life.told.get(id)?.size, 1, `${id}: ${[...(life.told.get(id) ?? [])].join(' and ')}`);
    assert(life.effects.has(id));
    const { leader, waiting } = await memory.read(`once/${id}`);
    assert.deepEqual([leader, waiting], [undefined, []]);
  }
  return life;
}

test('whatever befalls processes and store: one outcome is recorded, all callers get it, and calm brings one', async (context) => {
  const lives = 15;
  const sums = { calls: 0, runs: 0, lost: 0 };
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async (seed) => {
      const { calls, runs, lost } = await live(seed);
      sums.calls += calls;
      sums.runs += runs;
      sums.lost += lost;
    }),
    { numRuns: lives },
  );
  context.diagnostic(JSON.stringify(sums));
  assert(sums.runs > lives * 20, 'operations were taken over');
  assert(sums.lost > 0, 'owners lost their leadership while they ran');
});
