import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConclaveError } from '../errors/index.ts';
import { type ManualRuntime, manualRuntime, SeededRandom } from '../runtime/testing.ts';
import type { Disk, Runtime } from '../runtime/types.ts';
import { type VersionedFile, type VersionedFileOptions, versionedFile } from './index.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const path = '/data/state';

async function setUp(
  options: VersionedFileOptions = {},
): Promise<{ runtime: ManualRuntime; file: VersionedFile }> {
  const runtime = manualRuntime();
  await runtime.disk.makeFolder('/data');
  return { runtime, file: versionedFile(path, { runtime, ...options }) };
}

/** A disk that awaits `before` ahead of each operation; files that it opens, too. */
function delayed(disk: Disk, before: (operation: string, path: string) => Promise<void> | void): Disk {
  const after = async <T>(operation: string, at: string, run: () => Promise<T>): Promise<T> => {
    await before(operation, at);
    return await run();
  };
  return {
    makeFolder: (at) => disk.makeFolder(at),
    list: (at) => after('list', at, () => disk.list(at)),
    read: (at) => after('read', at, () => disk.read(at)),
    open: (at, options) => after('open', at, () => disk.open(at, options)),
    rename: (from, to) => disk.rename(from, to),
    link: (from, to) => after('link', to, () => disk.link(from, to)),
    remove: (at) => after('remove', at, () => disk.remove(at)),
    exists: (at) => after('exists', at, () => disk.exists(at)),
    syncFolder: (at) => after('syncFolder', at, () => disk.syncFolder(at)),
    lock: (at) => disk.lock(at),
  };
}

/** Pauses the first operation of this kind until `resume`; `paused` resolves when it is there. */
function pausing(runtime: Runtime, kind: string) {
  const [reached, resumed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const disk = delayed(runtime.disk, (operation) => {
    if (operation !== kind) return;
    reached.resolve();
    return resumed.promise;
  });
  return { runtime: { ...runtime, disk }, paused: reached.promise, resume: resumed.resolve };
}

test('each write is the next version, with its token and data', async () => {
  const { file } = await setUp();
  assert.deepEqual(await file.read(), {
    version: 0,
    token: 0,
    election: '',
    data: new Uint8Array(0),
    damaged: [],
  });
  assert.deepEqual(await file.write(bytes('one'), { token: 5, expectedVersion: 0 }), {
    version: 1,
    token: 5,
  });
  await file.write(bytes('two'), { token: 6, election: 'jobs', expectedVersion: 1 });
  const { version, token, election, data } = await file.read();
  assert.deepEqual([version, token, election, text(data)], [2, 6, 'jobs', 'two']);
});

test('text is written as UTF-8', async () => {
  const { file } = await setUp();
  await file.write('naïve', { token: 5, expectedVersion: 0 });
  assert.deepEqual((await file.read()).data, bytes('naïve'));
  await file.update({ name: 'jobs', token: 5, assertHeld() {} }, async ({ data }) => `${text(data)} text`);
  assert.deepEqual((await file.read()).data, bytes('naïve text'));
});

test('a lower token is refused, whatever version it expects', async () => {
  const { file } = await setUp();
  await file.write(bytes('b'), { token: 6, expectedVersion: 0 });
  for (const expectedVersion of [0, 1, 2]) {
    await assert.rejects(file.write(bytes('a'), { token: 5, expectedVersion }), { code: 'stale-token' });
  }
  assert.equal((await file.read()).version, 1);
});

test('a version that is not the next is refused', async () => {
  const { file } = await setUp();
  await file.write(bytes('a'), { token: 5, expectedVersion: 0 });
  for (const expectedVersion of [0, 2, 100]) {
    await assert.rejects(file.write(bytes('b'), { token: 5, expectedVersion }), { code: 'version-conflict' });
  }
  assert.equal(text((await file.read()).data), 'a');
});

test('a leader that is not leading does not get as far as the disk', async () => {
  const { file, runtime } = await setUp();
  const leadership = {
    name: 'jobs',
    token: 9,
    assertHeld() {
      throw new ConclaveError('not-leading', 'It is over.');
    },
  };
  const before = runtime.disk.operations;
  await assert.rejects(file.write(bytes('a'), { leadership, expectedVersion: 0 }), { code: 'not-leading' });
  await assert.rejects(file.claim(leadership), { code: 'not-leading' });
  assert.equal(runtime.disk.operations, before);
});

test('tokens of another election are refused', async () => {
  const { file } = await setUp();
  await file.write(bytes('a'), { token: 5, election: 'jobs', expectedVersion: 0 });
  await assert.rejects(file.write(bytes('b'), { token: 50, election: 'reports', expectedVersion: 1 }), {
    code: 'failed-precondition',
  });
});

test('a leadership whose tokens may begin anew is refused, also where its token wrote last', async () => {
  const { file } = await setUp();
  const leadership = { name: 'jobs', token: 5, assertHeld() {} };
  await file.write(bytes('a'), { leadership, expectedVersion: 0 });
  const unfit = { ...leadership, tokenSurvivesDeletion: false };
  const unsupported = { code: 'unsupported' };
  await assert.rejects(file.write(bytes('b'), { leadership: unfit, expectedVersion: 1 }), unsupported);
  await assert.rejects(file.claim(unfit), unsupported);
  await assert.rejects(
    file.update(unfit, () => bytes('b')),
    unsupported,
  );
  await assert.rejects(file.claim(undefined as never), { code: 'invalid-argument' });
  assert.equal((await file.read()).version, 1);
});

test('another program finds the newest version by its name, and the data where the guide says', async () => {
  const { file, runtime } = await setUp();
  await file.write(bytes('older'), { token: 6, election: 'jöbs', expectedVersion: 0 });
  await file.write(bytes('newest data'), { token: 6, election: 'jöbs', expectedVersion: 1 });
  const names = await runtime.disk.list('/data');
  assert.deepEqual(names, ['state.v0000000000000001', 'state.v0000000000000002']);
  const content = Buffer.from(await runtime.disk.read(`/data/${names.at(-1)}`));
  const start = 56 + content.readUInt32BE(12);
  assert.equal(content.toString('utf8', start, start + Number(content.readBigUInt64BE(32))), 'newest data');
  const sum = createHash('sha256').update(content.subarray(0, -32)).digest();
  assert.deepEqual(content.subarray(-32), sum);
});

test('a change or options that are missing are told of before the disk is asked', async () => {
  const { file, runtime } = await setUp();
  const before = runtime.disk.operations;
  const change = {
    code: 'invalid-argument',
    message: /change of an update must be a function, not undefined/,
  };
  await assert.rejects(file.update({ name: 'jobs', token: 5, assertHeld() {} }, undefined as never), change);
  const options = { code: 'invalid-argument', message: /write needs options/ };
  for (const wrong of [undefined, null, 5] as never[]) {
    await assert.rejects(file.write(bytes('a'), wrong), options);
  }
  assert.equal(runtime.disk.operations, before);
});

test('wrong arguments are refused', async () => {
  const { file } = await setUp();
  for (const wrong of ['', 'folder/', 'a\0b'])
    assert.throws(() => versionedFile(wrong), { code: 'invalid-argument' });
  assert.throws(() => versionedFile(path, { keepVersions: 1 }), { code: 'invalid-argument' });
  for (const token of [-1, 1.5, Number.NaN, 2 ** 60]) {
    await assert.rejects(file.write(bytes('a'), { token, expectedVersion: 0 }), { code: 'invalid-argument' });
  }
  await assert.rejects(file.write(bytes('a'), { token: 1, expectedVersion: -1 }), {
    code: 'invalid-argument',
  });
  for (const wrong of [undefined, null, 5, ['a'], '\ud800'] as never[]) {
    const data = { code: 'invalid-argument', message: /^The data of a write to \/data\/state / };
    await assert.rejects(file.write(wrong, { token: 1, expectedVersion: 0 }), data);
    const change = {
      code: 'invalid-argument',
      message: /^What the change of an update returned for \/data\/state /,
    };
    await assert.rejects(
      file.update({ name: '', token: 1, assertHeld() {} }, () => wrong),
      change,
    );
  }
  for (const leadership of [null, {}, { token: 1, assertHeld() {} }] as never[]) {
    await assert.rejects(file.claim(leadership), { code: 'invalid-argument' });
  }
});

test('old versions and left-over temporary files are collected, the newest stay', async () => {
  const { file, runtime } = await setUp({ keepVersions: 3 });
  await (await runtime.disk.open('/data/state.t0000000000000002-left', { create: true })).close();
  for (let version = 0; version < 10; version++) {
    await file.write(bytes(`${version}`), { token: 1, expectedVersion: version });
  }
  const names = (await runtime.disk.list('/data')).sort();
  assert.deepEqual(
    names,
    [8, 9, 10].map((version) => `state.v${String(version).padStart(16, '0')}`),
  );
});

test('of writers that read one version exactly one succeeds, and the others are told why', async () => {
  const { file } = await setUp();
  const tokens = [5, 6, 7, 6, 5, 7];
  const writes = tokens.map((token) => file.write(bytes(`${token}`), { token, expectedVersion: 0 }));
  const results = await Promise.allSettled(writes);
  const winners = results.filter((result) => result.status === 'fulfilled');
  assert.equal(winners.length, 1);
  const { token, version } = await file.read();
  assert.equal(version, 1);
  for (const [at, result] of results.entries()) {
    if (result.status === 'fulfilled') continue;
    assert.equal(result.reason.code, (tokens[at] ?? 0) < token ? 'stale-token' : 'version-conflict');
  }
});

for (const step of ['open', 'link']) {
  test(`a writer paused before its ${step} while its version number came, went and was collected is refused`, async () => {
    const { file, runtime } = await setUp({ keepVersions: 2 });
    await file.write(bytes('first'), { token: 5, expectedVersion: 0 });
    const slow = pausing(runtime, step);
    const late = versionedFile(path, { runtime: slow.runtime, keepVersions: 2 });
    const write = late.write(bytes('stale'), { token: 5, expectedVersion: 1 });
    write.catch(() => {});
    await slow.paused;
    for (let version = 1; version < 20; version++) {
      await file.write(bytes(`${version + 1}`), { token: 6, expectedVersion: version });
    }
    slow.resume();
    await assert.rejects(write, { code: 'stale-token' });
    const names = (await runtime.disk.list('/data')).sort();
    assert.deepEqual(
      names,
      [19, 20].map((version) => `state.v${String(version).padStart(16, '0')}`),
    );
  });
}

test('a claim shuts an older leader out before the first write', async () => {
  const { file } = await setUp();
  const leadership = (token: number) => ({ name: 'jobs', token, assertHeld() {} });
  await file.write(bytes('a'), { leadership: leadership(5), expectedVersion: 0 });
  const claimed = await file.claim(leadership(6));
  assert.deepEqual([claimed.version, claimed.token, text(claimed.data)], [2, 6, 'a']);
  await assert.rejects(file.write(bytes('b'), { leadership: leadership(5), expectedVersion: 2 }), {
    code: 'stale-token',
  });
  await assert.rejects(file.claim(leadership(5)), { code: 'stale-token' });
  assert.equal((await file.claim(leadership(6))).version, 2);
});

test('what is claimed stays, also while the write that published it has not synced its name yet', async () => {
  const { runtime } = await setUp();
  await runtime.disk.syncFolder('/');
  const { runtime: held, paused, resume } = pausing(runtime, 'syncFolder');
  const leadership = { name: 'jobs', token: 7, assertHeld: () => {} };
  // Only the first sync is held up: the one of the write.
  const file = versionedFile(path, { runtime: held });
  const writing = file.write(bytes('a'), { leadership, expectedVersion: 0 });
  await paused;
  const other = versionedFile(path, { runtime });
  assert.equal((await other.claim(leadership)).version, 1);
  runtime.disk.crash({ keeps: 'none' });
  assert.equal((await versionedFile(path, { runtime }).read()).version, 1);
  resume();
  await writing.catch(() => {});
});

test('updates claim first, and concurrent ones of one leadership all count', async () => {
  const { file } = await setUp();
  const leadership = { name: 'jobs', token: 7, assertHeld() {} };
  const add = () => file.update(leadership, ({ data }) => bytes(`${Number(text(data) || '0') + 1}`));
  await Promise.all(Array.from({ length: 8 }, add));
  const { token, data } = await file.read();
  assert.deepEqual([token, text(data)], [7, '8']);
});

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
