import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { type MemoryDisk, manualRuntime } from '../runtime/testing.ts';
import { type DataFolderOptions, openDataFolder, readIdentity } from './folder.ts';
import { encodeIdentity } from './identity-file.ts';

const path = '/var/lib/member';

function options(disk: MemoryDisk, change: Partial<DataFolderOptions> = {}): DataFolderOptions {
  return { disk, path, clusterId: 7, memberId: 3, name: 'm3', ...change };
}

async function rewrite(disk: MemoryDisk, name: string, content: Uint8Array): Promise<void> {
  await using file = await disk.open(`${path}/${name}`, { create: true });
  await file.truncate(0);
  await file.writeAt(0, [content]);
  await file.sync();
}

test('a folder is made, and stays fresh until the first start has succeeded', async () => {
  const { disk } = manualRuntime();
  const first = await openDataFolder(options(disk));
  assert.equal(first.fresh, true);
  await first.close();
  const second = await openDataFolder(options(disk));
  assert.equal(second.fresh, true);
  await second.markStarted();
  await second.close();
  disk.crash();
  await using third = await openDataFolder(options(disk));
  assert.equal(third.fresh, false);
});

test('a folder in use is refused, and free again after close or a crash', async () => {
  const { disk } = manualRuntime();
  const first = await openDataFolder(options(disk));
  await assert.rejects(openDataFolder(options(disk)), (error) => ConclaveError.is(error, 'data-locked'));
  await first.close();
  await first.close();
  await openDataFolder(options(disk));
  disk.crash({ keeps: 'all' });
  await (await openDataFolder(options(disk))).close();
});

test('a folder marked as vacant is another member’s to begin in, also after a crash on the way', async () => {
  for (const crash of [false, true]) {
    const { disk } = manualRuntime();
    const first = await openDataFolder(options(disk, { memberId: 4 }));
    await first.markStarted();
    for (const name of ['log', 'snapshots']) await disk.makeFolder(`${path}/${name}`);
    await rewrite(disk, 'log/1.log', new Uint8Array(9));
    await disk.syncFolder(`${path}/log`);
    await first.markVacant();
    await first.close();
    if (crash) {
      disk.fail('rename');
      await assert.rejects(openDataFolder(options(disk)));
      disk.crash();
      assert.equal((await readIdentity(disk, path))?.vacant, true);
    }
    const second = await openDataFolder(options(disk));
    assert.equal(second.fresh, true);
    assert.deepEqual(await disk.list(`${path}/log`), []);
    await second.close();
    const { memberId, vacant } = (await readIdentity(disk, path)) ?? {};
    assert.deepEqual({ memberId, vacant }, { memberId: 3, vacant: undefined });
  }
});

test('nothing of a vacant folder comes back after a crash into what another has begun there', async () => {
  const { disk } = manualRuntime();
  const first = await openDataFolder(options(disk, { memberId: 4 }));
  await disk.makeFolder(`${path}/snapshots`);
  await disk.syncFolder(path);
  await rewrite(disk, 'snapshots/1.snapshot', new Uint8Array(9));
  await disk.syncFolder(`${path}/snapshots`);
  await first.markVacant();
  await first.close();
  await openDataFolder(options(disk));
  disk.crash();
  assert.equal((await readIdentity(disk, path))?.memberId, 3);
  assert.deepEqual(await disk.list(`${path}/snapshots`), []);
});

test('a member that left the folder marks nothing any more: another may have begun there', async () => {
  const { disk } = manualRuntime();
  const first = await openDataFolder(options(disk, { memberId: 4 }));
  await first.markVacant();
  await first.close();
  const second = await openDataFolder(options(disk));
  await second.markStarted();
  // Its start was waiting for others, and goes on now.
  await first.markStarted();
  await first.markRemoved();
  assert.equal((await readIdentity(disk, path))?.memberId, 3);
  await second.close();
  await using third = await openDataFolder(options(disk));
  assert.equal(third.fresh, false);
});

test('the lock is held until what is being marked is written', async () => {
  const { disk } = manualRuntime();
  const first = await openDataFolder(options(disk));
  const marking = first.markRemoved();
  await first.close();
  assert.equal((await readIdentity(disk, path))?.removed, true);
  await marking;
});

test("a folder of etcd's is refused, and another one that holds something is not", async () => {
  const { disk } = manualRuntime();
  await disk.makeFolder(`${path}/member/wal`);
  await assert.rejects(openDataFolder(options(disk)), (error) => {
    assert.ok(ConclaveError.is(error, 'data-incompatible'), String(error));
    assert.match(error.message, /'\/var\/lib\/member' belongs to a member of etcd.*moving-from-etcd/);
    return true;
  });
  assert.equal(await readIdentity(disk, path), undefined);
  const other = '/var/lib/other';
  await disk.makeFolder(`${other}/member/notes`);
  await disk.makeFolder(`${other}/lost+found`);
  await (await openDataFolder(options(disk, { path: other }))).close();
});

test('a folder of another cluster, another member or a newer format is refused, and the lock given up', async () => {
  const { disk } = manualRuntime();
  await (await openDataFolder(options(disk))).close();
  const refusals: readonly [Partial<DataFolderOptions>, RegExp][] = [
    [{ clusterId: 8 }, /belongs to cluster 7, but this member was told to be in cluster 8/],
    [{ memberId: 4, name: 'm4' }, /belongs to member 'm3' \(3\), but this is 'm4' \(4\)/],
  ];
  for (const [change, message] of refusals) {
    await assert.rejects(openDataFolder(options(disk, change)), (error) => {
      assert.ok(ConclaveError.is(error, 'data-incompatible'), String(error));
      assert.match(error.message, message);
      assert.ok(error.message.includes(path));
      return true;
    });
  }
  await rewrite(disk, 'identity.json', encodeIdentity({ formatVersion: 2, anything: [] }));
  await assert.rejects(openDataFolder(options(disk)), (error) => {
    assert.ok(ConclaveError.is(error, 'data-incompatible'));
    assert.match(error.message, /has format 2, but this version reads up to 1/);
    return true;
  });
});

test('an identity that is damaged, or missing beside data, is refused', async () => {
  const { disk: written } = manualRuntime();
  await (await openDataFolder(options(written))).close();
  const identity = await written.read(`${path}/identity.json`);
  const contents = ['', '{', 'null'].map((text): Uint8Array => new TextEncoder().encode(text));
  contents.push(encodeIdentity({ formatVersion: 1, clusterId: '7', memberId: 3, name: 'm3' }));
  contents.push(identity.slice(0, -1));
  // Every bit of it, so in the ids, the version and the name too.
  for (let bit = 0; bit < 8 * identity.length; bit++) {
    const flipped = identity.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    contents.push(flipped);
  }
  for (const content of contents) {
    const { disk } = manualRuntime();
    await disk.makeFolder(path);
    await rewrite(disk, 'identity.json', content);
    await assert.rejects(
      openDataFolder(options(disk)),
      (error) => ConclaveError.is(error, 'data-damaged'),
      Buffer.from(content).toString(),
    );
  }
  const { disk } = manualRuntime();
  await disk.makeFolder(`${path}/log`);
  await assert.rejects(openDataFolder(options(disk)), (error) => {
    assert.ok(ConclaveError.is(error, 'data-damaged'));
    assert.match(error.message, /holds 'log', but no identity\.json/);
    return true;
  });
});

test('after a crash at any moment the folder opens, and what was marked as started stays so', async () => {
  for (let operation = 1; operation < 60; operation++) {
    const { disk } = manualRuntime({ seed: operation });
    let marked = false;
    disk.onOperation = () => {
      if (disk.operations === operation) disk.crash({ keeps: 'some', staysOff: true });
    };
    const working = (async () => {
      const folder = await openDataFolder(options(disk));
      await folder.markStarted();
      marked = true;
      await folder.close();
    })();
    for (let turn = 0; turn < 80; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (disk.operations < operation) {
      await working;
      assert.ok(operation > 8);
      return;
    }
    disk.onOperation = undefined;
    disk.powerOn();
    await using folder = await openDataFolder(options(disk));
    if (marked) assert.equal(folder.fresh, false);
  }
  assert.fail('the work was never done before the crash');
});

test('a folder that was opened before can be marked, and says so to whoever opens it next', async () => {
  const { disk } = manualRuntime();
  await (await openDataFolder(options(disk))).close();
  const again = await openDataFolder(options(disk));
  await again.markStarted();
  await again.markRemoved();
  await again.close();
  const { started, removed } = (await readIdentity(disk, path)) ?? {};
  assert.deepEqual({ started, removed }, { started: true, removed: true });
});
