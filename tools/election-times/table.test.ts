import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ElectionTimes } from '../../src/simulation/experiments/index.ts';
import { plot } from './plot.ts';
import { type Measured, table } from './table.ts';

const lasting = { leadersLast: true, electionsPerSecond: 0 };

function measured(times: ElectionTimes, paper?: string): Measured {
  const settings = { broadcast: 'network', logs: 'equal', crash: 'power', timeoutsMs: [150, 300] } as const;
  const row = { name: '150–300 ms', settings, panel: 1, ...(paper !== undefined && { paper }) };
  return { row, settings: { ...settings, seed: 1, crashes: times.timesMs.length }, times };
}

const rowOf = (text: string): string => text.split('\n').at(-1) ?? '';

test('a row gives the quantiles and the mean, and the paper’s figure beside them', () => {
  const row = measured({ ...lasting, timesMs: [5.04, 100, 200.4, 400] }, 'median 1 ms');
  assert.equal(rowOf(table([row])), '| 150–300 ms | 5.0 | 100 | 176 | 400 | 400 | 400 | 4 | median 1 ms |');
});

test('where an election took too long, that stands in place of a figure, and there is no mean', () => {
  const row = measured({ ...lasting, timesMs: [100, 200, Number.POSITIVE_INFINITY] });
  assert.equal(rowOf(table([row])), '| 150–300 ms | 100 | 200 | – | over 20 s | over 20 s | over 20 s | 3 |');
});

test('where no leader lasts, the row says so, and the plot leaves it out', () => {
  const row = measured({ timesMs: [], leadersLast: false, electionsPerSecond: 7.25 });
  assert.match(rowOf(table([row])), /no leader lasts: 7\.3 elections a second/);
  assert.doesNotMatch(plot([row]), /150–300 ms</);
});

test('a curve ends where an election took longer than the plot shows', () => {
  const drawn = plot([measured({ ...lasting, timesMs: [100, 200, Number.POSITIVE_INFINITY] })]);
  assert.match(drawn, />150–300 ms</);
  assert.doesNotMatch(drawn, /NaN|Infinity|undefined/);
});
