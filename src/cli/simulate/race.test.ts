import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandFailure } from '../failure.ts';
import { runProgram } from '../program.ts';
import { raceSeed } from './race.ts';

test('the race has the seed that is given, or a drawn one', () => {
  assert.equal(raceSeed({ seed: '7' }, ['race', 'seed', 'json']), 7);
  const drawn = raceSeed({}, ['race']);
  assert.ok(Number.isInteger(drawn) && drawn >= 0 && drawn < 2 ** 32);
  assert.throws(() => raceSeed({ seed: 'x' }, ['race', 'seed']), CommandFailure);
});

test('what is for whole lives does not go with the race, also where it says what is the default', async (t) => {
  let said = '';
  t.mock.method(process.stderr, 'write', (text: string) => {
    said = text;
    return true;
  });
  const others = [
    ...['--members=5', '--members=3', '--clients=0', '--candidates=1', '--seconds=5', '--faults=all'],
    ...['--seeds=5', '--minutes=1', '--only=3', '--calm-links', '--trace', '--shrink', '--jobs=2'],
    ...['--sharing=none', '--users=no', '--compare-every=0', '--keep-going'],
  ];
  for (const other of others) {
    assert.equal(await runProgram(['simulate', '--race', '--seed', '7', other]), 100, other);
    assert.match(said, new RegExp(`--race: it is one scene\\. Leave out ${other.replace(/=.*/, '')}\\.`));
  }
});
