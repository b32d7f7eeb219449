import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { versionedFile } from './index.ts';
import { bytes, path, pausing, setUp, text } from './testing.ts';

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
