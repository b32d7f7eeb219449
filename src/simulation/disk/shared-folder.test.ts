import assert from 'node:assert/strict';
import { test } from 'node:test';
import { versionedFile } from '../../fencing/index.ts';
import { SharedFolder } from './shared-folder.ts';
import { DiskBench } from './testing.ts';

test('of several processes that link to one name, one succeeds', async () => {
  const bench = new DiskBench();
  const shared = new SharedFolder(bench.world, bench.world.random('shared'));
  const disks = [1, 2, 3].map((number) => {
    const host = bench.world.addHost(`h${number}`);
    return shared.of(bench.world.startProcess(`p${number}`, host));
  });
  const linking = disks.map(async (disk, at) => {
    await disk.makeFolder('/s');
    const file = await disk.open(`/s/${at}`, { exclusive: true });
    await file.writeAt(0, [Uint8Array.of(at)]);
    await disk.link(`/s/${at}`, '/s/name');
    return at;
  });
  const results = await bench.during(Promise.allSettled(linking));
  const winners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  assert.equal(winners.length, 1);
  assert.deepEqual(shared.contents('/s/name'), Uint8Array.of(winners[0] ?? -1));
});

test('what a process had asked for when it died takes effect once, perhaps after it is gone, or never', async () => {
  const seen = new Set<boolean>();
  for (let seed = 1; seed <= 20; seed++) {
    const bench = new DiskBench(seed);
    const shared = new SharedFolder(bench.world, bench.world.random('shared'));
    const disk = shared.of(bench.process);
    await bench.during(disk.makeFolder('/s'));
    disk.open('/s/f', { exclusive: true }).catch(() => {});
    bench.process.die();
    assert.deepEqual(shared.list('/s'), []);
    await bench.passes(10_000_000);
    seen.add(shared.list('/s').length === 1);
  }
  assert.equal(seen.size, 2);
});

test('what a process had asked for when it was paused takes effect while it stands still', async () => {
  const bench = new DiskBench();
  const shared = new SharedFolder(bench.world, bench.world.random('shared'));
  const disk = shared.of(bench.process);
  const made = disk.makeFolder('/s');
  bench.process.pause();
  await bench.passes(1_000_000);
  const other = shared.of(bench.world.startProcess('other', bench.world.addHost('b')));
  assert.equal(await bench.during(other.exists('/s')), true);
  bench.process.resume();
  await bench.during(made);
});

test('operations that hesitate take longer, some of them', async () => {
  const bench = new DiskBench();
  const shared = new SharedFolder(bench.world, bench.world.random('shared'));
  const disk = shared.of(bench.process);
  const tookUs = async (): Promise<number> => {
    const fromUs = bench.world.nowUs;
    await bench.during(disk.exists('/s'));
    return bench.world.nowUs - fromUs;
  };
  shared.hesitation = { chance: 0.5, longestUs: 2_000_000 };
  const taken: number[] = [];
  for (let count = 0; count < 40; count++) taken.push(await tookUs());
  assert.ok(taken.some((us) => us > 500_000) && taken.some((us) => us < 20_000), `${taken}`);
});

test('who writes next is told once, before the write takes effect', async () => {
  const bench = new DiskBench();
  const shared = new SharedFolder(bench.world, bench.world.random('shared'));
  const disk = shared.of(bench.process);
  await bench.during(disk.makeFolder('/s'));
  const file = await bench.during(disk.open('/s/f', { exclusive: true }));
  const told: string[] = [];
  shared.onNextWrite = ({ name }) => told.push(name, String(shared.contents('/s/f')?.length));
  await bench.during(file.writeAt(0, [Uint8Array.of(1)]));
  await bench.during(file.writeAt(1, [Uint8Array.of(2)]));
  assert.deepEqual(told, [bench.process.name, '0']);
});

test('a versioned file works on it', async () => {
  const bench = new DiskBench();
  const shared = new SharedFolder(bench.world, bench.world.random('shared'));
  bench.process.attach({ disk: shared.of(bench.process), network: undefined as never });
  const { runtime } = bench.process;
  await bench.during(runtime.disk.makeFolder('/s'));
  const leadership = { name: 'e', token: 5, assertHeld: () => {} };
  const file = versionedFile('/s/state', { runtime });
  const write = (text: string, expectedVersion: number) =>
    file.write(new TextEncoder().encode(text), { leadership, expectedVersion });
  await bench.during(write('one', 0));
  await bench.during(write('two', 1));
  const { data, token } = await bench.during(file.read());
  assert.deepEqual({ text: new TextDecoder().decode(data), token }, { text: 'two', token: 5 });
});

test('a loss of power takes what was not synced, of a file and of its folder, and leaves what was', async () => {
  const left = new Set<string>();
  for (let seed = 1; seed <= 30; seed++) {
    const bench = new DiskBench(seed);
    const shared = new SharedFolder(bench.world, bench.world.random('shared'));
    const disk = shared.of(bench.process);
    const work = async () => {
      await disk.makeFolder('/s');
      await disk.syncFolder('/');
      const kept = await disk.open('/s/kept', { create: true });
      await kept.writeAt(0, [Uint8Array.of(1, 2, 3)]);
      await kept.sync();
      await disk.syncFolder('/s');
      await kept.writeAt(0, [Uint8Array.of(9)]);
      await disk.open('/s/new', { create: true });
    };
    await bench.during(work());
    assert.throws(() => shared.powerFails(), /still uses/);
    bench.process.die();
    shared.powerFails();
    left.add(`${shared.list('/s')}: ${shared.contents('/s/kept')}`);
  }
  assert.deepEqual([...left].sort(), ['kept,new: 1,2,3', 'kept,new: 9,2,3', 'kept: 1,2,3', 'kept: 9,2,3']);
});

test('a version of a versioned file that was acknowledged survives a loss of power at any time', async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const bench = new DiskBench(seed);
    const shared = new SharedFolder(bench.world, bench.world.random('shared'));
    shared.hesitation = { chance: 0.2, longestUs: 20_000 };
    const [first, second] = [1, 2].map((number) =>
      bench.world.startProcess(`p${number}`, bench.world.addHost(`h${number}`)),
    );
    assert(first !== undefined && second !== undefined);
    const fileOf = (process: typeof first) => {
      const disk = shared.of(process);
      process.attach({ disk, network: undefined as never });
      return versionedFile('/s/file', { runtime: process.runtime });
    };
    const disk = shared.of(bench.process);
    await bench.during(disk.makeFolder('/s').then(() => disk.syncFolder('/')));
    const file = fileOf(first);
    const acknowledged: number[] = [0];
    const leadership = { name: 'e', token: 7, assertHeld: () => {} };
    const write = async () => {
      const { version } = await file.read();
      const written = await file.write(Uint8Array.of(version), { leadership, expectedVersion: version });
      acknowledged.push(written.version);
    };
    // Beside it, claims by another part of the same program: what that is told must stay as well.
    const claim = async () => acknowledged.push((await file.claim(leadership)).version);
    for (const action of [write, claim]) {
      void (async () => {
        while (first.alive) await action().catch(() => {});
      })();
    }
    await bench.passes(2000 + 977 * seed);
    for (const process of [first, bench.process]) process.die();
    shared.powerFails();
    const { version } = await bench.during(fileOf(second).read());
    assert(version >= Math.max(...acknowledged), `seed ${seed}: version ${version} of ${acknowledged}`);
  }
});
