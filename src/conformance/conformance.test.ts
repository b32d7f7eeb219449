import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { conformanceTests, type Fault, faults, faultyStore } from './index.ts';

async function failures(fault: Fault | undefined): Promise<string[]> {
  const runtime = manualRuntime();
  const open = async () => {
    const store = memoryStore({ runtime });
    return {
      store: fault === undefined ? store : faultyStore(store, fault),
      passTime: (ms: number) => runtime.advance(ms),
      breakConnection: (holder: string) => store.breakConnections(holder),
      restoreConnection: (holder: string) => store.restoreConnections(holder),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  };
  const failed: string[] = [];
  for (const { name, run } of conformanceTests(open, { runtime })) await run().catch(() => failed.push(name));
  return failed;
}

for (const fault of Object.keys(faults) as Fault[]) {
  test(`the suite finds the fault ${fault}`, async () => {
    const failed = await failures(fault);
    console.log(fault, failed.length, failed.slice(0, 4));
    assert(failed.length > 0);
  });
}
