import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { diskError } from './disk-errors.ts';
import { nodeRuntime } from './index.ts';
import { manualRuntime } from './testing.ts';
import type { Disk } from './types.ts';

/** The one in memory must behave as the real one does, or tests on it prove nothing. */
const disks: readonly {
  name: string;
  make: () => Promise<{ disk: Disk; folder: string; remove: () => void }>;
}[] = [
  {
    name: 'real disk',
    make: async () => {
      const folder = fs.mkdtempSync(join(tmpdir(), 'conclave-disk-'));
      const remove = (): void => fs.rmSync(folder, { recursive: true });
      return { disk: nodeRuntime().disk, folder, remove };
    },
  },
  {
    name: 'disk in memory',
    make: async () => {
      const { disk } = manualRuntime();
      await disk.makeFolder('/folder');
      return { disk, folder: '/folder', remove: () => {} };
    },
  },
];

function check(behaviour: string, body: (disk: Disk, folder: string) => Promise<void>): void {
  for (const { name, make } of disks) {
    test(`${name}: ${behaviour}`, async () => {
      const { disk, folder, remove } = await make();
      try {
        await body(disk, folder);
      } finally {
        remove();
      }
    });
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

check('what was written is read, whatever the chunks', async (disk, folder) => {
  const path = join(folder, 'file');
  await using file = await disk.open(path, { create: true });
  await file.writeAt(0, [bytes('abc'), new Uint8Array(0), bytes('def')]);
  await file.writeAt(8, [bytes('x')]);
  await file.sync();
  assert.equal(await file.size(), 9);
  assert.deepEqual(await file.readAt(0, 100), bytes('abcdef\0\0x'));
  assert.deepEqual(await file.readAt(2, 2), bytes('cd'));
  assert.deepEqual(await file.readAt(50, 2), new Uint8Array(0));
  assert.deepEqual(await disk.read(path), bytes('abcdef\0\0x'));
});

check('more chunks than one system call takes are all written', async (disk, folder) => {
  await using file = await disk.open(join(folder, 'file'), { create: true });
  const chunks = Array.from({ length: 3000 }, (_, index) => Uint8Array.of(index & 255, index >> 8));
  await file.writeAt(1, chunks);
  assert.deepEqual(await file.readAt(1, 6000), Uint8Array.from(chunks.flatMap((chunk) => [...chunk])));
});

check('what is appended lands at the end, whoever else appends', async (disk, folder) => {
  const path = join(folder, 'file');
  await using one = await disk.open(path, { create: true, append: true });
  await using other = await disk.open(path, { append: true });
  await one.append(bytes('a'));
  await other.append(bytes('bcd'));
  await Promise.all([one.append(bytes('ef')), other.append(bytes('gh'))]);
  await using reader = await disk.open(path, { readOnly: true });
  const found = new TextDecoder().decode(await reader.readAt(0, 100));
  assert.ok(['abcdefgh', 'abcdghef'].includes(found), found);
  await reader.sync();
});

check('a truncated file is shorter, and longer with zeros', async (disk, folder) => {
  await using file = await disk.open(join(folder, 'file'), { create: true });
  await file.writeAt(0, [bytes('abcdef')]);
  await file.truncate(2);
  await file.truncate(4);
  assert.deepEqual(await file.readAt(0, 10), bytes('ab\0\0'));
});

check('an extended file is longer by zeros', async (disk, folder) => {
  await using file = await disk.open(join(folder, 'file'), { create: true, durableWrites: true });
  await file.writeAt(0, [bytes('ab')]);
  await file.extend(2, 150_000);
  assert.equal(await file.size(), 150_000);
  await file.writeAt(149_999, [bytes('c')]);
  const found = await file.readAt(0, 200_000);
  assert.deepEqual(found, bytes(`ab${'\0'.repeat(149_997)}c`));
});

check('opening says not-found and already-exists, and names the path', async (disk, folder) => {
  const path = join(folder, 'file');
  const failsWith = (code: 'not-found' | 'already-exists') => (error: unknown) => {
    assert.ok(ConclaveError.is(error, code), String(error));
    assert.ok(error.message.includes(path));
    return true;
  };
  await assert.rejects(disk.open(path), failsWith('not-found'));
  await assert.rejects(disk.read(path), failsWith('not-found'));
  await assert.rejects(disk.remove(path), failsWith('not-found'));
  await (await disk.open(path, { exclusive: true })).close();
  await assert.rejects(disk.open(path, { exclusive: true }), failsWith('already-exists'));
  await (await disk.open(path, { create: true })).close();
});

check('rename replaces, link does not', async (disk, folder) => {
  const [one, two, three] = [join(folder, 'one'), join(folder, 'two'), join(folder, 'three')];
  for (const path of [one, two]) {
    await using file = await disk.open(path, { create: true });
    await file.writeAt(0, [bytes(path)]);
  }
  await assert.rejects(disk.link(one, two), (error) => ConclaveError.is(error, 'already-exists'));
  await disk.rename(one, two);
  assert.deepEqual(await disk.read(two), bytes(one));
  await disk.link(two, three);
  await disk.remove(two);
  assert.deepEqual(await disk.read(three), bytes(one));
  await disk.syncFolder(folder);
  assert.deepEqual(await disk.list(folder), ['three']);
  assert.equal(await disk.exists(three), true);
  assert.equal(await disk.exists(two), false);
});

check('folders are made with those above them, and making one again is no error', async (disk, folder) => {
  const deep = join(folder, 'a', 'b');
  await disk.makeFolder(deep);
  await disk.makeFolder(deep, { ownerOnly: true });
  assert.deepEqual(await disk.list(folder), ['a']);
  await assert.rejects(disk.list(join(folder, 'c')), (error) => ConclaveError.is(error, 'not-found'));
  await assert.rejects(disk.open(deep, { create: true }), (error) => ConclaveError.is(error, 'disk-failed'));
});

check('a closed file refuses, and closing again is no error', async (disk, folder) => {
  const file = await disk.open(join(folder, 'file'), { create: true });
  await file.close();
  await file.close();
  await assert.rejects(file.writeAt(0, [bytes('a')]), (error) => ConclaveError.is(error, 'disk-failed'));
  await assert.rejects(file.sync(), (error) => ConclaveError.is(error, 'disk-failed'));
});

check('a lock is exclusive and can be taken again once released', async (disk, folder) => {
  const path = join(folder, 'lock');
  const first = await disk.lock(path);
  await assert.rejects(disk.lock(path), (error) => ConclaveError.is(error, 'data-locked'));
  await first[Symbol.asyncDispose]();
  const second = await disk.lock(path);
  await first[Symbol.asyncDispose]();
  await assert.rejects(disk.lock(path), (error) => ConclaveError.is(error, 'data-locked'));
  await second[Symbol.asyncDispose]();
});

test('real disk: ownerOnly keeps others out', async () => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'conclave-disk-'));
  await nodeRuntime().disk.makeFolder(join(folder, 'private'), { ownerOnly: true });
  assert.equal(fs.statSync(join(folder, 'private')).mode & 0o777, 0o700);
  const file = await nodeRuntime().disk.open(join(folder, 'file'), { create: true, ownerOnly: true });
  await file.close();
  assert.equal(fs.statSync(join(folder, 'file')).mode & 0o077, 0);
  fs.rmSync(folder, { recursive: true });
});

const procfs = process.platform === 'linux' ? {} : { skip: 'only Linux has /proc' };
test('real disk: a folder where none can be made is an error, not an endless attempt', procfs, async () => {
  const { disk } = nodeRuntime();
  await assert.rejects(disk.makeFolder('/proc/none/deeper'), (error) => ConclaveError.is(error));
});

test('real disk: a short answer does not hold the memory of a long question', async () => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'conclave-disk-'));
  await using file = await nodeRuntime().disk.open(join(folder, 'file'), { create: true });
  await file.writeAt(0, [bytes('abc')]);
  assert.equal((await file.readAt(0, 1_000_000)).buffer.byteLength, 3);
  fs.rmSync(folder, { recursive: true });
});

test('every errno has its code, and the message names path and errno', () => {
  const cases = [
    ['ENOSPC', 'disk-full'],
    ['EDQUOT', 'disk-full'],
    ['ENOENT', 'not-found'],
    ['EEXIST', 'already-exists'],
    ['EIO', 'disk-failed'],
    ['EROFS', 'disk-failed'],
  ] as const;
  for (const [errno, code] of cases) {
    const error = diskError(
      'sync',
      '/data/log',
      Object.assign(new Error('refused'), { code: errno }),
      'unknown',
    );
    assert.equal(error.code, code);
    assert.match(error.message, new RegExp(`^Could not sync '/data/log': .*\\(${errno}\\)\\.$`));
    assert.equal(error.details.path, '/data/log');
  }
});

test('real disk: a full device is disk-full', {
  skip: !fs.existsSync('/dev/full') && 'no /dev/full here',
}, async () => {
  await using file = await nodeRuntime().disk.open('/dev/full');
  await assert.rejects(file.writeAt(0, [bytes('abc')]), (error) => ConclaveError.is(error, 'disk-full'));
});
