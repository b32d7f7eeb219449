import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import { type MemoryDisk, manualRuntime } from '../../runtime/testing.ts';
import { readSegmentHeader, segmentHeaderBytes } from './format.ts';
import { scanSegment } from './scan.ts';
import { entriesOf, logFolder, openTestLog, snapshotAt } from './testing.ts';

const first = `${logFolder}/0000000000000001.log`;

/** A log of one segment or several, with `appends` entries, each durable. */
async function writtenLog(appends: number, segmentBytes = 65_536, close = false): Promise<MemoryDisk> {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk, segmentBytes);
  for (let index = 1; index <= appends; index++) {
    const entries = entriesOf(index, 1, `entry ${index} ${'.'.repeat(40)}`);
    await log.append([{ group: 1, hardState: { term: 1, votedFor: 3, commitIndex: index - 1 }, entries }], {
      sync: true,
    });
  }
  if (close) await log.close();
  disk.crash();
  return disk;
}

/** Where the batches of a segment end. */
function batchEnds(disk: MemoryDisk, path: string): { end: number; proven: number } {
  const bytes = disk.contents(path);
  const header = readSegmentHeader(bytes);
  assert.ok(header !== undefined && 'salt' in header);
  const scan = scanSegment(bytes, header, () => {});
  return { end: scan.end, proven: scan.provenUpTo };
}

async function refuses(disk: MemoryDisk, segment: string, context: string): Promise<ConclaveError> {
  let refused: unknown;
  await assert.rejects(
    openTestLog(disk),
    (error) => {
      refused = error;
      return true;
    },
    context,
  );
  assert.ok(ConclaveError.is(refused, 'data-damaged'), `${context}: ${refused}`);
  assert.equal(refused.details.segment, segment, context);
  assert.ok(refused.message.includes(`${segment}, offset ${refused.details.offset}`), refused.message);
  return refused;
}

test('any byte that changes below what a later batch proves durable is refused, with segment and offset', async () => {
  const disk = await writtenLog(5);
  const { proven } = batchEnds(disk, first);
  assert.ok(proven > 300);
  for (let offset = 0; offset < proven; offset++) {
    const mask = 1 << (offset % 8);
    disk.flip(first, offset, mask);
    const error = await refuses(disk, '0000000000000001.log', `offset ${offset}`);
    assert.ok(Number(error.details.offset) <= offset && offset - Number(error.details.offset) < 200);
    disk.flip(first, offset, mask);
  }
  assert.equal((await openTestLog(disk)).groups.get(1)?.entries.length, 5);
});

test('in a log that was closed, any byte that changes is refused', async () => {
  const disk = await writtenLog(3, 65_536, true);
  const { proven, end } = batchEnds(disk, first);
  assert.equal(end - proven, 40, 'only the closing mark itself is not proven');
  for (let offset = 0; offset < proven; offset += 3) {
    disk.flip(first, offset);
    await refuses(disk, '0000000000000001.log', `offset ${offset}`);
    disk.flip(first, offset);
  }
});

test('any byte that changes in a segment that is not the last is refused', async () => {
  const disk = await writtenLog(40, 1024);
  const names = await disk.list(logFolder);
  assert.ok(names.length > 4);
  const segment = names[1] as string;
  const path = `${logFolder}/${segment}`;
  const { end } = batchEnds(disk, path);
  for (let offset = 0; offset < end; offset++) {
    disk.flip(path, offset, 0x40);
    await refuses(disk, segment, `offset ${offset}`);
    disk.flip(path, offset, 0x40);
  }
});

test('zeros in place of durable batches, wherever they begin and end, are refused', async () => {
  const disk = await writtenLog(6);
  const { proven } = batchEnds(disk, first);
  const original = disk.contents(first);
  for (let start = segmentHeaderBytes; start < proven; start += 37) {
    for (const length of [40, 200, 512]) {
      const end = Math.min(proven, start + length);
      if (original.subarray(start, end).every((byte) => byte === 0)) continue;
      for (let at = start; at < end; at++) disk.flip(first, at, original[at]);
      await refuses(disk, '0000000000000001.log', `${start} to ${end}`);
      for (let at = start; at < end; at++) disk.flip(first, at, original[at]);
    }
  }
});

test('a torn last batch is cut, reported, and gone for good', async () => {
  const whole = await writtenLog(4);
  const { end, proven } = batchEnds(whole, first);
  for (let offset = proven; offset < end; offset++) {
    const disk = await writtenLog(4);
    disk.flip(first, offset);
    const { log, groups, repaired } = await openTestLog(disk);
    assert.equal(repaired?.segment, '0000000000000001.log');
    assert.equal(repaired.offset, proven);
    assert.ok(repaired.lostBytes > 100 && repaired.lostBytes <= end - proven);
    assert.equal(groups.get(1)?.entries.length, 3);
    await log.append([{ group: 1, entries: entriesOf(4, 2, 'shorter') }], { sync: true });
    disk.crash();
    const again = await openTestLog(disk);
    assert.equal(again.repaired, undefined);
    assert.deepEqual(again.groups.get(1)?.entries.at(-1), entriesOf(4, 2, 'shorter')[0]);
  }
});

test('a zeroed tail is the end of the log, and no repair', async () => {
  const disk = await writtenLog(3);
  await using file = await disk.open(first);
  await file.truncate((await file.size()) + 100_000);
  await file.sync();
  const { groups, repaired } = await openTestLog(disk);
  assert.equal(repaired, undefined);
  assert.equal(groups.get(1)?.entries.length, 3);
});

test('bytes of a client that look like a batch prove nothing', async () => {
  // The data of a whole other log, batch headers included, as the value of an entry.
  const other = await writtenLog(4);
  const { end } = batchEnds(other, first);
  const data = other.contents(first).slice(0, end);
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk);
  await log.append([{ group: 1, entries: entriesOf(1, 1, 'a') }], { sync: true });
  const { end: before } = batchEnds(disk, first);
  await log.append([{ group: 1, entries: [{ index: 2, term: 1, kind: 'command', data }] }], { sync: true });
  disk.crash();
  disk.flip(first, before + 50);
  const { repaired } = await openTestLog(disk);
  assert.equal(repaired?.offset, before);
});

test('a missing segment is refused, in the middle and at the start', async () => {
  for (const missing of [0, 2]) {
    const disk = await writtenLog(40, 1024);
    const names = await disk.list(logFolder);
    await disk.remove(`${logFolder}/${names[missing]}`);
    await refuses(disk, names[missing] as string, `without ${names[missing]}`);
  }
});

test('a segment in use with later ones behind it must not have lost its end', async () => {
  const disk = await writtenLog(40, 1024);
  const [name] = await disk.list(logFolder);
  await using file = await disk.open(`${logFolder}/${name}`);
  await file.truncate((await file.size()) - 40);
  await refuses(disk, name as string, 'the seal is gone');
});

test('after compaction the oldest segments that are left are enough', async () => {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk, 1024);
  for (let index = 1; index <= 30; index++) {
    await log.append([{ group: 1, entries: entriesOf(index, 1, 'x'.repeat(100)) }], { sync: true });
    if (index % 10 === 0) await log.compacted(1, snapshotAt(index - 3, 1));
  }
  await log.close();
  const { groups } = await openTestLog(disk, 1024);
  assert.deepEqual(
    groups.get(1)?.entries.map((entry) => entry.index),
    [28, 29, 30],
  );
});
