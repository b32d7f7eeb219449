import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Candidate, type Leadership, observe, Session } from '../../election/index.ts';
import type { ElectionState, LeaseStore } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type ManualRuntime, manualRuntime, SeededRandom } from '../../runtime/testing.ts';
import type { DocumentDriver } from './driver.ts';
import { documentStore } from './index.ts';
import { MemoryService } from './testing.ts';

const name = 'n';
const ttlMs = 1000;

/** Requests are slow, fail, are carried out unanswered, much later than they were given up, or twice. */
function shakyDriver(service: MemoryService, runtime: ManualRuntime, calm: () => boolean): DocumentDriver {
  const { random, timers } = runtime;
  const driver = service.driver();
  const pause = (ms: number) => new Promise<void>((resolve) => void timers.after(ms, resolve));
  const fail = (outcome: 'unknown' | 'not-applied') =>
    new ConclaveError('unavailable', 'The service is shaky.', { retryable: true, outcome });
  const read = async <T>(call: () => T): Promise<T> => {
    if (calm()) {
      await pause(random.below(5));
      return call();
    }
    await pause(random.below(80));
    const fate = random.unit();
    if (fate < 0.04) throw fail('not-applied');
    if (fate < 0.06) await new Promise(() => {});
    const value = call();
    await pause(random.below(fate < 0.1 ? 1500 : 40));
    return value;
  };
  const write = async <T>(call: () => T): Promise<T> => {
    if (calm()) {
      await pause(random.below(5));
      return call();
    }
    const fate = random.unit();
    if (fate < 0.05) throw fail('not-applied');
    await pause(random.below(fate < 0.12 ? 1500 : 60));
    if (fate < 0.18) timers.after(random.below(fate < 0.16 ? 800 : 4000), call);
    if (fate < 0.15) throw fail('unknown');
    if (fate < 0.18) await new Promise(() => {});
    const value = call();
    // Repeated by something on the way.
    if (fate > 0.9) timers.after(random.below(3000), call);
    if (fate > 0.8 && fate < 0.87) throw fail('unknown');
    await pause(random.below(40));
    return value;
  };
  driver.read = (key) => read(() => service.read(key));
  driver.write = (key, text, options) => write(() => service.write(key, text, options));
  driver.remove = (key, version) => write(() => service.remove(key, version));
  if (driver.readMany) driver.readMany = (keys) => read(() => keys.map((key) => service.read(key)));
  if (driver.renewMany) {
    driver.renewMany = (renewals) =>
      write(() => renewals.map(({ key, text, ...rest }) => service.write(key, text, rest)));
  }
  const { changes, list } = driver;
  if (list) driver.list = (prefix, bounds) => list(prefix, bounds);
  if (changes) {
    driver.changes = async function* (signal) {
      for await (const change of changes.call(driver, signal)) {
        if (!calm() && random.unit() < 0.02) throw fail('not-applied');
        yield change;
      }
    };
  }
  return driver;
}

class Scene {
  readonly runtime: ManualRuntime;
  readonly random: SeededRandom;
  readonly service: MemoryService;
  readonly stop = new AbortController();
  readonly holding = new Map<string, Leadership>();
  readonly stores: LeaseStore[] = [];
  readonly shown = new Map<string, number | undefined>();
  isCalm = false;
  highest = -1;

  constructor(seed: number) {
    this.runtime = manualRuntime({ seed });
    this.random = new SeededRandom(seed + 1);
    const coin = () => this.random.unit() < 0.5;
    this.service = new MemoryService({
      runtime: this.runtime,
      ownsClock: coin(),
      tells: coin(),
      many: coin(),
      tellsLed: coin(),
    });
  }

  store(): LeaseStore {
    const runtime = this.runtime.another(this.random.below(2 ** 30));
    const driver = shakyDriver(this.service, runtime, () => this.isCalm);
    const store = documentStore(driver, { runtime, pollMs: 100, timeoutMs: 2000 });
    this.stores.push(store);
    return store;
  }

  async lead(holder: string, store: LeaseStore, session?: Session): Promise<void> {
    const { runtime, random, stop } = this;
    const priority = random.below(2);
    const options = session ? { session } : { ttlMs, holder };
    const candidate = new Candidate(store, name, { ...options, priority, runtime });
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
      assert(leadership.token > this.highest, `token ${leadership.token} came after ${this.highest}`);
      this.highest = leadership.token;
      this.holding.set(holder, leadership);
      await leadership.ended;
      this.holding.delete(holder);
    }
    await candidate[Symbol.asyncDispose]();
    await session?.[Symbol.asyncDispose]();
  }

  async watch(who: string, store: LeaseStore): Promise<void> {
    const { runtime, stop } = this;
    for await (const leader of observe(store, name, { signal: stop.signal, runtime })) {
      this.shown.set(who, leader?.token);
    }
  }

  /** As the feed of partitions does: what is of a lower version is no news. */
  async watchAll(who: string, store: LeaseStore): Promise<void> {
    const { runtime, stop } = this;
    let last: ElectionState | undefined;
    while (!stop.signal.aborted) {
      try {
        for await (const states of store.watchAll?.('', { signal: stop.signal }) ?? []) {
          const state = states.get(name);
          if (state === undefined || state.version < (last?.version ?? -1)) continue;
          last = state;
          this.shown.set(who, state.leader?.token);
        }
      } catch (error) {
        assert(ConclaveError.is(error) && error.retryable, String(error));
      }
      await new Promise<void>((resolve) => void runtime.timers.after(50, resolve));
    }
  }

  leaders(): Leadership[] {
    return [...this.holding.values()].filter((leadership) => {
      try {
        leadership.assertHeld();
        return true;
      } catch {
        return false;
      }
    });
  }

  async run(steps: number): Promise<void> {
    const { runtime, random } = this;
    for (let step = 0; step < steps; step++) {
      if (!this.isCalm && random.unit() < 0.01) await runtime.clock.stall(random.below(1500));
      else await runtime.advance(random.below(60));
      const [leader, other] = this.leaders();
      assert.equal(other, undefined, 'two lead at once');
      if (random.unit() < 0.01) void leader?.resign();
      if (random.unit() < 0.01) void leader?.handOff('abcdef'.charAt(random.below(6))).catch(() => {});
    }
  }

  assertShown(): void {
    const [leader] = this.leaders();
    assert(leader !== undefined, 'nobody leads');
    for (const [who, token] of this.shown) assert.equal(token, leader.token, `${who} sees it`);
  }
}

test('whatever a service does to requests: never two leaders, tokens rise, and calm brings a leader whom all see', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 - 2 }), async (seed) => {
      const scene = new Scene(seed);
      const [one, two] = [scene.store(), scene.store()];
      const { runtime } = scene;
      const shared = (holder: string) => new Session(two, { ttlMs, holder, runtime });
      const work = [
        scene.lead('a', one),
        scene.lead('b', one),
        scene.lead('c', two),
        scene.lead('d', scene.store()),
        scene.lead('e', two, shared('e')),
        scene.lead('f', scene.store()),
        scene.watch('an observer', scene.store()),
      ];
      if (one.watchAll !== undefined) work.push(scene.watchAll('who watches all', scene.store()));
      let failed: unknown;
      for (const part of work) {
        part.catch((error: unknown) => {
          failed ??= error;
        });
      }
      await scene.run(500);
      scene.isCalm = true;
      await runtime.advance(20_000);
      assert.equal(failed, undefined);
      scene.assertShown();
      const before = scene.highest;
      await Promise.race([scene.leaders()[0]?.resign(), runtime.advance(5000)]);
      await runtime.advance(5000);
      scene.assertShown();
      assert(scene.highest > before);
      await runtime.advance(15_000);
      scene.assertShown();
      scene.stop.abort();
      void scene.leaders()[0]?.resign();
      let done = false;
      void Promise.all(work).then(() => {
        done = true;
      });
      await runtime.advance(15_000);
      assert.equal(failed, undefined);
      assert(done);
      const reading = scene.stores[0]?.read(name);
      await runtime.advance(1000);
      const state = await reading;
      assert.deepEqual([state?.leader, state?.waiting], [undefined, []]);
      const closing = Promise.all(scene.stores.map((store) => store[Symbol.asyncDispose]()));
      await runtime.advance(10_000);
      await closing;
    }),
    { numRuns: 6 },
  );
});
