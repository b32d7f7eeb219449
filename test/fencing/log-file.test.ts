import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fencedLog } from '../../src/fencing/index.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';
import { steppingDisk } from './stepping-disk.ts';
import { type GuardedResource, testTwoLeaders } from './two-leaders.ts';

async function open(): Promise<GuardedResource> {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-fencing-'));
  const path = join(folder, 'journal');
  return {
    async append(leadership, value, step) {
      const runtime = { ...nodeRuntime(), disk: steppingDisk(nodeRuntime().disk, step) };
      await using log = fencedLog(path, { runtime });
      await log.append(leadership, new TextEncoder().encode(value));
      await step();
    },
    async values() {
      const values = [];
      for await (const { data } of fencedLog(path).read()) values.push(new TextDecoder().decode(data));
      return values;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

testTwoLeaders('a fenced log', open);

test('a folder in the place of the log is called one, by readers and writers', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-fencing-'));
  try {
    await using log = fencedLog(folder);
    const refusal = { code: 'invalid-argument', message: /is a folder: give the path of a file/ };
    const leader = { name: 'jobs', token: 5, assertHeld() {} };
    await assert.rejects(log.append(leader, new Uint8Array(1)), refusal);
    await assert.rejects(log.claim(leader), refusal);
    await assert.rejects(log.state(), refusal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
