/**
 * `npm run election-times [-- --crashes N] [--write]`: the election experiment of the Raft paper on the simulated
 * world. Prints the tables; `--write` puts them into docs/internals/election-times.md and draws the plot beside it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ElectionSettings, electionTimes } from '../src/simulation/experiments/index.ts';
import { countOf, options } from './arguments.ts';
import { groups, type Row } from './election-times/groups.ts';
import { plot } from './election-times/plot.ts';
import { type Measured, table } from './election-times/table.ts';

const root = join(import.meta.dirname, '..');
const pageFile = join(root, 'docs/internals/election-times.md');
const plotFile = join(root, 'docs/images/election-times.svg');
const firstSeed = 2014;

const values = options({
  options: { crashes: { type: 'string', default: '1000' }, write: { type: 'boolean', default: false } },
});
const crashes = countOf('--crashes', values.crashes);

let seed = firstSeed;
async function measure(row: Row): Promise<Measured> {
  const settings: ElectionSettings = {
    ...row.settings,
    seed: seed++,
    crashes: Math.min(crashes, row.mostCrashes ?? crashes),
  };
  return { row, settings, times: await electionTimes(settings) };
}

const tables: string[] = [];
const all: Measured[] = [];
for (const group of groups) {
  const measured: Measured[] = [];
  for (const row of group.rows) {
    measured.push(await measure(row));
    process.stderr.write('.');
  }
  all.push(...measured);
  tables.push(`### ${group.title}\n\n${table(measured)}`);
  process.stdout.write(`\n${tables.at(-1)}\n`);
}

if (values.write) {
  const [before, after] = readFileSync(pageFile, 'utf8').split(
    /<!-- tables -->[\s\S]*<!-- end of tables -->/,
  );
  const between = `<!-- tables -->\n${tables.join('\n\n')}\n<!-- end of tables -->`;
  writeFileSync(pageFile, `${before}${between}${after}`);
  writeFileSync(plotFile, plot(all));
}
