// Backup and restore with real processes: what a cluster had is what the new one has, and no token falls.
import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectClient } from '../../src/client/index.ts';
import { Candidate } from '../../src/election/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import { conclaveStore } from '../../src/stores/conclave.ts';
import { Etcdctl } from '../interop/etcdctl.ts';
import { peer } from '../peers.ts';
import { run } from './cli.ts';
import { type ClusterMember, TestCluster } from './cluster.ts';

const timeout = 120_000;
const etcdctl = peer('etcdctl');

async function ok(words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(words);
  assert.equal(code, 0, `conclave ${words.join(' ')}: ${stderr}`);
  return stdout;
}

async function json(words: readonly string[]): Promise<Record<string, string | number>> {
  return JSON.parse(await ok([...words, '--json'])) as Record<string, string | number>;
}

/** The flags of `serve` with these changed. */
function changed(member: ClusterMember, changes: Readonly<Record<string, string>>): Map<string, string> {
  const flags = new Map<string, string>();
  for (let at = 0; at < member.flags.length; at += 2) {
    flags.set(member.flags[at] as string, member.flags[at + 1] as string);
  }
  for (const [name, value] of Object.entries(changes)) flags.set(name, value);
  return flags;
}

const restoreFlags = [
  ...[
    '--name',
    '--data-dir',
    '--initial-cluster',
    '--initial-cluster-token',
    '--initial-advertise-peer-urls',
  ],
];

/** Ends all members, restores each from the file into a folder of its own, and starts them as a new cluster. */
async function restoreAll(cluster: TestCluster, path: string): Promise<Record<string, string | number>[]> {
  for (const member of cluster.members) await cluster.end(member, 'SIGKILL');
  const restored: Record<string, string | number>[] = [];
  for (const member of cluster.members) {
    const dataDir = `${member.dataDir}-restored`;
    const flags = changed(member, { '--data-dir': dataDir, '--initial-cluster-token': 'restored' });
    const given = [...flags].filter(([name]) => restoreFlags.includes(name)).flat();
    restored.push(await json(['snapshot', 'restore', path, ...given]));
    Object.assign(member, { dataDir, flags: [...flags].flat() });
  }
  for (const member of cluster.members) cluster.run(member);
  await cluster.leader();
  return restored;
}

test('three members restored from one backup serve what was saved, with higher tokens', {
  timeout,
}, async () => {
  await using cluster = await TestCluster.start(3);
  const { client, members, folder } = cluster;
  const endpoints = members.map((member) => member.clientUrl);
  const token = async () => {
    await using store = conclaveStore({ endpoints });
    await using candidate = new Candidate(store, 'jobs', { ttlMs: 5000 });
    return (await candidate.campaign()).token;
  };
  for (let number = 0; number < 50; number++) await client.put(`key-${number}`, 'x'.repeat(2000));
  const { lease } = await client.leaseGrant(600_000);
  await client.put('bound', 'to a lease', { lease });
  const path = join(folder, 'saved');
  await ok(['snapshot', 'save', path, '--endpoints', endpoints.join(',')]);
  assert.equal((await stat(path)).mode & 0o077, 0);
  const status = await json(['snapshot', 'status', path]);
  assert.equal(status.leases, 1);
  await client.put('key-1', 'after the backup');
  const oldToken = await token();
  const last = (await client.get('key-1'))?.modRevision ?? 0;
  assert.ok(last > Number(status.revision));

  const restored = await restoreAll(cluster, path);
  assert.equal(new Set(restored.map(({ stateHash }) => stateHash)).size, 1);
  assert.notEqual(restored[0]?.clusterId, status.clusterId);
  assert.equal(Buffer.from((await client.get('key-1'))?.value ?? []).length, 2000);
  assert.equal(await client.get('bound'), undefined);
  assert.deepEqual(await client.leases(), []);
  assert.ok((await token()) > oldToken);
  // A watch that goes on from where it was in the old cluster is told, rather than left with a gap.
  await assert.rejects(
    async () => {
      for await (const _ of client.watch({ key: Buffer.from('key-1'), startRevision: last + 1 }));
    },
    (error: unknown) => ConclaveError.is(error, 'out-of-range'),
  );
  const hashes = await Promise.all(
    endpoints.map(async (endpoint) => {
      await using one = connectClient({ endpoints: [endpoint] });
      const { revision } = (await one.range({ key: Buffer.from('key-1') })).header ?? { revision: 0 };
      assert.ok(revision > 2 ** 32);
      return (await one.maintenance.hashKV(Number(restored[0]?.revision), { endpoint })).hash;
    }),
  );
  assert.equal(new Set(hashes).size, 1);
  const first = members[0] as ClusterMember;
  const again = await run([
    'snapshot',
    'restore',
    path,
    '--data-dir',
    first.dataDir,
    '--initial-cluster-token',
    'x',
  ]);
  assert.match(again.stderr, /is there already/);
});

test('what etcdctl saves from a member is restored too', { timeout, skip: etcdctl.missing }, async () => {
  await using cluster = await TestCluster.start(1);
  const [member] = cluster.members as [ClusterMember];
  await cluster.client.put('a', 'one');
  const path = join(cluster.folder, 'saved');
  const ctl = new Etcdctl(etcdctl.path as string, member.clientUrl);
  const saved = await ctl.run('snapshot save', path);
  assert.equal(saved.code, 0, saved.stderr);
  const { stdout } = await run(['snapshot', 'status', path]);
  assert.match(stdout, /^HASH +REVISION +COMPACTED +KEYS/);
  await restoreAll(cluster, path);
  assert.equal(Buffer.from((await cluster.client.get('a'))?.value ?? []).toString(), 'one');
});

test('a file that is damaged, of etcd or of nobody is refused with its exit code', { timeout }, async () => {
  await using cluster = await TestCluster.start(1);
  const path = join(cluster.folder, 'saved');
  const [member] = cluster.members as [ClusterMember];
  await cluster.client.put('a', 'one');
  await ok(['snapshot', 'save', path, '--endpoints', member.clientUrl]);
  const whole = await readFile(path);
  whole[whole.length >> 1] = (whole[whole.length >> 1] as number) ^ 1;
  await writeFile(path, whole);
  const damaged = await run(['snapshot', 'status', path]);
  assert.equal(damaged.code, 113);
  assert.match(damaged.stderr, /cannot be used: its content does not match/);
  const foreign = Buffer.alloc(4096 + 32);
  foreign.writeUInt32LE(0xed0cdaed, 16);
  await writeFile(path, foreign);
  const etcd = await run(['snapshot', 'restore', path, '--data-dir', join(cluster.folder, 'new')]);
  assert.equal(etcd.code, 112);
  assert.match(etcd.stderr, /is a snapshot of etcd/);
  const gone = await run([
    'snapshot',
    'save',
    path,
    '--endpoints',
    'http://127.0.0.1:1',
    '--timeout',
    '500ms',
  ]);
  assert.equal(gone.code, 101);
});

test('compact and defrag say what they did', { timeout }, async () => {
  await using cluster = await TestCluster.start(1);
  const { client } = cluster;
  const [member] = cluster.members as [ClusterMember];
  for (let number = 0; number < 20; number++) await client.put('a', String(number));
  const endpoints = ['--endpoints', member.clientUrl];
  assert.equal(await ok(['compact', '15', ...endpoints]), 'compacted revision 15\n');
  const again = await run(['compact', '15', ...endpoints]);
  assert.match(again.stderr, /compacted/);
  assert.match(await ok(['defrag', ...endpoints]), /^m1 \(http:.*\): done in /);
  const state = await cluster.state(member);
  assert.ok(state.snapshotIndex > 20);
  assert.equal(await ok(['alarm', 'list', ...endpoints]), '');
});

test('check finds nothing wrong with three members that run, and says who is missing', {
  timeout,
}, async () => {
  await using cluster = await TestCluster.start(3);
  const words = [
    'check',
    '--endpoints',
    cluster.members.map((member) => member.clientUrl).join(','),
    '--json',
  ];
  const check = async () => {
    const { code, stdout } = await run([...words, '--for', '1s']);
    const { findings } = JSON.parse(stdout) as { findings: { level: string; what: string }[] };
    return {
      code,
      problems: findings.filter(({ level }) => level === 'problem').map(({ what }) => what),
      findings,
    };
  };
  const well = await check();
  // What is slow on this machine is not the cluster's fault.
  const slow = /durable|late|took|clock/;
  assert.deepEqual(
    well.problems.filter((what) => !slow.test(what)),
    [],
  );
  assert.ok(well.findings.some(({ what }) => /^m\d leads in term \d+, and all say so$/.test(what)));
  const follower = await cluster.follower();
  await cluster.end(follower, 'SIGKILL');
  const one = await check();
  assert.equal(one.code, 1);
  assert.ok(one.problems.some((what) => what.startsWith(`${follower.name} does not answer`)));
});
