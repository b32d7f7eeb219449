import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeRuntime } from '../../runtime/index.ts';
import { openLog } from './index.ts';

const { disk, random } = nodeRuntime();

/** Appends for ever from `first` on, several at a time, and prints each index that is durable. */
function program(folder: string, first: number): string {
  const moduleOf = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  return `
    import { openLog } from ${moduleOf('./index.ts')};
    import { nodeRuntime } from ${moduleOf('../../runtime/index.ts')};
    const { log } = await openLog({
      disk: nodeRuntime().disk, random: nodeRuntime().random, folder: ${JSON.stringify(folder)}, clusterId: 1, memberId: 1, segmentBytes: 65536,
    });
    let next = ${first};
    const write = async () => {
      for (;;) {
        const index = next++;
        const entries = [{ index, term: 1, kind: 'command', data: new TextEncoder().encode('entry ' + index) }];
        await log.append([{ group: 1, entries }], { sync: true });
        process.stdout.write(index + '\\n');
      }
    };
    await Promise.all([write(), write(), write()]);`;
}

test('on the real disk, a process that is killed loses nothing that was durable', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'conclave-log-'));
  try {
    let first = 1;
    for (let life = 0; life < 3; life++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program(folder, first)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let printed = '';
      child.stdout.on('data', (data) => {
        printed += String(data);
        if (printed.length > 6000) child.kill('SIGKILL');
      });
      await once(child, 'close');
      const acknowledged = Number(printed.slice(0, printed.lastIndexOf('\n')).split('\n').at(-1));
      assert.ok(acknowledged > first + 500);
      const { log, groups } = await openLog({
        ...{ disk, random },
        folder,
        clusterId: 1,
        memberId: 1,
        segmentBytes: 65_536,
      });
      const entries = groups.get(1)?.entries ?? [];
      assert.ok(entries.length >= acknowledged, `${entries.length} found, ${acknowledged} acknowledged`);
      for (const [at, entry] of entries.entries()) {
        assert.equal(entry.index, at + 1);
        assert.equal(new TextDecoder().decode(entry.data), `entry ${at + 1}`);
      }
      await log.close();
      first = entries.length + 1;
    }
    assert.ok((await disk.list(folder)).length > 1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
