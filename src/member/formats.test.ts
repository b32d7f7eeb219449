// Files as earlier versions wrote them (test/fixtures/formats), and files as a later one may.
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { commands, content, memberOptions } from '../../test/fixtures/formats/content.ts';
import { ConclaveError } from '../errors/index.ts';
import { Keyspace, type RangeRequest } from '../keyspace/index.ts';
import { nodeRuntime } from '../runtime/index.ts';
import { backupFormatVersion, openBackup } from './backup/index.ts';
import { encodeIdentity, folderFormatVersion } from './identity-file.ts';
import { crc32 } from './log/crc32.ts';
import { formatVersion as logFormatVersion } from './log/format.ts';
import { Member } from './member.ts';
import { decodeGreeting, encodeGreeting, protocolVersion } from './peers/frames.ts';
import { formatVersion as snapshotFormatVersion } from './snapshots/format.ts';

const stored = join(import.meta.dirname, '../../test/fixtures/formats');
const numbers = globSync('[0-9]*', { cwd: stored }).map((path) => basename(path));
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const all: RangeRequest = {
  ...{ key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0), limit: 0, revision: 0 },
  ...{ sortOrder: 'none', sortTarget: 'key', keysOnly: false, countOnly: false },
  ...{ minModRevision: 0, maxModRevision: 0, minCreateRevision: 0, maxCreateRevision: 0 },
};

async function copyOf(context: TestContext, number: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-formats-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  await cp(join(stored, number), folder, { recursive: true });
  return folder;
}

assert.ok(numbers.length > 0);
for (const number of numbers) {
  test(`a data folder of format ${number} is read: keys, history, leases`, async (context) => {
    const folder = await copyOf(context, number);
    await using member = await Member.start(memberOptions(join(folder, 'data')));
    await member.readBarrier();
    const found = member.keyspace.range(all);
    assert.ok(!('failed' in found));
    assert.deepEqual(Object.fromEntries(found.kvs.map((kv) => [text(kv.key), text(kv.value)])), content);
    assert.deepEqual(member.keyspace.leases().sort(), [77n, 78n]);
    assert.deepEqual(member.keyspace.lease(77n, true)?.keys.map(text), ['leased']);
    assert.equal(member.keyspace.compactRevision, 3);
    const put = await member.propose(commands[0] as (typeof commands)[number]);
    assert.equal(put.outcome.type, 'put');
  });

  test(`a backup of format ${number} is read`, async () => {
    const backup = await openBackup(nodeRuntime().disk, join(stored, number, 'backup'));
    assert.equal(backup.description.memberName, 'fixture');
    const keyspace = await backup.load();
    assert.deepEqual(keyspace.leases(), [77n]);
  });
}

/** Raises a version, and makes the checksum before it true again. `length`: of what it covers. */
async function raise(path: string, at: { crc: number; version: number }, length?: number): Promise<void> {
  const bytes = await readFile(path);
  bytes.writeUInt32LE(bytes.readUInt32LE(at.version) + 1, at.version);
  const end = length === undefined ? bytes.length : length;
  bytes.writeUInt32LE(crc32(bytes, at.crc + 4, end) >>> 0, at.crc);
  await writeFile(path, bytes);
}

const newest = String(Math.max(...numbers.map(Number)));
const refusals: readonly {
  readonly what: string;
  readonly change: (folder: string) => Promise<void>;
  readonly says: RegExp;
}[] = [
  {
    what: 'an identity file',
    async change(folder) {
      const identity = { formatVersion: folderFormatVersion + 1, anything: 'else' };
      await writeFile(join(folder, 'data/identity.json'), encodeIdentity(identity));
    },
    says: new RegExp(
      `has format ${folderFormatVersion + 1}, but this version reads up to ${folderFormatVersion}`,
    ),
  },
  {
    what: 'a log',
    async change(folder) {
      for (const name of await readdir(join(folder, 'data/log'))) {
        await raise(join(folder, 'data/log', name), { crc: 8, version: 12 }, 64);
      }
    },
    says: new RegExp(`has format ${logFormatVersion + 1}, which this version does not read`),
  },
  {
    what: 'a snapshot',
    async change(folder) {
      for (const name of await readdir(join(folder, 'data/snapshots'))) {
        const path = join(folder, 'data/snapshots', name);
        const length = 16 + (await readFile(path)).readUInt32LE(8);
        await raise(path, { crc: 12, version: 16 }, length);
      }
    },
    says: new RegExp(`has format ${snapshotFormatVersion + 1}, which this version does not read`),
  },
];

for (const { what, change, says } of refusals) {
  test(`${what} of a newer format is refused, and the message says what to do`, async (context) => {
    const folder = await copyOf(context, newest);
    await change(folder);
    await assert.rejects(Member.start(memberOptions(join(folder, 'data'))), (error: unknown) => {
      assert.ok(ConclaveError.is(error, 'data-incompatible'), String(error));
      assert.match(error.message, says);
      assert.match(error.message, /newer/);
      return true;
    });
  });
}

test('a backup of a newer format is refused, and the message says what to do', async (context) => {
  const folder = await copyOf(context, newest);
  const path = join(folder, 'backup');
  const bytes = await readFile(path);
  bytes.writeUInt32LE(backupFormatVersion + 1, 12);
  const headBytes = 20 + bytes.readUInt32LE(16);
  bytes.writeUInt32LE(crc32(bytes, 12, headBytes) >>> 0, 8);
  const { createHash } = await import('node:crypto');
  createHash('sha256')
    .update(bytes.subarray(0, -32))
    .digest()
    .copy(bytes, bytes.length - 32);
  await writeFile(path, bytes);
  await assert.rejects(openBackup(nodeRuntime().disk, path), (error: unknown) => {
    assert.ok(ConclaveError.is(error, 'data-incompatible'), String(error));
    assert.match(error.message, /newer/);
    return true;
  });
});

test('an entry and a state of a newer format are refused by name', () => {
  const newerBatch = Uint8Array.of(99, 0, 0);
  assert.throws(() => new Keyspace().apply(1, newerBatch), /batch format 99.*newer release/);
});

test('the greeting of format 1 stands: a member of any release can say which protocol it speaks', () => {
  const greeting = { version: 1, clusterId: 0xabc, from: 5, to: 7 };
  const stored = '4c434e4301000000bc0a00000000000005000000000000000700000000000000';
  assert.equal(Buffer.from(encodeGreeting(greeting)).toString('hex'), stored);
  assert.partialDeepStrictEqual(decodeGreeting(Buffer.from(stored, 'hex')), greeting);
  assert.equal(protocolVersion, 1);
});
