import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { versionedFile } from '../../src/fencing/index.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';
import { steppingDisk } from './stepping-disk.ts';
import { type GuardedResource, testTwoLeaders } from './two-leaders.ts';

async function open(): Promise<GuardedResource> {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-fencing-'));
  const path = join(folder, 'state');
  const text = (data: Uint8Array) => new TextDecoder().decode(data);
  return {
    async append(leadership, value, step) {
      const runtime = { ...nodeRuntime(), disk: steppingDisk(nodeRuntime().disk, step) };
      await versionedFile(path, { runtime }).update(leadership, ({ data }) =>
        new TextEncoder().encode(`${text(data)}${value}\n`),
      );
      await step();
    },
    async values() {
      const { data } = await versionedFile(path).read();
      return text(data).split('\n').filter(Boolean);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

testTwoLeaders('a versioned file', open);
