import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import type { Disk, File } from '../../runtime/types.ts';
import { DiskBench } from './testing.ts';

const ones = (length: number): Uint8Array => new Uint8Array(length).fill(1);

/** A durable empty file. */
async function fileOn(disk: Disk, durableWrites = false): Promise<File> {
  await disk.makeFolder('/d');
  const file = await disk.open('/d/f', { create: true, durableWrites });
  await disk.syncFolder('/');
  await disk.syncFolder('/d');
  return file;
}

function fails(code: string): (error: unknown) => boolean {
  return (error) => ConclaveError.is(error, code as 'disk-failed');
}

test('operations take virtual time, more of it on a slow disk', async () => {
  const bench = new DiskBench();
  const file = await bench.during(fileOn(bench.view));
  const took = async (): Promise<number> => {
    const startUs = bench.world.nowUs;
    for (let times = 0; times < 20; times++) await bench.during(file.sync());
    return bench.world.nowUs - startUs;
  };
  const usual = await took();
  assert.ok(usual >= 20 * 200, `${usual}`);
  bench.disk.faults.slowness = 50;
  assert.ok((await took()) > 10 * usual);
});

test('what was written outlives its process, and what was synced the power', async () => {
  const bench = new DiskBench();
  const file = await bench.during(fileOn(bench.view));
  await bench.during(file.writeAt(0, [ones(600)]));
  assert.equal((await bench.during(bench.restart().read('/d/f'))).length, 600);
  const again = await bench.during(bench.view.open('/d/f'));
  await bench.during(again.sync());
  await bench.during(again.writeAt(600, [ones(5000)]));
  const read = await bench.during(bench.restart({ powerFails: true }).read('/d/f'));
  assert.deepEqual(read.subarray(0, 600), ones(600));
});

test('a power failure in the middle of a durable write leaves any of its sectors', async () => {
  const found = new Set<string>();
  for (let seed = 1; seed <= 300; seed++) {
    const bench = new DiskBench(seed);
    const file = await bench.during(fileOn(bench.view, true));
    await bench.during(file.writeAt(0, [new Uint8Array(1536).fill(2)]));
    const writing = file.writeAt(0, [ones(1536)]);
    writing.catch(() => {});
    await bench.passes(20);
    const read = await bench.during(bench.restart({ powerFails: true }).read('/d/f'));
    found.add([0, 512, 1024].map((at) => read[at]).join(''));
    for (let at = 0; at < 1536; at++) assert.equal(read[at], read[at - (at % 512)] ?? 0);
  }
  assert.deepEqual([...found].sort(), ['111', '112', '121', '122', '211', '212', '221', '222']);
});

test('a durable write is durable when it resolves, though an earlier write is not', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const bench = new DiskBench(seed);
    const lazy = await bench.during(fileOn(bench.view));
    await bench.during(lazy.writeAt(0, [new Uint8Array(4096).fill(2)]));
    const file = await bench.during(bench.view.open('/d/f', { durableWrites: true }));
    await bench.during(file.writeAt(1024, [ones(512)]));
    const read = await bench.during(bench.restart({ powerFails: true }).read('/d/f'));
    assert.deepEqual(read.subarray(1024, 1536), ones(512));
  }
});

test('a name is lost with the power unless its folder was synced', async () => {
  let lost = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const bench = new DiskBench(seed);
    await bench.during(fileOn(bench.view));
    const other = await bench.during(bench.view.open('/d/g', { create: true }));
    await bench.during(other.sync());
    bench.restart({ powerFails: true });
    if (!(await bench.during(bench.view.exists('/d/g')))) lost += 1;
    assert.ok(await bench.during(bench.view.exists('/d/f')));
  }
  assert.ok(lost > 0 && lost < 30, `${lost}`);
});

test('a process that dies frees its locks, and its operations never end', async () => {
  const bench = new DiskBench();
  await bench.during(bench.view.lock('/lock'));
  await assert.rejects(bench.during(bench.view.lock('/lock')), fails('data-locked'));
  let ended = false;
  bench.view.makeFolder('/x').finally(() => {
    ended = true;
  });
  const old = bench.view;
  bench.restart();
  await bench.during(bench.view.lock('/lock'));
  old.exists('/x').finally(() => {
    ended = true;
  });
  await bench.passes(1_000_000);
  assert.equal(ended, false);
});

test('the disk goes on while the process stands still, which hears of it when it goes on', async () => {
  const bench = new DiskBench();
  const file = await bench.during(fileOn(bench.view, true));
  let heard = false;
  const writing = file.writeAt(0, [ones(10)]).then(() => {
    heard = true;
  });
  bench.process.pause();
  await bench.passes(1_000_000);
  assert.equal(heard, false);
  const durable = bench.disk.platter.durable('/d/f');
  assert.ok(durable !== undefined && durable !== 'folder' && durable.platter().length === 10);
  bench.process.resume();
  await bench.during(writing);
});

test('a failed sync loses what it should have made durable, and the next one succeeds', async () => {
  const bench = new DiskBench();
  const file = await bench.during(fileOn(bench.view));
  await bench.during(file.writeAt(0, [ones(100)]));
  bench.disk.faults.failNext('sync');
  await assert.rejects(bench.during(file.sync()), fails('disk-failed'));
  await bench.during(file.sync());
  assert.equal((await bench.during(bench.view.read('/d/f'))).length, 100);
  assert.equal((await bench.during(bench.restart({ powerFails: true }).read('/d/f'))).length, 0);
  assert.equal(bench.disk.faults.counts.failedOperations, 1);
});

test('a full disk refuses to hold more until there is room, and a file that was only made longer takes none', async () => {
  const bench = new DiskBench();
  const file = await bench.during(fileOn(bench.view, true));
  bench.disk.faults.capacityBytes = 1000;
  await bench.during(file.truncate(1024 * 1024));
  await bench.during(file.writeAt(0, [ones(900)]));
  await assert.rejects(bench.during(file.writeAt(900, [ones(200)])), fails('disk-full'));
  await bench.during(file.writeAt(0, [ones(900)]));
  bench.disk.heal();
  await bench.during(file.writeAt(900, [ones(200)]));
  assert.equal(bench.disk.faults.counts.fullDisk, 1);
});

test('a disk that hangs does nothing until it is released', async () => {
  const bench = new DiskBench();
  const file = await bench.during(fileOn(bench.view));
  bench.disk.hang();
  const writing = file.writeAt(0, [ones(10)]);
  await bench.passes(10_000_000);
  assert.equal(await Promise.race([writing, 'hangs']), 'hangs');
  bench.disk.release();
  await bench.during(writing);
  assert.equal(bench.disk.faults.counts.hangs, 1);
});

test('a disk that two faults hang does nothing until both have released it', async () => {
  const bench = new DiskBench();
  const file = await bench.during(fileOn(bench.view));
  bench.disk.hang();
  bench.disk.hang();
  const writing = file.writeAt(0, [ones(10)]);
  bench.disk.release();
  await bench.passes(10_000_000);
  assert.equal(await Promise.race([writing, 'hangs']), 'hangs');
  bench.disk.release();
  await bench.during(writing);
  bench.disk.hang();
  bench.disk.hang();
  bench.disk.heal();
  assert.equal(bench.disk.hanging, false);
});

test('rotten reads differ from what is on the platter by one bit, but not for a member that recovers', async () => {
  const bench = new DiskBench();
  const file = await bench.during(fileOn(bench.view, true));
  await bench.during(file.writeAt(0, [ones(100)]));
  const { faults } = bench.disk;
  let met = 0;
  const onRead = (): void => {
    met += 1;
  };
  faults.rottenReads = { path: '/d/', onRead };
  const wrongOfTwenty = async (): Promise<number> => {
    let wrong = 0;
    for (let reads = 0; reads < 20; reads++) {
      const changed = [...(await bench.during(file.readAt(0, 100)))].filter((byte) => byte !== 1).length;
      assert.ok(changed <= 1, `${changed}`);
      wrong += changed;
    }
    return wrong;
  };
  assert.ok((await wrongOfTwenty()) > 0);
  assert.ok(met > 0 && met === faults.counts.rottenReads);
  faults.recovering = true;
  assert.equal(await wrongOfTwenty(), 0);
  faults.recovering = false;
  bench.disk.heal();
  assert.equal(await wrongOfTwenty(), 0);
});

test('rot changes one bit or one sector of what is durable', async () => {
  for (const sector of [false, true]) {
    const bench = new DiskBench();
    const file = await bench.during(fileOn(bench.view, true));
    await bench.during(file.writeAt(0, [ones(2000)]));
    const rotten = bench.disk.rot({ sector, path: '/d/' });
    assert.equal(rotten?.path, '/d/f');
    const read = await bench.during(bench.restart({ powerFails: true }).read('/d/f'));
    const changed = [...read].filter((byte) => byte !== 1).length;
    assert.ok(sector ? changed > 400 && changed <= 512 : changed === 1, `${changed}`);
    assert.equal(bench.disk.rot({ path: 'nothing' }), undefined);
  }
});

test('one read goes astray, and the next one does not', async () => {
  const bench = new DiskBench(3);
  const file = await bench.during(fileOn(bench.view, true));
  const content = bench.world.random('content').bytes(3000);
  await bench.during(file.writeAt(0, [content]));
  bench.disk.faults.misdirectNextRead('/d/', 1);
  assert.deepEqual(await bench.during(bench.view.read('/d/f')), content);
  assert.notDeepEqual(await bench.during(bench.view.read('/d/f')), content);
  assert.deepEqual(await bench.during(bench.view.read('/d/f')), content);
  assert.equal(bench.disk.faults.counts.misdirectedReads, 1);
});

test('a wiped disk is empty', async () => {
  const bench = new DiskBench();
  await bench.during(fileOn(bench.view));
  bench.process.die();
  bench.disk.wipe();
  assert.deepEqual(await bench.during(bench.restart().list('/')), []);
});
