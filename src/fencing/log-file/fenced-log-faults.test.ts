// What crashes, disks and other writers do to a log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { steppingDisk } from '../../../test/fencing/stepping-disk.ts';
import { ConclaveError } from '../../errors/index.ts';
import { manualRuntime, SeededRandom } from '../../runtime/testing.ts';
import type { File, Runtime } from '../../runtime/types.ts';
import { type FencedLog, fencedLog } from './index.ts';
import { bytes, leader, path, records, setUp } from './testing.ts';

/** Another process, which may be held up ahead of each operation. */
function another(runtime: Runtime, step: () => Promise<void> = async () => {}): FencedLog {
  return fencedLog(path, { runtime: { ...runtime, disk: steppingDisk(runtime.disk, step) } });
}

/** A log whose file begins with these bytes. */
async function setUpWith(content: Uint8Array) {
  const made = await setUp();
  await using file = await made.runtime.disk.open(path, { create: true, append: true });
  await file.append(content);
  return { ...made, contents: () => made.runtime.disk.contents(path) };
}

test('a record that holds the next frame of its own log, whole or cut off, does not pass for one', async () => {
  const { log, contents } = await setUpWith(new Uint8Array(0));
  await log.append(leader(1), bytes('first'));
  const first = contents();
  await log.append(leader(1), bytes('forged'));
  const forged = Uint8Array.from([...contents().subarray(first.length), ...bytes('and more')]);
  const { log: holding, contents: held } = await setUpWith(first);
  await holding.append(leader(1), forged);
  await holding.append(leader(1), bytes('after'));
  const data = [];
  for await (const record of holding.read()) data.push(record.data);
  assert.deepEqual(data, [bytes('first'), forged, bytes('after')]);
  const end = first.length + 32 + 72 + 'jobs'.length + 4 + forged.length;
  for (let size = first.length; size < end; size++) {
    const { log: torn } = await setUpWith(held().subarray(0, size));
    await torn.append(leader(1), bytes('after'));
    assert.deepEqual(await records(torn), ['1 1 first', '2 1 after'], `cut at ${size}`);
  }
});

test('nothing is put behind a record of another process that is not on the disk yet', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const runtime = manualRuntime({ seed });
    await runtime.disk.makeFolder('/data');
    await runtime.disk.syncFolder('/');
    await fencedLog(path, { runtime }).append(leader(1), bytes('kept'));
    const stopping = () => stoppingAtSync(runtime);
    const [one, other] = [stopping(), stopping()];
    for (const { log, stopped } of [one, other]) {
      log.append(leader(1), bytes('x'.repeat(600))).catch(() => {});
      await stopped;
    }
    runtime.disk.crash({ keeps: 'some' });
    const after = fencedLog(path, { runtime });
    await after.append(leader(2), bytes('after'));
    const found = await records(after);
    assert.deepEqual([found[0], found.at(-1)], ['1 1 kept', `${found.length} 2 after`]);
  }
});

/** Another process; `change` gets each file that it opens. */
function changed(runtime: Runtime, change: (file: File) => void): FencedLog {
  const open: Runtime['disk']['open'] = async (at, options) => {
    const file = await runtime.disk.open(at, options);
    change(file);
    return file;
  };
  const disk = new Proxy(runtime.disk, {
    get: (target, name) =>
      name === 'open' ? open : (target[name as keyof typeof target] as () => unknown).bind(target),
  });
  return fencedLog(path, { runtime: { ...runtime, disk } });
}

/** A process that stands still for good when it is to sync its own append. */
function stoppingAtSync(runtime: Runtime) {
  const reached = Promise.withResolvers<void>();
  const log = changed(runtime, (file) => {
    const append = file.append.bind(file);
    file.append = async (data) => {
      await append(data);
      file.sync = () => {
        reached.resolve();
        return new Promise(() => {});
      };
    };
  });
  return { log, stopped: reached.promise };
}

test('a tail that was cut off anywhere is passed over, and the log goes on behind it', async () => {
  const { log, runtime } = await setUp();
  await log.append(leader(5), bytes('kept'));
  const kept = runtime.disk.contents(path).length;
  await log.append(leader(5), bytes('cut off'));
  const whole = runtime.disk.contents(path);
  for (let size = kept; size < whole.length; size++) {
    const { log: after, runtime: other } = await setUp();
    const file = await other.disk.open(path, { create: true, append: true });
    await file.append(whole.subarray(0, size));
    assert.deepEqual(await records(after), ['1 5 kept'], `cut at ${size}`);
    await after.append(leader(6), bytes('next'));
    assert.deepEqual(await records(after), ['1 5 kept', '2 6 next'], `cut at ${size}`);
    await after.append(leader(6), bytes('and'));
    assert.deepEqual(await records(another(other)), ['1 5 kept', '2 6 next', '3 6 and'], `cut at ${size}`);
  }
});

test('damage to any byte before the last record is reported, behind what is whole, and stops appends', async () => {
  const { log, runtime } = await setUp();
  for (const text of ['one', 'two']) await log.append(leader(5), bytes(text));
  await log.claim(leader(6));
  const end = runtime.disk.contents(path).length;
  await log.append(leader(6), bytes('last'));
  for (let offset = 0; offset < end; offset++) {
    runtime.disk.flip(path, offset);
    const found: number[] = [];
    const reading = async () => {
      for await (const { sequence } of log.read()) found.push(sequence);
    };
    await assert.rejects(reading(), { code: 'data-damaged' }, `byte ${offset}`);
    assert.deepEqual(
      found,
      [1, 2].filter((sequence) => sequence <= found.length),
    );
    await assert.rejects(another(runtime).append(leader(9), bytes('x')), { code: 'data-damaged' });
    runtime.disk.flip(path, offset);
  }
  assert.equal((await records(log)).length, 3);
});

test('the file of another program is neither appended to nor read as an empty log', async () => {
  const marker = [0xc1, 0x66, 0x6c, 0x6f, 0x67, 0x01, 0x0d, 0x0a];
  const long = 'line\n'.repeat(200_000);
  for (const foreign of [
    bytes('a'),
    bytes('notes\n'),
    bytes(long),
    Uint8Array.of(...marker.slice(0, 7), 9),
  ]) {
    const { log, runtime } = await setUp();
    const file = await runtime.disk.open(path, { create: true, append: true });
    await file.append(foreign);
    const refusal = {
      code: 'data-incompatible',
      message: /is no fenced log: give the log a path of its own/,
    };
    for (const _ of ['first', 'again']) {
      await assert.rejects(log.append(leader(5), bytes('x')), refusal);
      await assert.rejects(log.claim(leader(5)), refusal);
      await assert.rejects(records(log), refusal);
      await assert.rejects(log.state(), refusal);
    }
    assert.deepEqual(Buffer.from(runtime.disk.contents(path)), Buffer.from(foreign));
  }
});

test('what a crash left of the first append, cut off or as zeros, is no foreign file', async () => {
  const { log: source, runtime: origin } = await setUp();
  await source.append(leader(5), bytes('lost'));
  const whole = origin.disk.contents(path);
  for (const left of [0, 1, 7, 8, 9, 31, whole.length - 1].map((size) => whole.subarray(0, size))) {
    for (const rest of [left, new Uint8Array(left.length)]) {
      const { log, runtime } = await setUp();
      const file = await runtime.disk.open(path, { create: true, append: true });
      await file.append(rest);
      assert.deepEqual(await records(log), []);
      await log.append(leader(5), bytes('kept'));
      assert.deepEqual(await records(another(runtime)), ['1 5 kept']);
    }
  }
});

test('a file that was cut by others is noticed by who has it open', async () => {
  const { log, runtime } = await setUp();
  for (const text of ['one', 'two']) await log.append(leader(5), bytes(text));
  const file = await runtime.disk.open(path);
  await file.truncate(runtime.disk.contents(path).length - 1);
  await assert.rejects(log.append(leader(5), bytes('three')), { code: 'data-damaged', message: /shorter/ });
});

test('a full disk refuses, and what it took is passed over', async () => {
  const { log, runtime } = await setUp();
  await log.append(leader(5), bytes('a'));
  runtime.disk.fail('write', { code: 'disk-full' });
  await assert.rejects(log.append(leader(5), bytes('b'.repeat(200))), {
    code: 'disk-full',
    outcome: 'not-applied',
  });
  await log.append(leader(5), bytes('c'));
  assert.deepEqual(await records(log), ['1 5 a', '2 5 c']);
});

test('after a failed sync the outcome is unknown, and the object does not go on as if nothing had been', async () => {
  const { log, runtime } = await setUp();
  await log.append(leader(5), bytes('a'));
  runtime.disk.fail('sync');
  await assert.rejects(log.append(leader(5), bytes('b')), { code: 'disk-failed', outcome: 'unknown' });
  await assert.rejects(log.append(leader(5), bytes('c')), { code: 'disk-failed' });
  await assert.rejects(log.claim(leader(6)), { code: 'disk-failed' });
});

test('a leader paused just before its append finds its place taken, and its bytes count for nobody', async () => {
  const { log, runtime } = await setUp();
  await log.append(leader(5), bytes('a'));
  const [reached, resumed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const stale = changed(runtime, (file) => {
    const append = file.append.bind(file);
    file.append = async (data) => {
      reached.resolve();
      await resumed.promise;
      await append(data);
    };
  });
  const late = stale.append(leader(5), bytes('stale'));
  late.catch(() => {});
  await reached.promise;
  await log.append(leader(6), bytes('b'));
  const before = runtime.disk.contents(path).length;
  resumed.resolve();
  await assert.rejects(late, { code: 'stale-token', outcome: 'not-applied' });
  assert(runtime.disk.contents(path).length > before);
  await log.append(leader(6), bytes('c'));
  assert.deepEqual(await records(log), ['1 5 a', '2 6 b', '3 6 c']);
});

/** Between operations it stands still for a few or very many turns of the loop. */
function unsteady(random: SeededRandom): () => Promise<void> {
  return async () => {
    const roll = random.unit();
    const turns = roll < 0.5 ? 0 : roll < 0.95 ? random.below(8) : random.below(200);
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
}

test('however writers are paused: each accepted append is there once, in its place, and tokens never fall', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async (seed) => {
      const { runtime } = await setUp();
      const random = new SeededRandom(seed);
      const accepted = new Map<number, string>();
      let seen: string[] = [];
      const writers = Array.from({ length: 6 }, async (_, writer) => {
        const log = another({ ...runtime, random }, unsteady(random));
        const token = (writer >> 1) + 1;
        for (let round = 0; round < 8; round++) {
          const text = `${writer}-${round}`;
          try {
            if (round === 3) await log.claim(leader(token));
            const { sequence } = await log.append(leader(token), bytes(text));
            assert(!accepted.has(sequence));
            accepted.set(sequence, `${sequence} ${token} ${text}`);
          } catch (error) {
            assert(ConclaveError.is(error, 'stale-token'), String(error));
          }
        }
      });
      const reader = (async () => {
        const log = another(runtime, unsteady(random));
        for (let round = 0; round < 6; round++) {
          const now = await records(log);
          assert.deepEqual(now.slice(0, seen.length), seen, 'what was read once stays');
          seen = now;
        }
      })();
      await Promise.all([...writers, reader]);
      const all = await records(another(runtime));
      assert.deepEqual(all.slice(0, seen.length), seen);
      assert.deepEqual(
        all,
        [...accepted].sort(([left], [right]) => left - right).map(([, record]) => record),
      );
      const tokens = all.map((line) => Number(line.split(' ')[1]));
      assert.deepEqual(
        tokens,
        tokens.toSorted((left, right) => left - right),
      );
    }),
    { numRuns: 25 },
  );
});

test('a crash of the host at any operation keeps every accepted append and every record that was read', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 80 }),
      fc.integer({ min: 1, max: 2 ** 31 }),
      async (at, seed) => {
        const runtime = manualRuntime({ seed });
        await runtime.disk.makeFolder('/data');
        await runtime.disk.syncFolder('/');
        const random = new SeededRandom(seed);
        const crashAt = runtime.disk.operations + at;
        const crashed = Promise.withResolvers<void>();
        let dead = false;
        runtime.disk.onOperation = () => {
          if (runtime.disk.operations !== crashAt) return;
          runtime.disk.crash({ keeps: 'some' });
          dead = true;
          crashed.resolve();
        };
        const step = async (): Promise<void> => {
          await unsteady(random)();
          if (dead) await new Promise(() => {});
        };
        const accepted: string[] = [];
        let seen: string[] = [];
        const write = async (token: number): Promise<void> => {
          const log = another({ ...runtime, random }, step);
          for (let round = 0; ; round++) {
            const text = `${token}-${round}-${'x'.repeat(random.below(1500))}`;
            const { sequence } = await log.append(leader(token), bytes(text));
            accepted.push(`${sequence} ${token} ${text}`);
          }
        };
        const read = async (): Promise<void> => {
          const log = another(runtime, step);
          for (;;) seen = await records(log);
        };
        const stopped = (error: unknown) => assert(ConclaveError.is(error, 'stale-token'), String(error));
        await Promise.race([
          crashed.promise,
          Promise.all([write(1).catch(stopped), write(2), write(2), read()]),
        ]);
        runtime.disk.onOperation = undefined;
        const after = fencedLog(path, { runtime });
        const found = await records(after);
        for (const record of [...accepted, ...seen]) assert(found.includes(record), `${record} is lost`);
        await after.append(leader(3), bytes('after'));
        assert.deepEqual(await records(after), [...found, `${found.length + 1} 3 after`]);
      },
    ),
    { numRuns: 150 },
  );
});
