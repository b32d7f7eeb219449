import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileGateStorage, type GateStorage, memoryGateStorage, tokenGate } from '../../src/fencing/index.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';
import { steppingDisk } from './stepping-disk.ts';
import { type GuardedResource, testTwoLeaders } from './two-leaders.ts';

type Step = () => Promise<void>;

/** All effects of the resource go through one gate. */
function guarded(storageFor: (step: Step) => GateStorage, remove: Step): GuardedResource {
  const values: string[] = [];
  // Appends begin one after the other, so this is the step of the one that asks.
  let next: Step = async () => {};
  const storage: GateStorage = {
    load: (resource) => storageFor(next).load(resource),
    store: (...parts) => storageFor(next).store(...parts),
  };
  const gate = tokenGate({ storage });
  return {
    async append(leadership, value, step) {
      next = step;
      await gate.guard('resource', { leadership }, async () => {
        await step();
        values.push(value);
      });
      await step();
    },
    values: async () => [...values],
    [Symbol.asyncDispose]: remove,
  };
}

testTwoLeaders('a token gate in memory', async () => {
  const storage = memoryGateStorage();
  const stepping = (step: Step): GateStorage => ({
    load: (resource) => step().then(() => storage.load(resource)),
    store: (...parts) => step().then(() => storage.store(...parts)),
  });
  return guarded(stepping, async () => {});
});

testTwoLeaders('a token gate on disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-fencing-'));
  const stepping = (step: Step) =>
    fileGateStorage(join(folder, 'gate'), {
      runtime: { ...nodeRuntime(), disk: steppingDisk(nodeRuntime().disk, step) },
    });
  return guarded(stepping, () => rm(folder, { recursive: true, force: true }));
});
