import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfigurationFile } from './configuration-file.ts';

test('a configuration file is parsed, and one that is missing or no YAML is refused with its name', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-configuration-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'member.yaml');
  await assert.rejects(readConfigurationFile(path), /--config-file: .*member\.yaml/);
  await writeFile(path, 'name: m1\nheartbeat-interval: 50\n');
  assert.deepEqual(await readConfigurationFile(path), { name: 'm1', 'heartbeat-interval': 50 });
  await writeFile(path, 'name: [\n');
  await assert.rejects(readConfigurationFile(path), /member\.yaml is not YAML/);
});
