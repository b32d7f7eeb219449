// `npm run planted`: puts known bugs into copies of the source, one at a time, and demands that the simulator finds
// each within a minute on one core; then that the source as it is passes the same seeds. The table goes to
// docs/internals/planted-bugs.md.
//   npm run planted -- --only commit-earlier-term,late-detach    only these; the table is printed, not written
//   npm run planted -- --from 1001                               seeds from there on; the table is printed, not written
//   npm run planted -- --jobs 2                                  so many at once; default 1
//   npm run planted -- --journal FILE                            goes on where a run of the same source was cut off
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PlantedBug } from '../test/simulation/planted/bug.ts';
import { bugs } from '../test/simulation/planted/bugs.ts';
import {
  firstSeed,
  type Hunt,
  hunt,
  limitSeconds,
  liveWithout,
  type Outcome,
} from '../test/simulation/planted/hunt.ts';
import { root } from '../test/simulation/planted/plant.ts';
import { describeTable } from '../test/simulation/planted/table.ts';
import { countOf, options } from './arguments.ts';

const values = options({
  options: {
    only: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    from: { type: 'string', default: String(firstSeed) },
    seconds: { type: 'string', default: String(limitSeconds) },
    journal: { type: 'string' },
  },
});
// Each hunt has a process of its own: all but the files with its bug are stripped of their types and compiled already.
const compiled = mkdtempSync(join(tmpdir(), 'conclave-planted-compiled-'));
process.on('exit', () => rmSync(compiled, { recursive: true, force: true }));
process.env.NODE_COMPILE_CACHE ??= compiled;
const wanted = values.only?.split(',');
const unknown = wanted?.filter((id) => !bugs.some((bug) => bug.id === id)) ?? [];
if (unknown.length > 0) {
  console.error(`There is no planted bug ${unknown.join(', ')}.`);
  process.exit(2);
}
const chosen = bugs.filter(({ id, outOfReach }) => wanted?.includes(id) ?? outOfReach === undefined);
const notLookedFor = bugs.filter((bug) => wanted === undefined && !chosen.includes(bug));
const jobs = countOf('--jobs', values.jobs);
const from = countOf('--from', values.from);
const seconds = countOf('--seconds', values.seconds);

const journal = values.journal;
const known = new Map<string, Outcome>(
  journal === undefined || !existsSync(journal)
    ? []
    : readFileSync(journal, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
);
const hunts: Hunt[] = [];
await atOnce(chosen, async (bug) => {
  const outcome = known.get(bug.id);
  if (outcome?.caught !== undefined) {
    hunts.push({ bug, outcome, found: bug.checkers.includes(outcome.caught.checker) });
    return;
  }
  const done = await hunt(bug, { seconds, from });
  hunts.push(done);
  note(bug.id, done.outcome);
  console.log(describeHunt(done));
});
const failures = hunts.filter(({ found }) => !found).length;
const innocent = await passesUnplanted();
hunts.sort((a, b) => bugs.indexOf(a.bug) - bugs.indexOf(b.bug));
const table = describeTable(hunts, notLookedFor);
if (wanted === undefined && from === firstSeed)
  writeFileSync(join(root, 'docs/internals/planted-bugs.md'), table);
else console.log(`\n${table}`);
process.exitCode = failures === 0 && innocent ? 0 : 1;

function note(name: string, outcome: Outcome): void {
  if (journal !== undefined) appendFileSync(journal, `${JSON.stringify([name, outcome])}\n`);
}

function describeHunt({ bug, outcome, found }: Hunt): string {
  const { caught, usedSeconds, seeds } = outcome;
  const spent = `${seeds} seeds, ${usedSeconds.toFixed(1)} s`;
  if (caught === undefined) return `✖ ${bug.id}: not found (${spent})`;
  const by = `${caught.checker} at seed ${caught.seed} (${spent}): ${caught.message}`;
  return found ? `✔ ${bug.id}: ${by}` : `✖ ${bug.id}: found by one that is not expected, ${by}`;
}

/** The source as it is, under all the seeds that were lived with a bug in it. */
async function passesUnplanted(): Promise<boolean> {
  const most = new Map<string, { readonly bug: PlantedBug; readonly seeds: number }>();
  for (const { bug, outcome } of hunts) {
    const lives = JSON.stringify([bug.life, bug.graphs ?? 0, bug.core ?? '', bug.settings ?? []]);
    const { seeds } = outcome;
    if (outcome.caught !== undefined && seeds > (most.get(lives)?.seeds ?? 0))
      most.set(lives, { bug, seeds });
  }
  let innocent = true;
  await atOnce([...most.values()], async ({ bug, seeds }) => {
    const name = `without ${bug.id}, ${seeds}`;
    const outcome = known.get(name) ?? (await liveWithout(bug, { seeds, from }));
    if (!known.has(name) && outcome.caught === undefined) note(name, outcome);
    const { caught } = outcome;
    const lives = `${seeds} seeds of ${bug.core ?? (bug.graphs ? 'link graphs' : JSON.stringify(bug.life))}${bug.settings ? `, set as for ${bug.id}` : ''}`;
    innocent &&= caught === undefined;
    if (caught === undefined) console.log(`✔ without a bug: ${lives}`);
    else
      console.log(`✖ without a bug, ${lives}: ${caught.checker} at seed ${caught.seed}: ${caught.message}`);
  });
  return innocent;
}

async function atOnce<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}
