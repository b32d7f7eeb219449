import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Block } from '../../simulation/pool/index.ts';
import { fakeResult } from '../../simulation/report/testing.ts';
import { Totals } from '../../simulation/report/totals.ts';
import { longTime } from './figures.ts';
import type { SimulateOptions } from './options.ts';
import { heading, render, shareDone, showLines } from './progress.ts';

const life = { faults: 'all', members: 3, clients: 8, candidates: 3, seconds: 30 } as const;
const options: SimulateOptions = {
  ...{ life, firstSeed: 1, seeds: 20, forMs: undefined, jobs: 2 },
  ...{ keepGoing: false, shrink: false, trace: undefined, json: false },
};

function blockOf(seeds: number): Block {
  const totals = new Totals();
  for (let seed = 1; seed <= seeds; seed++) totals.add(fakeResult({ seed }));
  return { totals, failures: [], first: undefined, usedMs: seeds * 100, interrupted: false };
}

test('the heading has what is needed to live the same block again', () => {
  const rest = '3 members, 8 clients, 3 candidates, 30 s each, faults: all';
  assert.equal(heading(options), `20 seeds from 1 on: ${rest}; 2 jobs.`);
  assert.equal(heading({ ...options, seeds: 1, jobs: 1 }), `Seed 1: ${rest}; 1 job.`);
  const timed = { ...options, seeds: undefined, forMs: 90_000 };
  assert.equal(heading(timed), `Seeds from 1 on, for 1 min 30 s: ${rest}; 2 jobs.`);
});

test('the share that is done is that of seeds or of time, whichever is further', () => {
  assert.equal(shareDone(options, 5, 1e9), 0.25);
  assert.equal(shareDone({ ...options, seeds: undefined, forMs: 1000 }, 5, 500), 0.5);
  assert.equal(shareDone({ ...options, forMs: 1000 }, 5, 500), 0.5);
  assert.equal(shareDone({ ...options, forMs: 1000 }, 5, 5000), 1);
});

test('the live view has all figures, in lines that fit', () => {
  for (const width of [40, 80, 110, 160]) {
    const screen = { width, colour: false, elapsedMs: 2000, step: 'Looks for a smaller life.' };
    const lines = render(options, blockOf(10), screen);
    assert.ok(
      lines.every((line) => [...line].length <= width),
      `${width}: ${lines.join('\n')}`,
    );
    assert.match(lines[0] ?? '', / 50%$/);
    if (width < 80) continue;
    const text = lines.join(' ');
    for (const figure of [
      '10 of 20 seeds',
      '10,000 steps',
      '5 min 0 s simulated',
      '300 for each second of a core',
    ]) {
      assert.ok(text.includes(figure), `${figure} in ${text}`);
    }
    assert.match(text, /120 faults, 10 elections/);
  }
  const first = render(options, undefined, { width: 80, colour: false, elapsedMs: 0, step: '' });
  assert.match(first[1] ?? '', /starting/);
});

test('without a terminal there is a line now and then, and one for each failure', () => {
  let nowMs = 0;
  const lines: string[] = [];
  const progress = showLines(options, { write: (text) => lines.push(text) }, () => nowMs);
  for (let seeds = 1; seeds <= 20; seeds++) {
    nowMs += 1100;
    progress.lived(blockOf(seeds));
  }
  progress.failed(fakeResult({ seed: 9 }, {}));
  for (let tries = 1; tries <= 50; tries++) progress.step(`Looks: ${tries} tried.`);
  progress.stop();
  const text = lines.join('');
  assert.deepEqual(text.match(/\d+ of 20 seeds/g), ['10 of 20 seeds', '20 of 20 seeds']);
  assert.match(text, /^Seed 9 fails: 01-fake: m1 and m2 lead in term 4\.$/m);
  assert.equal(text.match(/tried/g)?.length, 1);
});

test('times are told in two units at most', () => {
  assert.deepEqual([0, 59_000, 425_000, 3.0e9].map(longTime), ['0 s', '59 s', '7 min 5 s', '833 h 20 min']);
});
