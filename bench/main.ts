/**
 * `npm run bench [-- ROW…] [--quick] [--write]`: measures Conclave, beside etcd where it is on PATH, three members
 * each as processes on loopback, and prints a table. `--write` puts its rows into docs/reference/benchmarks.md.
 * `npm run bench -- stores` measures elections on other stores: see stores/main.ts. `npm run bench -- --profile` tells
 * where a request's time goes: see profile/main.ts.
 */
import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { writeTable } from './page.ts';
import { benchProfile } from './profile/main.ts';
import type { Row } from './row.ts';
import { campaignRows } from './rows/campaigns.ts';
import { electionRows } from './rows/elections.ts';
import { failoverRows } from './rows/failover.ts';
import { idleRows } from './rows/idle.ts';
import { largeStoreRows } from './rows/large-store.ts';
import { leaseRows } from './rows/leases.ts';
import { loadRows } from './rows/load.ts';
import { partitionRows } from './rows/partitions.ts';
import { throughputRows } from './rows/throughput.ts';
import { watchRows } from './rows/watches.ts';
import { benchStores } from './stores/main.ts';
import { onPath } from './systems.ts';

const rows: readonly Row[] = [
  ...failoverRows,
  ...electionRows,
  ...campaignRows,
  ...throughputRows,
  ...loadRows,
  ...idleRows,
  ...leaseRows,
  ...partitionRows,
  ...watchRows,
  ...largeStoreRows,
];

function build(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: ['ignore', 'ignore', 'inherit'] });
}

function machine(): string {
  const [first] = cpus();
  return `${cpus().length} cores (${first?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()}, Node ${process.version}`;
}

const usage = `npm run bench [-- ROW…] [--quick] [--write]   these rows, or all, beside etcd where it is on PATH
npm run bench -- stores …                   elections on other stores
npm run bench -- --profile …                where a request's time goes

--quick   shorter, to see that it runs
--write   also into docs/reference/benchmarks.md

${rows.map(({ name, what }) => `  ${name.padEnd(24)} ${what}`).join('\n')}
`;

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  process.stdout.write(usage);
  process.exit(0);
}

if (process.argv.includes('--profile')) {
  build();
  await benchProfile(
    process.argv.slice(2).filter((argument) => argument !== '--profile'),
    machine(),
  );
  process.exit(0);
}

if (process.argv[2] === 'stores') {
  try {
    await benchStores(process.argv.slice(3), machine(), build);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exit(1);
  }
}

const flags = process.argv.slice(2).filter((argument) => argument.startsWith('-'));
const strange = flags.filter((flag) => flag !== '--quick' && flag !== '--write');
if (strange.length > 0) {
  process.stderr.write(`There is no option ${strange.join(', ')}.\n\n${usage}`);
  process.exit(2);
}
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const unknown = wanted.filter((name) => !rows.some((row) => row.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `There is no row ${unknown.join(', ')}; there are ${rows.map((row) => row.name).join(', ')}.\n`,
  );
  process.exit(2);
}
build();
const options = { quick: process.argv.includes('--quick'), etcd: onPath('etcd') };

function etcdVersion(): string {
  if (!onPath('etcd')) return 'etcd not installed';
  const [first = ''] = execFileSync('etcd', ['--version'], { encoding: 'utf8' }).split('\n');
  return first.replace(' Version:', '');
}

const heading = ['| what | goal | Conclave | etcd |', '|---|---|---|---|'];
const measured = new Map<string, string>();
const measuredOn = `${machine()}, ${etcdVersion()}`;
process.stdout.write(`${measuredOn}\n\n${heading.join('\n')}\n`);
for (const row of rows) {
  if (wanted.length > 0 && !wanted.includes(row.name)) continue;
  const { conclave, etcd } = await row.run(options);
  const line = `| ${row.what} | ${row.goal} | ${conclave} | ${etcd ?? '–'} |`;
  measured.set(row.what, line);
  process.stdout.write(`${line}\n`);
}

if (process.argv.includes('--write')) {
  const all = rows.map(({ what }) => `| ${what}`);
  const lines = new Map([...measured].map(([what, line]) => [`| ${what}`, line]));
  await writeTable({ marker: 'table', measured: measuredOn, heading, rows: all, lines });
}
process.exit(0);
