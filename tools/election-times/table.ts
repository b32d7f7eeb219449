import {
  type ElectionSettings,
  type ElectionTimes,
  quantile,
} from '../../src/simulation/experiments/index.ts';
import type { Row } from './groups.ts';

export interface Measured {
  readonly row: Row;
  readonly settings: ElectionSettings;
  readonly times: ElectionTimes;
}

const columns: readonly (readonly [string, (timesMs: readonly number[]) => string])[] = [
  ['min', (timesMs) => shown(quantile(timesMs, 0))],
  ['p50', (timesMs) => shown(quantile(timesMs, 0.5))],
  ['mean', (timesMs) => mean(timesMs)],
  ['p90', (timesMs) => shown(quantile(timesMs, 0.9))],
  ['p99', (timesMs) => shown(quantile(timesMs, 0.99))],
  ['max', (timesMs) => shown(quantile(timesMs, 1))],
];

/** Milliseconds without a leader, in Markdown. */
export function table(measured: readonly Measured[]): string {
  const hasPaper = measured.some(({ row }) => row.paper !== undefined);
  const head = [
    hasPaper ? 'election timeout' : 'crash',
    ...columns.map(([name]) => name),
    'crashes',
    ...(hasPaper ? ['the paper says'] : []),
  ];
  const lines = measured.map(({ row, times }) => {
    const { timesMs, leadersLast, electionsPerSecond } = times;
    const figures = leadersLast
      ? columns.map(([, figure]) => figure(timesMs))
      : [
          `no leader lasts: ${electionsPerSecond.toFixed(1)} elections a second`,
          ...columns.slice(1).map(() => ''),
        ];
    return [row.name, ...figures, String(timesMs.length), ...(hasPaper ? [row.paper ?? ''] : [])];
  });
  return [head, head.map((_, column) => (column === 0 ? '---' : '---:')), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

function mean(timesMs: readonly number[]): string {
  if (timesMs.at(-1) === Number.POSITIVE_INFINITY) return '–';
  return shown(timesMs.reduce((sum, timeMs) => sum + timeMs, 0) / timesMs.length);
}

function shown(timeMs: number): string {
  if (timeMs === Number.POSITIVE_INFINITY) return 'over 20 s';
  return timeMs < 20 ? timeMs.toFixed(1) : timeMs.toFixed(0);
}
