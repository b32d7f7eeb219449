// The benchmark still runs: cheap rows in their shortest form. What they measure is nobody's business here.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { peer } from '../peers.ts';

const root = join(import.meta.dirname, '../..');
const etcd = peer('etcd');

test('rows of the benchmark run on ours and, beside it, on etcd', async () => {
  const rows = ['put-alone', 'campaigns'];
  const options = { cwd: root, timeout: 540_000 };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['bench/main.ts', ...rows, '--quick'],
    options,
  );
  const lines = stdout.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| what'));
  assert.equal(lines.length, rows.length, stdout);
  for (const line of lines) {
    const [, , ours = '', theirs = ''] = line.split(' | ');
    assert.match(ours, /\d/, line);
    if (etcd.missing === undefined) assert.match(theirs, /\d/, line);
    assert.doesNotMatch(line, /NaN/);
  }
});
