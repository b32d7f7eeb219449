import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { steppingDisk } from '../../test/fencing/stepping-disk.ts';
import { ConclaveError } from '../errors/index.ts';
import { type ManualRuntime, manualRuntime, SeededRandom } from '../runtime/testing.ts';
import { fileGateStorage, type GateStorage, memoryGateStorage, tokenGate } from './index.ts';

const leader = (token: number, name = 'jobs') => ({ leadership: { name, token, assertHeld() {} } });
const nothing = () => {};

const storages: readonly {
  readonly name: string;
  make(runtime: ManualRuntime, options?: { maxResources: number }): Promise<GateStorage>;
}[] = [
  { name: 'in memory', make: async (_, options) => memoryGateStorage(options) },
  {
    name: 'on disk',
    make: async (runtime, options) => {
      await runtime.disk.makeFolder('/data');
      return fileGateStorage('/data/gate', { runtime, ...options });
    },
  },
];

for (const { name, make } of storages) {
  const setUp = async (options?: { maxResources: number }) => {
    const runtime = manualRuntime();
    const storage = await make(runtime, options);
    return { runtime, storage, gate: tokenGate({ storage, runtime }) };
  };

  test(`${name}: the highest token of each resource counts, and lower ones are refused`, async () => {
    const { gate, storage } = await setUp();
    await gate.admit('a', leader(5));
    await gate.admit('a', leader(5));
    await gate.admit('a', leader(7));
    const stale = { code: 'stale-token', details: { token: 6, highestToken: 7 } };
    await assert.rejects(gate.admit('a', leader(6)), stale);
    await assert.rejects(gate.guard('a', leader(6), assert.fail), stale);
    await gate.admit('b', leader(1));
    await gate.admit('../../a', leader(1));
    assert.equal((await storage.load('a'))?.token, 7);
    assert.equal(await storage.load('c'), undefined);
  });

  test(`${name}: tokens of another election are refused, and a bare token takes part`, async () => {
    const { gate } = await setUp();
    await gate.admit('a', { token: 5 });
    await gate.admit('a', leader(5));
    await gate.admit('a', { token: 6 });
    await assert.rejects(gate.admit('a', leader(9, 'reports')), { code: 'failed-precondition' });
    await assert.rejects(gate.admit('a', { token: 5 }), { code: 'stale-token' });
  });

  test(`${name}: a store on an entry that has changed stores nothing`, async () => {
    const { storage } = await setUp();
    assert.equal(await storage.store('a', { token: 1, election: '' }, 0), true);
    assert.equal(await storage.store('a', { token: 2, election: '' }, 0), false);
    const first = await storage.load('a');
    assert.equal(await storage.store('a', { token: 3, election: '' }, first?.revision ?? 0), true);
    assert.equal(await storage.store('a', { token: 4, election: '' }, first?.revision ?? 0), false);
    assert.equal((await storage.load('a'))?.token, 3);
  });

  test(`${name}: the number of resources is bounded, and those there are go on`, async () => {
    const { gate } = await setUp({ maxResources: 2 });
    await gate.admit('a', leader(1));
    await gate.admit('b', leader(1));
    await assert.rejects(gate.admit('c', leader(1)), { code: 'too-large', message: /maxResources/ });
    await gate.admit('a', leader(2));
  });

  test(`${name}: of admissions at once no token passes after a higher one has`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async (seed) => {
        const { storage, runtime } = await setUp();
        const random = new SeededRandom(seed);
        let highest = 0;
        const admitting = Array.from({ length: 12 }, async () => {
          const gate = tokenGate({ storage: unsteady(storage, random), runtime });
          const token = 1 + random.below(6);
          const before = highest;
          try {
            await gate.admit('a', leader(token));
            assert(token >= before, `${token} came in, and ${before} had been before it began`);
            highest = Math.max(highest, token);
          } catch (error) {
            assert(ConclaveError.is(error, 'stale-token'), String(error));
            assert(((await storage.load('a'))?.token ?? 0) > token);
          }
        });
        await Promise.all(admitting);
        assert.equal((await storage.load('a'))?.token, highest);
      }),
      { numRuns: 40 },
    );
  });

  test(`${name}: effects through one gate never overlap with those of another token, nor come after a newer one's`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async (seed) => {
        const { storage, runtime } = await setUp();
        const random = new SeededRandom(seed);
        const gate = tokenGate({ storage: unsteady(storage, random), runtime });
        const inside: number[] = [];
        let highest = 0;
        let effects = 0;
        const guarding = Array.from({ length: 14 }, async () => {
          const token = 1 + random.below(5);
          await turns(random.below(30));
          const effect = async () => {
            assert(token >= highest, `${token} after ${highest}`);
            highest = token;
            inside.push(token);
            assert(
              inside.every((other) => other === token),
              inside.join(),
            );
            await turns(random.below(20));
            inside.splice(inside.indexOf(token), 1);
            effects += 1;
          };
          await gate.guard('a', leader(token), effect).catch((error: unknown) => {
            assert(ConclaveError.is(error, 'stale-token'), String(error));
          });
        });
        await Promise.all(guarding);
        assert(effects > 0);
      }),
      { numRuns: 40 },
    );
  });
}

/** A storage that hesitates before and after each call. */
function unsteady(storage: GateStorage, random: SeededRandom): GateStorage {
  const around = async <T>(call: () => Promise<T>): Promise<T> => {
    await turns(random.below(6));
    const result = await call();
    await turns(random.below(6));
    return result;
  };
  return {
    load: (resource) => around(() => storage.load(resource)),
    store: (...parts) => around(() => storage.store(...parts)),
  };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await setImmediate();
}

test('effects of one token run side by side, and of other resources too', async () => {
  const gate = tokenGate({ storage: memoryGateStorage(), runtime: manualRuntime() });
  const both = Promise.withResolvers<void>();
  let inside = 0;
  const effect = () => {
    inside += 1;
    if (inside === 3) both.resolve();
    return both.promise;
  };
  await Promise.all([
    gate.guard('a', leader(1), effect),
    gate.guard('a', leader(1), effect),
    gate.guard('b', leader(2), effect),
  ]);
});

test('a newer leader waits for older effects no longer than waitMs, or until its signal aborts', async () => {
  const runtime = manualRuntime();
  const gate = tokenGate({ storage: memoryGateStorage(), runtime, waitMs: 500 });
  const passage = await gate.enter('a', leader(1));
  const waiting = gate.guard('a', leader(2), assert.fail);
  waiting.catch(nothing);
  await runtime.advance(499);
  await runtime.advance(1);
  await assert.rejects(waiting, { code: 'timeout', retryable: true, outcome: 'not-applied' });
  const stop = new AbortController();
  const stopped = gate.guard('a', leader(2), assert.fail, { signal: stop.signal });
  stopped.catch(nothing);
  await runtime.advance(1);
  stop.abort();
  await assert.rejects(stopped, { code: 'aborted' });
  await assert.rejects(gate.admit('a', leader(1)), { code: 'stale-token' });
  passage.leave();
  passage.leave();
  assert.equal(await gate.guard('a', leader(2), () => 'done'), 'done');
});

test('a newer token that came through another process during an effect is told of', async () => {
  const [storage, runtime] = [memoryGateStorage(), manualRuntime()];
  const [one, other] = [tokenGate({ storage, runtime }), tokenGate({ storage, runtime })];
  await assert.rejects(
    one.guard('a', leader(1), () => other.guard('a', leader(2), nothing)),
    { code: 'stale-token', outcome: 'unknown' },
  );
});

test('one that came through another process while an effect waited stops it before it begins', async () => {
  const [storage, runtime] = [memoryGateStorage(), manualRuntime()];
  const gate = tokenGate({ storage, runtime });
  const older = await gate.enter('a', leader(1));
  const waiting = gate.guard('a', leader(2), assert.fail);
  waiting.catch(nothing);
  await turns(5);
  await tokenGate({ storage, runtime }).admit('a', leader(3));
  older.leave();
  await assert.rejects(waiting, { code: 'stale-token', outcome: 'not-applied' });
});

test('an effect that fails lets the next one in, and its error through', async () => {
  const gate = tokenGate({ storage: memoryGateStorage(), runtime: manualRuntime() });
  const failing = gate.guard('a', leader(1), () => {
    throw new RangeError('own');
  });
  await assert.rejects(failing, RangeError);
  await gate.guard('a', leader(2), nothing);
});

test('wrong arguments and tokens that cannot fence are refused before the storage is asked', async () => {
  const storage: GateStorage = { load: assert.fail, store: assert.fail };
  const gate = tokenGate({ storage, runtime: manualRuntime() });
  for (const resource of ['', '\ud800', 7 as never]) {
    await assert.rejects(gate.admit(resource, leader(1)), { code: 'invalid-argument' });
  }
  await assert.rejects(gate.admit('é'.repeat(257), leader(1)), { code: 'too-large' });
  for (const token of [-1, 0.5, 2 ** 60]) {
    await assert.rejects(gate.guard('a', { token }, nothing), { code: 'invalid-argument' });
  }
  const unfit = { leadership: { ...leader(1).leadership, tokenSurvivesDeletion: false } };
  await assert.rejects(gate.admit('a', unfit), { code: 'unsupported' });
  await assert.rejects(gate.guard('a', unfit, nothing), { code: 'unsupported' });
  for (const effect of [undefined, 'open'] as never[]) {
    await assert.rejects(gate.guard('a', leader(1), effect), { code: 'invalid-argument' });
  }
  await assert.rejects(gate.admit('a', undefined as never), { code: 'invalid-argument' });
  assert.throws(() => tokenGate(undefined as never), { code: 'invalid-argument' });
  assert.throws(() => tokenGate({ storage: {} as never }), { code: 'invalid-argument' });
  assert.throws(() => tokenGate({ storage, waitMs: -1 }), { code: 'invalid-argument' });
  assert.throws(() => memoryGateStorage({ maxResources: 0 }), { code: 'invalid-argument' });
  assert.throws(() => fileGateStorage('', {}), { code: 'invalid-argument' });
});

test('on disk: what was let in survives a crash at any operation, and damage lets nobody in', async () => {
  for (let at = 1; at < 70; at++) {
    const runtime = manualRuntime({ seed: at });
    await runtime.disk.makeFolder('/data');
    await runtime.disk.syncFolder('/');
    let dead = false;
    const crashed = Promise.withResolvers<void>();
    const crashAt = runtime.disk.operations + at;
    runtime.disk.onOperation = () => {
      if (runtime.disk.operations !== crashAt) return;
      runtime.disk.crash({ keeps: 'some' });
      dead = true;
      crashed.resolve();
    };
    let admitted = 0;
    const life = async () => {
      const disk = steppingDisk(runtime.disk, async () => {
        if (dead) await new Promise(nothing);
      });
      const gate = tokenGate({ storage: fileGateStorage('/data/gate', { runtime: { ...runtime, disk } }) });
      for (let token = 1; token <= 20; token++) {
        await gate.admit('a', leader(token));
        admitted = token;
      }
    };
    await Promise.race([crashed.promise, life()]);
    runtime.disk.onOperation = undefined;
    const storage = fileGateStorage('/data/gate', { runtime });
    const gate = tokenGate({ storage, runtime });
    if (admitted > 0) await assert.rejects(gate.admit('a', leader(admitted - 1)), { code: 'stale-token' });
    await gate.admit('a', leader(admitted + 1));
    const [folder = ''] = await runtime.disk.list('/data/gate');
    const newest = (await runtime.disk.list(`/data/gate/${folder}`)).findLast((file) => file.includes('.v'));
    runtime.disk.flip(`/data/gate/${folder}/${newest}`, 60);
    // Also the one that an older version, which is whole, would let in.
    for (const token of [admitted, admitted + 1, admitted + 2]) {
      await assert.rejects(gate.admit('a', leader(token)), { code: 'data-damaged' });
    }
  }
});
