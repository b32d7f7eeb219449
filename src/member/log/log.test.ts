import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import { type MemoryDisk, manualRuntime } from '../../runtime/testing.ts';
import { openLog } from './index.ts';
import { entriesOf, logFolder, logOptions, openTestLog, snapshotAt } from './testing.ts';

const hardState = { term: 3, votedFor: 2, commitIndex: 1 };

function segments(disk: MemoryDisk): Promise<string[]> {
  return disk.list(logFolder);
}

/** Counts the operations on the disk from now on. */
function count(disk: MemoryDisk): Map<string, number> {
  const counts = new Map<string, number>();
  disk.onOperation = (operation) => counts.set(operation, (counts.get(operation) ?? 0) + 1);
  return counts;
}

test('groups are read back as they were written', async () => {
  const { disk } = manualRuntime();
  const { log, groups, repaired } = await openTestLog(disk);
  assert.equal(groups.size, 0);
  assert.equal(repaired, undefined);
  const entries = entriesOf(1, 3, 'one', '', 'three');
  await log.append([{ group: 1, hardState, entries }], { sync: true });
  await log.append([{ group: 2 ** 53 - 1, entries: entriesOf(1, 1, 'other') }], { sync: true });
  disk.crash();
  const found = await openTestLog(disk);
  assert.equal(found.repaired, undefined);
  assert.deepEqual(found.groups.get(1), { hardState, snapshot: undefined, entries });
  assert.deepEqual(found.groups.get(2 ** 53 - 1)?.entries, entriesOf(1, 1, 'other'));
});

test('entries replace all stored ones from their first index on', async () => {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk);
  await log.append([{ group: 1, entries: entriesOf(1, 1, 'a', 'b', 'c', 'd') }], { sync: true });
  await log.append([{ group: 1, entries: entriesOf(2, 2, 'B') }], { sync: true });
  await log.close();
  const { groups } = await openTestLog(disk);
  assert.deepEqual(groups.get(1)?.entries, [...entriesOf(1, 1, 'a'), ...entriesOf(2, 2, 'B')]);
});

test('a compaction keeps what follows it, an installed snapshot voids the log', async () => {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk);
  for (const group of [1, 2]) {
    await log.append([{ group, entries: entriesOf(1, 1, 'a', 'b', 'c') }], { sync: true });
  }
  await log.compacted(1, snapshotAt(2, 1));
  const installed = { snapshot: snapshotAt(9, 4), keepsLog: false, entries: entriesOf(10, 4, 'k') };
  await log.append([{ group: 2, ...installed }], { sync: true });
  await log.close();
  const { groups } = await openTestLog(disk);
  assert.deepEqual(groups.get(1)?.snapshot, snapshotAt(2, 1));
  assert.deepEqual(groups.get(1)?.entries, entriesOf(3, 1, 'c'));
  assert.deepEqual(groups.get(2)?.snapshot, snapshotAt(9, 4));
  assert.deepEqual(groups.get(2)?.entries, entriesOf(10, 4, 'k'));
});

test('appends made while another is written go to disk together, and resolve in order', async () => {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk);
  const counts = count(disk);
  const order: number[] = [];
  const appends = Array.from({ length: 20 }, (_, at) =>
    log
      .append([{ group: 1, entries: entriesOf(at + 1, 1, 'x') }], { sync: at % 3 > 0 })
      .then(() => order.push(at)),
  );
  await new Promise((resolve) => setImmediate(resolve));
  const later = log.append([{ group: 1, entries: entriesOf(21, 1, 'x') }], { sync: true });
  const latest = log.append([{ group: 1, entries: entriesOf(22, 1, 'x') }], { sync: true });
  await Promise.all([...appends, later, latest]);
  assert.deepEqual(
    order,
    Array.from({ length: 20 }, (_, at) => at),
  );
  assert.equal(counts.get('write'), 2);
  assert.equal(counts.get('sync'), 2);
});

test('a commit index without sync costs no write of its own, and is there after close', async () => {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk);
  await log.append([{ group: 1, hardState, entries: entriesOf(1, 3, 'a') }], { sync: true });
  const counts = count(disk);
  await log.append([{ group: 1, hardState: { ...hardState, commitIndex: 7 }, entries: [] }], { sync: false });
  assert.equal(counts.get('write'), undefined);
  await log.close();
  disk.crash();
  assert.equal((await openTestLog(disk)).groups.get(1)?.hardState.commitIndex, 7);
});

test('entries are durable when their append resolves, asked for or not', async () => {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk);
  await log.append([{ group: 1, entries: entriesOf(1, 3, 'a') }], { sync: false });
  disk.crash();
  assert.equal((await openTestLog(disk)).groups.get(1)?.entries.length, 1);
});

test('a segment is left when it is full, and removed when no group needs it', async () => {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk, 4096);
  await log.append([{ group: 2, hardState, entries: entriesOf(1, 3, 'stays') }], { sync: true });
  for (let index = 1; index <= 100; index++) {
    await log.append([{ group: 1, entries: entriesOf(index, 1, 'x'.repeat(300)) }], { sync: true });
  }
  const before = await segments(disk);
  assert.ok(before.length > 8);
  assert.ok(log.bytes > 30_000);
  await log.compacted(1, snapshotAt(95, 1));
  assert.deepEqual((await segments(disk)).slice(0, 2), before.slice(0, 2), 'group 2 needs the first');
  await log.compacted(2, snapshotAt(1, 3));
  assert.ok((await segments(disk)).length <= 4);
  assert.ok(log.bytes < 10_000);
  await log.close();
  disk.crash();
  const { groups } = await openTestLog(disk, 4096);
  assert.deepEqual(groups.get(2), { hardState, snapshot: snapshotAt(1, 3), entries: [] });
  assert.equal(groups.get(1)?.entries.length, 5);
});

test('after an error of the disk nothing is accepted and nothing is synced again', async () => {
  for (const operation of ['write', 'sync'] as const) {
    const { disk } = manualRuntime();
    const { log } = await openTestLog(disk);
    await log.append([{ group: 1, entries: entriesOf(1, 1, 'a') }], { sync: true });
    disk.fail(operation);
    const failing = log.append([{ group: 1, entries: entriesOf(2, 1, 'b') }], { sync: true });
    await new Promise((resolve) => setImmediate(resolve));
    const waiting = log.append([{ group: 1, entries: entriesOf(3, 1, 'c') }], { sync: true });
    await assert.rejects(
      failing,
      (error) => ConclaveError.is(error, 'disk-failed') && error.outcome === 'unknown',
    );
    await assert.rejects(waiting, (error) => ConclaveError.is(error, 'disk-failed'));
    const counts = count(disk);
    const late = log.append([{ group: 1, entries: entriesOf(2, 1, 'b') }], { sync: true });
    await assert.rejects(late, (error) => ConclaveError.is(error, 'disk-failed'));
    await assert.rejects(log.compacted(1, snapshotAt(1, 1)), (error) =>
      ConclaveError.is(error, 'disk-failed'),
    );
    await log.close();
    assert.equal(counts.size, 0);
    disk.crash();
    assert.deepEqual((await openTestLog(disk)).groups.get(1)?.entries, entriesOf(1, 1, 'a'));
  }
});

test('what a failed sync dropped is not taken for durable by the next process', async () => {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk);
  await log.append([{ group: 1, entries: entriesOf(1, 1, 'a') }], { sync: true });
  disk.fail('sync');
  await assert.rejects(log.append([{ group: 1, entries: entriesOf(2, 1, 'b') }], { sync: true }));
  disk.crash({ keeps: 'all' });
  const { groups } = await openTestLog(disk);
  disk.crash({ keeps: 'none' });
  assert.deepEqual((await openTestLog(disk)).groups.get(1), groups.get(1));
});

test('a full disk is reported, and what was acknowledged before is kept', async () => {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk, 8192);
  disk.capacityBytes = disk.usedBytes + 20_000;
  let acknowledged = 0;
  await assert.rejects(
    async () => {
      for (let index = 1; index < 100; index++) {
        await log.append([{ group: 1, entries: entriesOf(index, 1, 'x'.repeat(1000)) }], { sync: true });
        acknowledged = index;
      }
    },
    (error) => ConclaveError.is(error, 'disk-full'),
  );
  await log.close();
  disk.crash();
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  assert.ok(acknowledged > 5);
  assert.equal((await openTestLog(disk, 8192)).groups.get(1)?.entries.length, acknowledged);
});

test('an append larger than a segment, and one of many entries, are stored', async () => {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk, 4096);
  const entries = entriesOf(1, 1, 'x'.repeat(50_000), ...Array.from({ length: 5000 }, String));
  await log.append([{ group: 1, entries }], { sync: true });
  await log.append([{ group: 1, entries: entriesOf(5002, 1, 'after') }], { sync: true });
  await log.close();
  const { groups } = await openTestLog(disk, 4096);
  assert.deepEqual(groups.get(1)?.entries, [...entries, ...entriesOf(5002, 1, 'after')]);
});

test('what cannot follow is refused as a bug, before it is written', async () => {
  const gap = { group: 1, entries: entriesOf(3, 1, 'gap') };
  const covered = { group: 1, snapshot: snapshotAt(5, 1), entries: entriesOf(5, 1, 'covered') };
  for (const write of [gap, covered]) {
    const { disk } = manualRuntime();
    const { log } = await openTestLog(disk);
    await log.append([{ group: 1, entries: entriesOf(1, 1, 'a') }], { sync: true });
    await assert.rejects(log.append([write], { sync: true }), (error) => ConclaveError.is(error, 'internal'));
    await log.close();
    assert.deepEqual((await openTestLog(disk)).groups.get(1)?.entries, entriesOf(1, 1, 'a'));
  }
});

test('close waits for what was appended; afterwards appends are refused', async () => {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk);
  const appended = log.append([{ group: 1, entries: entriesOf(1, 1, 'a') }], { sync: true });
  await log.close();
  await appended;
  await log.close();
  await assert.rejects(log.append([], { sync: true }), (error) => ConclaveError.is(error, 'closed'));
});

test('opening and closing again does not grow the log', async () => {
  const { disk } = manualRuntime();
  await (await openTestLog(disk)).log.close();
  const { log } = await openTestLog(disk);
  await log.append([{ group: 1, entries: entriesOf(1, 1, 'a') }], { sync: true });
  await log.close();
  const bytes = log.bytes;
  for (let time = 0; time < 3; time++) {
    const again = await openTestLog(disk);
    await again.log.close();
    assert.equal(again.log.bytes, bytes);
  }
  assert.equal((await segments(disk)).length, 1);
});

test('a log of another cluster or member is refused', async () => {
  const { disk } = manualRuntime();
  await (await openTestLog(disk)).log.close();
  for (const change of [{ clusterId: 8 }, { memberId: 4 }]) {
    await assert.rejects(openLog({ ...logOptions(disk), ...change }), (error) => {
      assert.ok(ConclaveError.is(error, 'data-incompatible'));
      assert.match(error.message, /belongs to member 3 of cluster 7/);
      return true;
    });
  }
});

test('an empty folder is refused where a log is expected', async () => {
  const { disk } = manualRuntime();
  await disk.makeFolder(logFolder);
  await assert.rejects(openLog({ ...logOptions(disk), expectExisting: true }), (error) =>
    ConclaveError.is(error, 'data-damaged'),
  );
});
