// The part of docs/guides/securing.md about users and roles, run as it stands there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { TestCluster } from './cluster.ts';
import { putConclaveOnPath } from './conclave-on-path.ts';

const guide = readFileSync(join(import.meta.dirname, '../../docs/guides/securing.md'), 'utf8');
const [, part = ''] = guide.split('\n## Users and roles\n');
const [setUp = '', enable = '', campaign = ''] = [
  ...(part.split('\n## ')[0] ?? '').matchAll(/```sh\n([\s\S]*?)```/g),
].map(([, code = '']) => code);

test('users and roles are set up, enabled and used as the guide says', {
  timeout: 180_000,
}, async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'conclave-users-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'root-password'), 'of root\n');
  writeFileSync(join(folder, 'reporter-password'), 'of reporter\n');
  await using cluster = await TestCluster.start(1, ['--bcrypt-cost', '4']);
  const endpoints = cluster.members.map(({ clientUrl }) => clientUrl).join();
  const path = await putConclaveOnPath(folder);
  const shell = async (script: string, more: Record<string, string> = {}) => {
    const env = { ...process.env, PATH: path, CONCLAVE_ENDPOINTS: endpoints, ...more };
    const child = spawn('bash', ['-euc', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { stdout, stderr, code: await closed };
  };
  const done = await shell(setUp);
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /Role reports may readwrite conclave\/election\/\*\./);
  assert.equal((await shell(enable)).stdout, 'Auth is enabled.\n');
  const elected = await shell(campaign);
  assert.equal(elected.code, 0, elected.stderr);
  assert.match(elected.stdout, /I lead/);
  const nobody = await shell('conclave user list');
  assert.notEqual(nobody.code, 0);
  assert.match(nobody.stderr, /the cluster asks who you are. Give --user NAME/);
  const asReporter = { CONCLAVE_USER: 'reporter:of reporter' };
  assert.match((await shell('conclave user list', asReporter)).stderr, /permission denied/);
  const status = (await shell('conclave status')).stdout;
  assert.match(status, /^- +http\S+ +refused .*\n.*: etcdserver: user name is empty: .* --user NAME/m);
  assert.match((await shell('conclave user get reporter', asReporter)).stdout, /reporter +reports/);
  const asRoot = { CONCLAVE_USER: 'root:of root' };
  const role = await shell('conclave role get reports', asRoot);
  assert.match(role.stdout, /^PERMISSION +KEYS\nreadwrite +conclave\/election\/\*\nread +config\/\*\n$/);
  assert.match((await shell('conclave auth status --json', asRoot)).stdout, /"enabled":true/);
  const typo = await shell('echo new | conclave user passwd nobody', asRoot);
  assert.match(typo.stderr, /user name not found/);
  for (const member of cluster.members) assert.doesNotMatch(member.output, /of reporter|of root/);
});
