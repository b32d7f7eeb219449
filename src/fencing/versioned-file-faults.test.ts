// What crashes, disks and pauses do to a file.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime, SeededRandom } from '../runtime/testing.ts';
import type { Disk } from '../runtime/types.ts';
import { versionedFile } from './index.ts';
import { bytes, delayed, path, setUp, text } from './testing.ts';

test('damage is noticed: reading falls back and says so, writing is refused', async () => {
  const { file, runtime } = await setUp();
  await file.write(bytes('good'), { token: 1, expectedVersion: 0 });
  await file.write(bytes('rotten'), { token: 2, expectedVersion: 1 });
  const newest = '/data/state.v0000000000000002';
  const sizeBytes = runtime.disk.contents(newest).length;
  for (let offset = 0; offset < sizeBytes; offset++) {
    runtime.disk.flip(newest, offset);
    // A format number from the future is an error of its own.
    if (offset === 8 || offset === 9) await assert.rejects(file.read(), { code: 'data-incompatible' });
    else assert.deepEqual((await file.read()).damaged, [2], `offset ${offset}`);
    runtime.disk.flip(newest, offset);
  }
  runtime.disk.flip(newest, 60);
  const { version, data, damaged } = await file.read();
  assert.deepEqual([version, text(data), damaged], [1, 'good', [2]]);
  const expected = { code: 'data-damaged', message: /state\.v0000000000000002/ };
  await assert.rejects(file.write(bytes('x'), { token: 9, expectedVersion: 1 }), expected);
  runtime.disk.flip('/data/state.v0000000000000001', 60);
  await assert.rejects(file.read(), { code: 'data-damaged' });
});

test('a file system that repeats a link it has carried out, and then says that the name exists, is seen through', async () => {
  const { runtime } = await setUp();
  const { disk } = runtime;
  const repeating = new Proxy(disk, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      if (property !== 'link') return value.bind(target);
      return async (from: string, to: string) => {
        await target.link(from, to);
        await target.link(from, to);
      };
    },
  });
  const file = versionedFile(path, { runtime: { ...runtime, disk: repeating } });
  for (const expectedVersion of [0, 1]) await file.write(bytes('a'), { token: 5, expectedVersion });
  await assert.rejects(file.write(bytes('b'), { token: 4, expectedVersion: 2 }), { code: 'stale-token' });
  assert.equal((await file.read()).version, 2);
});

test('a full or failing disk is reported, and leaves the last version', async () => {
  const { file, runtime } = await setUp();
  await file.write(bytes('good'), { token: 1, expectedVersion: 0 });
  runtime.disk.fail('write', { code: 'disk-full' });
  await assert.rejects(file.write(bytes('x'), { token: 1, expectedVersion: 1 }), { code: 'disk-full' });
  runtime.disk.fail('sync');
  await assert.rejects(file.write(bytes('x'), { token: 1, expectedVersion: 1 }), { code: 'disk-failed' });
  assert.equal((await file.read()).version, 1);
  runtime.disk.fail('sync-folder');
  await assert.rejects(file.write(bytes('x'), { token: 1, expectedVersion: 1 }), {
    code: 'disk-failed',
    outcome: 'unknown',
  });
});

/** Between operations some of the writers stand still for a few or very many turns of the loop. */
function unsteady(disk: Disk, random: SeededRandom): Disk {
  return delayed(disk, async () => {
    const roll = random.unit();
    const turns = roll < 0.5 ? 0 : roll < 0.95 ? random.below(8) : random.below(300);
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  });
}

test('however writers are paused: one write for each version, tokens never fall, nothing accepted is lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async (seed) => {
      const { runtime } = await setUp();
      const random = new SeededRandom(seed);
      const accepted: { version: number; token: number; content: string }[] = [];
      const writers = Array.from({ length: 5 }, async (_, token) => {
        const disk = unsteady(runtime.disk, random);
        const file = versionedFile(path, { runtime: { ...runtime, disk, random }, keepVersions: 2 });
        for (let round = 0; round < 12; round++) {
          const seen = await file.read();
          const content = `${token}-${round}`;
          try {
            const { version } = await file.write(bytes(content), {
              token: token >> 1,
              expectedVersion: seen.version,
            });
            accepted.push({ version, token: token >> 1, content });
          } catch (error) {
            assert(ConclaveError.is(error));
            assert(['stale-token', 'version-conflict'].includes(error.code), error.message);
          }
        }
      });
      await Promise.all(writers);
      accepted.sort((left, right) => left.version - right.version);
      for (const [at, { version, token }] of accepted.entries()) {
        assert.equal(version, at + 1);
        assert(token >= (accepted[at - 1]?.token ?? 0));
      }
      const newest = await versionedFile(path, { runtime }).read();
      assert.equal(text(newest.data), accepted.at(-1)?.content);
    }),
    { numRuns: 25 },
  );
});

test('a crash at any operation leaves the last accepted version or the one under way, whole', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 2 ** 31 }),
      async (at, seed) => {
        const runtime = manualRuntime({ seed });
        await runtime.disk.makeFolder('/data');
        await runtime.disk.syncFolder('/');
        const file = versionedFile(path, { runtime, keepVersions: 2 });
        const crashAt = runtime.disk.operations + at;
        const crashed = Promise.withResolvers<void>();
        runtime.disk.onOperation = () => {
          if (runtime.disk.operations !== crashAt) return;
          runtime.disk.crash({ keeps: 'some' });
          crashed.resolve();
        };
        let accepted = 0;
        const writing = (async () => {
          for (;;) {
            await file.write(bytes(`${accepted + 1}`), { token: accepted + 1, expectedVersion: accepted });
            accepted += 1;
          }
        })();
        await Promise.race([crashed.promise, writing]);
        runtime.disk.onOperation = undefined;
        const { version, token, data, damaged } = await file.read();
        assert(version === accepted || version === accepted + 1, `${version} after ${accepted}`);
        assert.deepEqual([token, text(data), damaged], [version, version === 0 ? '' : `${version}`, []]);
        await file.write(bytes('after'), { token, expectedVersion: version });
      },
    ),
    { numRuns: 150 },
  );
});

/** The process that is stopped and woken: reads and writes when told to. */
const raceWriter = `
  import { versionedFile } from ${JSON.stringify(import.meta.resolve('./index.ts'))};
  const [path, token] = process.argv.slice(1);
  const file = versionedFile(path);
  let seen = 0;
  process.on('message', async (order) => {
    try {
      if (order === 'read') seen = (await file.read()).version;
      else seen = (await file.write(new Uint8Array(8), { token: Number(token), expectedVersion: seen })).version;
      process.send((order === 'read' ? 'read ' : 'version ') + seen);
    } catch (error) {
      process.send(error.code);
    }
  });
  process.send('ready');
`;

test('the classic race between processes: a writer stopped past its lease is refused when it wakes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'conclave-fencing-'));
  const shared = join(folder, 'state');
  const start = async (token: number): Promise<ChildProcess> => {
    const args = ['--input-type=module', '-e', raceWriter, shared, String(token)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    await once(child, 'message');
    return child;
  };
  const ask = async (child: ChildProcess, order: string): Promise<string> => {
    child.send(order);
    return String((await once(child, 'message'))[0]);
  };
  const [a, b] = [await start(5), await start(6)];
  try {
    assert.equal(await ask(a, 'write'), 'version 1');
    assert.equal(await ask(a, 'read'), 'read 1');
    a.kill('SIGSTOP');
    a.send('write');
    assert.equal(await ask(b, 'read'), 'read 1');
    assert.equal(await ask(b, 'write'), 'version 2');
    a.kill('SIGCONT');
    assert.equal(String((await once(a, 'message'))[0]), 'stale-token');
    const newest = await versionedFile(shared).read();
    assert.deepEqual([newest.version, newest.token], [2, 6]);
    assert.deepEqual(readdirSync(folder).length, 2);
  } finally {
    for (const child of [a, b]) child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});
