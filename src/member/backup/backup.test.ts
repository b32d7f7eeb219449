import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import type { Command, RangeRequest } from '../../keyspace/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import { Member } from '../member.ts';
import { openBackup, restoreBackup } from './index.ts';

const runtime = nodeRuntime();
const bytes = (text: string) => new TextEncoder().encode(text);
const peerUrl = 'http://127.0.0.1:0';

function put(key: string, value: string, lease = 0n): Command {
  const request = { key: bytes(key), value: bytes(value), lease };
  return { type: 'put', request: { ...request, prevKv: false, ignoreValue: false, ignoreLease: false } };
}

const everything: RangeRequest = {
  ...{ key: bytes('\0'), rangeEnd: bytes('\0'), limit: 0, revision: 0, sortOrder: 'none', sortTarget: 'key' },
  ...{ keysOnly: false, countOnly: false, minModRevision: 0, maxModRevision: 0 },
  ...{ minCreateRevision: 0, maxCreateRevision: 0 },
};

function keysOf(member: Member): string[] {
  const result = member.keyspace.range(everything);
  assert.ok(!('failed' in result));
  return result.kvs.map((kv) => new TextDecoder().decode(kv.key));
}

async function folderOf(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-backup-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function start(context: TestContext, dataDir: string, initialClusterToken: string): Promise<Member> {
  const member = await Member.start({
    ...{ name: 'm1', dataDir, initialClusterToken, peerListenUrls: [peerUrl], clientAdvertiseUrls: [] },
    initialCluster: [{ name: 'm1', peerUrls: [peerUrl] }],
  });
  context.after(() => member.stop());
  return member;
}

async function save(member: Member, path: string): Promise<void> {
  await using backup = await member.upkeep.backup();
  const pieces: Uint8Array[] = [];
  for await (const piece of backup.read()) pieces.push(piece);
  const whole = Buffer.concat(pieces);
  assert.equal(whole.length, backup.sizeBytes);
  assert.equal(whole.length % 512, 32);
  await writeFile(path, whole);
}

const restoring = (path: string, dataDir: string, token = 'second') =>
  restoreBackup({
    ...{ path, dataDir, name: 'm1', runtime, initialClusterToken: token },
    initialCluster: [{ name: 'm1', peerUrls: [peerUrl] }],
  });

const refused = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(ConclaveError.is(error), String(error));
  assert.equal(error.code, code);
  assert.match(error.message, pattern);
  return true;
};

test('a member that is restored from a backup serves its keys, above every revision of the old cluster', async (context) => {
  const folder = await folderOf(context);
  const old = await start(context, join(folder, 'old'), 'first');
  await old.propose({ type: 'leaseGrant', lease: 5n, ttlMs: 600_000 });
  for (const command of [put('bound', 'x', 5n), put('kept', 'one'), put('other', 'two')])
    await old.propose(command);
  const path = join(folder, 'backup');
  await save(old, path);
  await old.propose(put('late', 'not in the backup'));
  const last = old.keyspace.revision;
  const opened = await openBackup(runtime.disk, path);
  assert.equal((await opened.load()).stateHash() > 0, true);
  assert.equal(opened.description.clusterId, old.clusterId);
  const restored = await restoring(path, join(folder, 'new'));
  const again = await restoring(path, join(folder, 'twin'));
  assert.equal(restored.stateHash, again.stateHash);
  const member = await start(context, join(folder, 'new'), 'second');
  assert.equal(member.clusterId, restored.clusterId);
  assert.notEqual(member.clusterId, old.clusterId);
  const { revision } = await member.propose(put('fresh', 'three'));
  assert.ok(revision > last + 2 ** 31);
  assert.deepEqual(keysOf(member), ['fresh', 'kept', 'other']);
  assert.equal(member.keyspace.leaseCount, 0);
  await member.stop();
  const back = await start(context, join(folder, 'new'), 'second');
  await back.readBarrier();
  assert.deepEqual(keysOf(back), ['fresh', 'kept', 'other']);
});

test('a backup that is cut, changed or of another kind is refused, and nothing is made', async (context) => {
  const folder = await folderOf(context);
  const member = await start(context, join(folder, 'old'), 'first');
  await member.propose(put('a', 'one'));
  const path = join(folder, 'backup');
  await save(member, path);
  const whole = await readFile(path);
  const target = join(folder, 'new');
  const broken = join(folder, 'broken');
  for (let length = 20; length < whole.length; length += 1) {
    await writeFile(broken, whole.subarray(0, length));
    await assert.rejects(
      restoring(broken, target),
      refused('data-damaged', /cannot be used/),
      String(length),
    );
  }
  for (let at = 20; at < whole.length; at += 7) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] as number) ^ 1;
    await writeFile(broken, changed);
    await assert.rejects(restoring(broken, target), refused('data-damaged', /cannot be used/), String(at));
  }
  const bbolt = Buffer.alloc(512 + 32);
  bbolt.writeUInt32LE(0xed0cdaed, 16);
  await writeFile(broken, bbolt);
  await assert.rejects(restoring(broken, target), refused('data-incompatible', /snapshot of etcd/));
  const [own = ''] = await readdir(join(folder, 'old/snapshots'));
  await assert.rejects(
    restoring(join(folder, 'old/snapshots', own), target),
    refused('data-incompatible', /out of a member's data folder/),
  );
  await writeFile(broken, 'something else');
  await assert.rejects(restoring(broken, target), refused('data-incompatible', /is not a backup/));
  assert.deepEqual((await readdir(folder)).sort(), ['backup', 'broken', 'old']);
});

test('a restore keeps away from folders that are there, and from the id of the old cluster', async (context) => {
  const folder = await folderOf(context);
  const member = await start(context, join(folder, 'old'), 'first');
  const path = join(folder, 'backup');
  await member.propose(put('a', 'one'));
  await save(member, path);
  await assert.rejects(restoring(path, join(folder, 'old')), refused('already-exists', /never writes over/));
  await assert.rejects(restoring(path, join(folder, 'new'), 'first'), refused('invalid-argument', /token/));
});

test('a backup stays readable when newer snapshots take its place while it is read', async (context) => {
  const folder = await folderOf(context);
  const member = await start(context, join(folder, 'old'), 'first');
  await member.propose(put('a', 'x'.repeat(500_000)));
  await using backup = await member.upkeep.backup();
  const pieces: Uint8Array[] = [];
  for await (const piece of backup.read()) {
    pieces.push(piece);
    if (pieces.length !== 2) continue;
    await member.propose(put('b', 'later'));
    await member.upkeep.defragment();
  }
  const path = join(folder, 'backup');
  await writeFile(path, Buffer.concat(pieces));
  assert.equal((await (await openBackup(runtime.disk, path)).load()).revision, 2);
});

test('defragmenting puts everything that is applied into a snapshot', async (context) => {
  const folder = await folderOf(context);
  const member = await start(context, join(folder, 'old'), 'first');
  for (let number = 0; number < 10; number++) await member.propose(put('a', String(number)));
  await member.propose({ type: 'compact', revision: member.keyspace.revision });
  const before = member.status();
  await member.upkeep.defragment();
  const after = member.status();
  assert.equal(after.snapshotIndex, before.raft.appliedIndex);
  assert.ok(after.sizeBytes <= before.sizeBytes);
});
