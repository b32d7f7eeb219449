import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import type { SnapshotMeta } from '../../raft/types.ts';
import { type MemoryDisk, manualRuntime } from '../../runtime/testing.ts';
import { SnapshotStore } from './index.ts';

const folder = '/snapshots';

function meta(index: number): SnapshotMeta {
  return { index, term: 2, configuration: { voters: [1, 2, 3] } };
}

async function openStore(disk: MemoryDisk): Promise<SnapshotStore> {
  const store = new SnapshotStore({ disk, folder });
  await store.start();
  return store;
}

async function freshStore(seed = 1): Promise<{ disk: MemoryDisk; store: SnapshotStore }> {
  const { disk } = manualRuntime({ seed });
  await disk.makeFolder(folder);
  await disk.syncFolder('/');
  return { disk, store: await openStore(disk) };
}

async function save(
  store: SnapshotStore,
  index: number,
  chunks: readonly Uint8Array[],
  group = 1,
): Promise<void> {
  const sink = await store.create(group, meta(index));
  for (const chunk of chunks) await sink.write(chunk);
  await sink.finish();
}

async function contents(store: SnapshotStore, group = 1): Promise<Uint8Array | undefined> {
  const latest = await store.latest(group);
  if (latest === undefined) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of latest.open()) chunks.push(chunk);
  const all = Uint8Array.from(Buffer.concat(chunks));
  assert.equal(all.length, latest.sizeBytes);
  return all;
}

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

test('a snapshot is read as it was written, after a crash too, of whatever sizes its chunks were', async () => {
  const { disk, store } = await freshStore();
  assert.equal(await store.latest(1), undefined);
  const chunks = [bytes(1, 1), bytes(0, 2), bytes(100_000, 3), bytes(5_000_000, 4)];
  await save(store, 10, chunks);
  disk.crash();
  const again = await openStore(disk);
  assert.deepEqual((await again.latest(1))?.meta, meta(10));
  assert.deepEqual(await contents(again), Uint8Array.from(Buffer.concat(chunks)));
});

test('an empty snapshot is a snapshot', async () => {
  const { store } = await freshStore();
  await save(store, 10, []);
  assert.deepEqual(await contents(store), new Uint8Array(0));
});

test('a newer snapshot replaces an older one of its group, and an older one does not replace a newer', async () => {
  const { disk, store } = await freshStore();
  await save(store, 10, [bytes(3, 1)]);
  await save(store, 10, [bytes(3, 9)], 2);
  await save(store, 20, [bytes(3, 2)]);
  await save(store, 15, [bytes(3, 3)]);
  assert.equal((await store.latest(1))?.meta.index, 20);
  assert.deepEqual(await contents(store), bytes(3, 2));
  assert.deepEqual(await contents(store, 2), bytes(3, 9));
  assert.equal((await disk.list(folder)).length, 2);
});

test('whoever is reading a snapshot reads it to its end although a newer one takes its place', async () => {
  const { store } = await freshStore();
  await save(store, 10, [bytes(3, 1), bytes(3, 2)]);
  const reading = (await store.latest(1))?.open()[Symbol.asyncIterator]();
  assert.deepEqual((await reading?.next())?.value, bytes(3, 1));
  await save(store, 20, [bytes(3, 3)]);
  assert.deepEqual((await reading?.next())?.value, bytes(3, 2));
  assert.equal((await reading?.next())?.done, true);
});

test('a full disk leaves the old snapshot and no part of the new one', async () => {
  const { disk, store } = await freshStore();
  await save(store, 10, [bytes(1000, 1)]);
  disk.capacityBytes = disk.usedBytes + 500;
  const sink = await store.create(1, meta(20));
  await assert.rejects(sink.write(bytes(1000, 2)), (error) => ConclaveError.is(error, 'disk-full'));
  await sink.abort();
  await sink.abort();
  await assert.rejects(sink.finish(), (error) => ConclaveError.is(error, 'closed'));
  assert.deepEqual(await contents(store), bytes(1000, 1));
  assert.equal((await disk.list(folder)).length, 1);
});

test('a sync that fails leaves the old snapshot', async () => {
  const { disk, store } = await freshStore();
  await save(store, 10, [bytes(1000, 1)]);
  const sink = await store.create(1, meta(20));
  await sink.write(bytes(10, 2));
  disk.fail('sync');
  await assert.rejects(sink.finish(), (error) => ConclaveError.is(error, 'disk-failed'));
  await sink.abort();
  assert.deepEqual(await contents(await openStore(disk)), bytes(1000, 1));
});

test('after a crash at any moment the old snapshot or the new one is there, whole, and the new one if finished', async () => {
  let finishedRuns = 0;
  for (let operation = 1; operation < 40; operation++) {
    for (const keeps of ['none', 'some', 'all'] as const) {
      const { disk, store } = await freshStore(operation);
      await save(store, 10, [bytes(2000, 1)]);
      const crashAt = disk.operations + operation;
      disk.onOperation = () => {
        if (disk.operations === crashAt) disk.crash({ keeps, staysOff: true });
      };
      let finished = false;
      void save(store, 20, [bytes(2000, 2), bytes(2000, 3)]).then(() => {
        finished = true;
      });
      for (let turn = 0; turn < 60; turn++) await new Promise((resolve) => setImmediate(resolve));
      disk.onOperation = undefined;
      disk.powerOn();
      const again = await openStore(disk);
      const found = await contents(again);
      const index = (await again.latest(1))?.meta.index;
      if (finished) assert.equal(index, 20);
      assert.deepEqual(
        found,
        index === 10 ? bytes(2000, 1) : Uint8Array.from([...bytes(2000, 2), ...bytes(2000, 3)]),
      );
      assert.equal((await disk.list(folder)).length, 1);
      if (finished) finishedRuns++;
    }
  }
  assert.ok(finishedRuns > 0);
});

test('any byte that changes is noticed, and the message names the file', async () => {
  const { disk, store } = await freshStore();
  await save(store, 10, [bytes(30, 1), bytes(40, 2)]);
  const [name] = await disk.list(folder);
  const path = `${folder}/${name}`;
  const size = disk.contents(path).length;
  assert.ok(size > 70);
  for (let offset = 0; offset < size; offset++) {
    disk.flip(path, offset, 1 << (offset % 8));
    await assert.rejects(contents(store), (error) => {
      assert.ok(ConclaveError.is(error, 'data-damaged'), `offset ${offset}: ${error}`);
      assert.ok(error.message.includes(path));
      return true;
    });
    disk.flip(path, offset, 1 << (offset % 8));
  }
  assert.equal((await contents(store))?.length, 70);
});

test('a file that was cut short is noticed', async () => {
  const { disk, store } = await freshStore();
  await save(store, 10, [bytes(30, 1), bytes(40, 2)]);
  const path = `${folder}/${(await disk.list(folder))[0]}`;
  await using file = await disk.open(path);
  for (let size = (await file.size()) - 1; size >= 0; size -= 7) {
    await file.truncate(size);
    await assert.rejects(contents(store), (error) => ConclaveError.is(error, 'data-damaged'), `size ${size}`);
  }
});
