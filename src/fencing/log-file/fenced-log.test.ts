import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import { fencedLog } from './index.ts';
import { bytes, leader, path, records, setUp } from './testing.ts';

test('what was appended is read, in order, with its sequence and token', async () => {
  const { log, runtime } = await setUp();
  assert.deepEqual(await records(log), []);
  assert.deepEqual(await log.append(leader(5), bytes('one')), { sequence: 1, token: 5, election: 'jobs' });
  await log.append(leader(5), bytes(''));
  assert.equal((await log.append(leader(7), bytes('three'))).sequence, 3);
  assert.deepEqual(await records(fencedLog(path, { runtime })), ['1 5 one', '2 5 ', '3 7 three']);
  assert.deepEqual(await records(log, { from: 3 }), ['3 7 three']);
  assert.deepEqual(await records(log, { from: 4 }), []);
  assert.deepEqual(await log.state(), { sequence: 3, token: 7, election: 'jobs' });
});

test('text is appended as UTF-8', async () => {
  const { log } = await setUp();
  await log.append(leader(5), 'naïve');
  await log.append(leader(5), '');
  assert.deepEqual(await records(log), ['1 5 naïve', '2 5 ']);
});

test('a lower token is refused before anything is written, and one of another election', async () => {
  const { log, runtime } = await setUp();
  await log.append(leader(6), bytes('new'));
  const before = runtime.disk.contents(path).length;
  for (const object of [log, fencedLog(path, { runtime })]) {
    const stale = { code: 'stale-token', details: { token: 5, highestToken: 6 } };
    await assert.rejects(object.append(leader(5), bytes('old')), stale);
    await assert.rejects(object.claim(leader(5)), stale);
    const foreign = { code: 'failed-precondition' };
    await assert.rejects(object.append(leader(9, 'reports'), bytes('x')), foreign);
  }
  assert.equal(runtime.disk.contents(path).length, before);
});

test('a claim shuts an older leader out before the first append, and adds no record', async () => {
  const { log } = await setUp();
  await log.append(leader(5), bytes('a'));
  assert.deepEqual(await log.claim(leader(6)), { sequence: 1, token: 6, election: 'jobs' });
  await assert.rejects(log.append(leader(5), bytes('b')), { code: 'stale-token' });
  assert.deepEqual(await log.claim(leader(6)), { sequence: 1, token: 6, election: 'jobs' });
  await log.append(leader(6), bytes('c'));
  assert.deepEqual(await records(log), ['1 5 a', '2 6 c']);
});

test('a claim of a log that is claimed already writes nothing', async () => {
  const { log, runtime } = await setUp();
  await log.claim(leader(5));
  const before = runtime.disk.contents(path).length;
  await log.claim(leader(5));
  await fencedLog(path, { runtime }).claim(leader(5));
  assert.equal(runtime.disk.contents(path).length, before);
});

test('an append that expects another end of the log is refused', async () => {
  const { log } = await setUp();
  await log.append(leader(5), bytes('a'), { expectedSequence: 0 });
  for (const expectedSequence of [0, 2]) {
    await assert.rejects(log.append(leader(5), bytes('b'), { expectedSequence }), {
      code: 'version-conflict',
    });
  }
  await log.append(leader(5), bytes('b'), { expectedSequence: 1 });
  assert.deepEqual(await records(log), ['1 5 a', '2 5 b']);
});

test('appends that wait together share one write, keep their order, and a wrong one fails alone', async () => {
  const { log, runtime } = await setUp();
  await log.claim(leader(5));
  const before = runtime.disk.operations;
  const unlucky = { ...leader(5), assertHeld: () => assert.equal(runtime.disk.operations, before) };
  const first = log.append(leader(5), bytes('first'));
  const rest = Array.from({ length: 50 }, (_, at) =>
    at === 20 ? log.append(unlucky, bytes('x')) : log.append(leader(5), bytes(`${at}`)),
  );
  const results = await Promise.allSettled([first, ...rest]);
  assert.equal(results.filter(({ status }) => status === 'rejected').length, 1);
  const found = (await records(log)).map((line) => line.split(' ')[2]);
  assert.deepEqual(found, ['first', ...Array.from({ length: 50 }, (_, at) => `${at}`).toSpliced(20, 1)]);
  assert(runtime.disk.operations - before < 30, `${runtime.disk.operations - before} operations`);
});

test('wrong arguments are refused before the disk is touched', async () => {
  const { log, runtime } = await setUp({ maxWaitingBytes: 1000 });
  const before = runtime.disk.operations;
  for (const wrong of ['', 'folder/', 'a\0b']) {
    assert.throws(() => fencedLog(wrong), { code: 'invalid-argument' });
  }
  assert.throws(() => fencedLog(path, { maxWaitingBytes: 0 }), { code: 'invalid-argument' });
  const invalid = { code: 'invalid-argument' };
  await assert.rejects(log.append(leader(-1), bytes('a')), invalid);
  await assert.rejects(log.append(undefined as never, bytes('a')), invalid);
  await assert.rejects(log.append(leader(1, 'n'.repeat(2000)), bytes('a')), invalid);
  await assert.rejects(log.append(leader(1), 7 as never), {
    ...invalid,
    message: 'The record for /data/journal must be a Uint8Array or a string, not number.',
  });
  await assert.rejects(log.append(leader(1), '\ud800'), invalid);
  await assert.rejects(log.append(leader(1), bytes('a'), { expectedSequence: 0.5 }), invalid);
  await assert.rejects(log.append(leader(1), new Uint8Array(2 ** 24 + 1)), { code: 'too-large' });
  await assert.rejects(records(log, { from: 0 }), invalid);
  const unfit = { ...leader(1), tokenSurvivesDeletion: false };
  await assert.rejects(log.append(unfit, bytes('a')), { code: 'unsupported' });
  await assert.rejects(log.claim(unfit), { code: 'unsupported' });
  const over = {
    ...leader(1),
    assertHeld() {
      throw new ConclaveError('not-leading', 'It is over.');
    },
  };
  await assert.rejects(log.append(over, bytes('a')), { code: 'not-leading' });
  assert.equal(runtime.disk.operations, before);
  // The first is under way, the second waits.
  const waiting = [1, 2].map(() => log.append(leader(1), bytes('a'.repeat(900))));
  await assert.rejects(log.append(leader(1), bytes('a')), { code: 'too-many-requests', retryable: true });
  await Promise.all(waiting);
  await log.close();
  await assert.rejects(log.append(leader(1), bytes('a')), { code: 'closed' });
  await assert.rejects(records(fencedLog('/nowhere/log', { runtime })), { code: 'not-found' });
});

test('closing waits for what was asked for, and reading is stopped by its signal', async () => {
  const { log } = await setUp();
  const appends = [log.append(leader(1), bytes('a')), log.append(leader(1), bytes('b'))];
  await log.close();
  await Promise.all(appends);
  await assert.rejects(records(log, { signal: AbortSignal.abort() }), { code: 'aborted' });
  assert.deepEqual(await records(log), ['1 1 a', '2 1 b']);
});
