import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import type { LifeOptions } from '../../simulation/life/types.ts';
import { replayCommand } from '../../simulation/report/replay.ts';
import { CommandFailure } from '../failure.ts';
import { addSimulate } from './command.ts';
import { resolveSimulateOptions, type SimulateFlags } from './options.ts';

/** The options that these words give, by the command's own flags and defaults. */
async function parse(...words: string[]) {
  const program = new Command().exitOverride();
  addSimulate(program, () => {});
  const command = program.commands[0] as Command;
  command.exitOverride().configureOutput({ writeErr: () => {} });
  let flags: SimulateFlags | undefined;
  command.action((given: SimulateFlags) => {
    flags = given;
  });
  await program.parseAsync(['simulate', ...words], { from: 'user' });
  assert.ok(flags !== undefined);
  return resolveSimulateOptions(flags);
}

const defaults = { faults: 'all', members: 3, clients: 8, candidates: 3, seconds: 30 } as const;

test('a hundred seeds from a drawn one on are lived where nothing is said', async () => {
  const { firstSeed, seeds, forMs, life } = await parse();
  assert.deepEqual([seeds, forMs, life], [100, undefined, defaults]);
  assert.ok(Number.isInteger(firstSeed) && firstSeed >= 0 && firstSeed < 2 ** 32);
});

test('a seed alone is one life; with --seeds or --minutes it is the first', async () => {
  const counts = async (...words: string[]) => {
    const { firstSeed, seeds, forMs, jobs } = await parse('--seed', '7', '--jobs', '4', ...words);
    return [firstSeed, seeds, forMs, jobs];
  };
  assert.deepEqual(await counts(), [7, 1, undefined, 1]);
  assert.deepEqual(await counts('--seeds', '20'), [7, 20, undefined, 4]);
  assert.deepEqual(await counts('--minutes', '0.5'), [7, undefined, 30_000, 4]);
  assert.deepEqual(await counts('--minutes', '2', '--seeds', '9'), [7, 9, 120_000, 4]);
});

test('the trace goes to the file that is named, or to one named after its seed', async () => {
  assert.equal((await parse()).trace, undefined);
  assert.equal((await parse('--trace', '--json')).trace, true);
  assert.equal((await parse('--trace', 'x.trace')).trace, 'x.trace');
});

test('the command that replays a life gives its options back', async () => {
  const lives: LifeOptions[] = [
    { seed: 0, ...defaults },
    { seed: Number.MAX_SAFE_INTEGER, ...defaults, faults: 'none' },
    { seed: 7, ...defaults, only: [] },
    { seed: 7, ...defaults, only: [3, 17], calmLinks: true },
    { seed: 7, faults: 'disk', members: 5, clients: 0, candidates: 0, seconds: 90, only: [0] },
    { seed: 7, ...defaults, sharing: 'objects', users: true, divergence: false },
    { seed: 7, ...defaults, sharing: 'none', users: false, divergence: true, compaction: 'by-time' },
    { seed: 7, ...defaults, burst: 8, compareEveryMs: 0 },
  ];
  for (const life of lives) {
    const words = replayCommand(life).split(' ').slice(2);
    const { firstSeed, seeds, forMs, life: parsed } = await parse(...words);
    assert.deepEqual({ ...parsed, seed: firstSeed }, life);
    assert.deepEqual([seeds, forMs], [1, undefined]);
  }
});

for (const words of [
  ['--seed', 'x'],
  ['--seed', '-1'],
  ['--seed', '9007199254740993'],
  ['--seed', '9007199254740991', '--seeds', '2'],
  ['--seeds', '0'],
  ['--minutes', '0'],
  ['--minutes', '1e3'],
  ['--members', '8'],
  ['--clients', '1.5'],
  ['--seconds', '0'],
  ['--faults', 'some'],
  ['--sharing', 'all'],
  ['--users', 'true'],
  ['--divergence', ''],
  ['--compaction', 'never'],
  ['--burst', '65'],
  ['--compare-every', '60001'],
  ['--only', '3'],
  ['--seed', '7', '--seeds', '2', '--only', '3'],
  ['--seed', '7', '--only', '3,,4'],
  ['--jobs', '0'],
]) {
  test(`${words.join(' ')} is refused, naming the flag`, async () => {
    const isUsage = (error: unknown) =>
      error instanceof CommandFailure && error.reason === 'usage' && /^--[-\w]+:/.test(error.message);
    await assert.rejects(parse(...words), isUsage);
  });
}
