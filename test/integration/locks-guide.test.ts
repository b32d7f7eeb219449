// The examples of docs/guides/locks.md, as they stand there, against a real cluster.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Guide, guidePatience as patience } from '../guide.ts';
import { TestCluster } from './cluster.ts';

const guide = new Guide('locks');

describe('the guide to locks', () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = await TestCluster.start(1);
    const address = cluster.members[0]?.clientUrl ?? '';
    await guide.unpack((code) => code.replaceAll('http://127.0.0.1:2379', address));
  }, patience);
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await guide[Symbol.asyncDispose]();
  });

  async function linesOf(name: string): Promise<string[]> {
    return (await guide.outputOf(name)).trim().split('\n');
  }

  test('its examples type-check strictly', patience, () => guide.typeCheck());

  test('migrate.ts: one process at a time, the other after it with a higher token', patience, async () => {
    const both = await Promise.all([linesOf('migrate.ts'), linesOf('migrate.ts')]);
    const tokens = both.map(([first]) => Number(/^migrating with token (\d+)$/.exec(first ?? '')?.[1]));
    assert.notEqual(tokens[0], tokens[1]);
    for (const lines of both) assert.deepEqual(lines.slice(1), ['step 1', 'step 2', 'step 3', '42 rows']);
  });

  test('patient.ts: it waits with an ear on the store, and holds the lock', patience, async () => {
    assert.match((await linesOf('patient.ts')).join('\n'), /^held with token \d+$/);
  });

  test('exports.ts: at most two jobs at a time, with rising tokens', patience, async () => {
    const lines = await linesOf('exports.ts');
    const found = lines.slice(0, 5).map((line) => /permit ([01]), token (\d+); ([12]) running$/.exec(line));
    assert(found.every(Boolean), lines.join('\n'));
    // Holders of one permit come one after the other; which of two that are taken at once is told of first is chance.
    for (const permit of ['0', '1']) {
      const tokens = found.filter((match) => match?.[1] === permit).map((match) => Number(match?.[2]));
      assert.deepEqual(
        tokens,
        [...tokens].sort((left, right) => left - right),
      );
    }
    assert.equal(new Set(found.map((match) => match?.[2])).size, 5, 'a token was given twice');
    assert.equal(lines.at(-1), 'all done');
  });

  test('catalogue.ts: nobody reads while one writes', patience, async () => {
    const lines = await linesOf('catalogue.ts');
    assert.match(lines[0] ?? '', /^writing with token \d+, 0 readers$/);
    assert.match(lines[1] ?? '', /^writing with token \d+, 0 readers$/);
    assert.equal(lines[2], 'all done');
  });

  test('first.ts: the small one gives way, and gets it back by name', patience, async () => {
    const lines = await linesOf('first.ts');
    const said = lines.map((line) => line.replace(/ with token \d+$/, ''));
    assert.deepEqual(said.slice(0, 3), ['small leads', 'small stops', 'big leads']);
    assert(said.includes('big: handed-off'), lines.join('\n'));
    const tokens = lines.flatMap((line) => /token (\d+)$/.exec(line)?.[1] ?? []).map(Number);
    assert.deepEqual(
      tokens,
      [...tokens].sort((left, right) => left - right),
    );
  });

  test('each of them is run', () => guide.assertAllRun());
});
