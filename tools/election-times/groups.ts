import type { ElectionSettings } from '../../src/simulation/experiments/index.ts';

export interface Row {
  readonly name: string;
  readonly settings: Omit<ElectionSettings, 'seed' | 'crashes'>;
  /** What the paper says of the same range, where its text gives a figure. */
  readonly paper?: string;
  /** Where each takes the bound: fewer, as in the paper. */
  readonly mostCrashes?: number;
  /** In the plot, where that differs from the name. */
  readonly label?: string;
  /** The panel of the plot that shows it. */
  readonly panel?: number;
}

export interface Group {
  readonly title: string;
  readonly rows: readonly Row[];
}

const paper: Readonly<Record<string, string>> = {
  '150–150 ms': 'each over 10 s',
  '150–155 ms': 'median 287 ms',
  '150–200 ms': 'longest 513 ms',
  '12–24 ms': 'mean 35 ms, longest 152 ms',
};

function fixed(
  timeoutsMs: readonly [number, number],
  broadcast: ElectionSettings['broadcast'],
  logs: ElectionSettings['logs'],
  more: Pick<Row, 'panel' | 'label' | 'mostCrashes'> = {},
): Row {
  const name = `${timeoutsMs[0]}–${timeoutsMs[1]} ms`;
  const settings = { timeoutsMs, broadcast, logs, crash: 'power' } as const;
  return { name, settings, ...(paper[name] !== undefined && { paper: paper[name] }), ...more };
}

const own = (
  name: string,
  broadcast: ElectionSettings['broadcast'],
  crash: ElectionSettings['crash'],
): Row => ({
  name,
  settings: { broadcast, logs: 'different', crash },
  panel: 3,
});

export const groups: readonly Group[] = [
  {
    title: 'Logs of different lengths, the 15 ms in the disks',
    rows: [
      fixed([150, 150], 'disks', 'different'),
      fixed([150, 155], 'disks', 'different'),
      fixed([150, 300], 'disks', 'different'),
      fixed([12, 24], 'disks', 'different', { panel: 2, label: '12–24 ms (disks)' }),
    ],
  },
  {
    title: 'Logs of different lengths, the 15 ms in the network',
    rows: [
      fixed([150, 150], 'network', 'different'),
      fixed([150, 155], 'network', 'different'),
      fixed([150, 300], 'network', 'different', { panel: 2, label: '150–300 ms (network)' }),
      fixed([100, 200], 'network', 'different', { panel: 2, label: '100–200 ms (network)' }),
      fixed([50, 100], 'network', 'different', { panel: 2, label: '50–100 ms (network)' }),
      fixed([25, 50], 'network', 'different', { panel: 2, label: '25–50 ms (network)' }),
      fixed([12, 24], 'network', 'different'),
    ],
  },
  {
    title: 'Equal logs, the 15 ms in the disks',
    rows: [fixed([150, 150], 'disks', 'equal'), fixed([150, 155], 'disks', 'equal')],
  },
  {
    title: 'Equal logs, the 15 ms in the network',
    rows: [
      fixed([150, 150], 'network', 'equal', { panel: 1, mostCrashes: 100 }),
      fixed([150, 151], 'network', 'equal', { panel: 1, mostCrashes: 100 }),
      fixed([150, 155], 'network', 'equal', { panel: 1 }),
      fixed([150, 175], 'network', 'equal', { panel: 1 }),
      fixed([150, 200], 'network', 'equal', { panel: 1 }),
      fixed([150, 300], 'network', 'equal', { panel: 1 }),
    ],
  },
  {
    title: 'Conclave’s defaults, logs of different lengths',
    rows: [
      own('power failure, 15 ms in the network', 'network', 'power'),
      own('power failure, quick network', 'none', 'power'),
      own('process crash, 15 ms in the network', 'network', 'process'),
      own('process crash, quick network', 'none', 'process'),
    ],
  },
];
