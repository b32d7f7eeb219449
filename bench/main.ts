/**
 * `npm run bench [-- ROW…] [--quick] [--write]`: measures Conclave, beside etcd where it is on PATH, three members
 * each as processes on loopback, and prints a table. `--write` puts its rows into docs/reference/benchmarks.md.
 */
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import type { Row } from './row.ts';
import { electionRows } from './rows/elections.ts';
import { failoverRows } from './rows/failover.ts';
import { idleRows } from './rows/idle.ts';
import { leaseRows } from './rows/leases.ts';
import { partitionRows } from './rows/partitions.ts';
import { throughputRows } from './rows/throughput.ts';
import { onPath } from './systems.ts';

const rows: readonly Row[] = [
  ...failoverRows,
  ...electionRows,
  ...throughputRows,
  ...idleRows,
  ...leaseRows,
  ...partitionRows,
];
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const unknown = wanted.filter((name) => !rows.some((row) => row.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `There is no row ${unknown.join(', ')}; there are ${rows.map((row) => row.name).join(', ')}.\n`,
  );
  process.exit(2);
}
const options = { quick: process.argv.includes('--quick'), etcd: onPath('etcd') };

execFileSync('npm', ['run', '--silent', 'build'], { stdio: ['ignore', 'ignore', 'inherit'] });

function machine(): string {
  const [first] = cpus();
  const etcd = options.etcd
    ? execFileSync('etcd', ['--version'], { encoding: 'utf8' }).split('\n')[0]?.replace(' Version:', '')
    : 'etcd not installed';
  return `${cpus().length} cores (${first?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()}, Node ${process.version}, ${etcd}`;
}

const heading = ['| what | goal | Conclave | etcd |', '|---|---|---|---|'];
const measured = new Map<string, string>();
process.stdout.write(`${machine()}\n\n${heading.join('\n')}\n`);
for (const row of rows) {
  if (wanted.length > 0 && !wanted.includes(row.name)) continue;
  const { conclave, etcd } = await row.run(options);
  const line = `| ${row.what} | ${row.goal} | ${conclave} | ${etcd ?? '–'} |`;
  measured.set(row.what, line);
  process.stdout.write(`${line}\n`);
}

if (process.argv.includes('--write')) {
  const path = new URL('../docs/reference/benchmarks.md', import.meta.url);
  const page = await readFile(path, 'utf8');
  const [, before, table = '', after] =
    /^([\s\S]*)<!-- table -->([\s\S]*)<!-- end of table -->([\s\S]*)$/.exec(page) ?? [];
  // Rows that were not measured now stay as they are.
  const lines = rows.flatMap(({ what }) => {
    const line = measured.get(what) ?? table.split('\n').find((one) => one.startsWith(`| ${what} |`));
    return line === undefined ? [] : [line];
  });
  const date = new Date().toISOString().slice(0, 10);
  const all = [...heading, ...lines].join('\n');
  const written = `<!-- table -->\nMeasured ${date} on ${machine()}.\n\n${all}\n<!-- end of table -->`;
  await writeFile(path, `${before}${written}${after}`);
}
process.exit(0);
