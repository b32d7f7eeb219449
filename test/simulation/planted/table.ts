import type { PlantedBug } from './bug.ts';
import { type Hunt, limitSeconds } from './hunt.ts';

/** The page docs/internals/planted-bugs.md. */
export function describeTable(hunts: readonly Hunt[], notLookedFor: readonly PlantedBug[]): string {
  const found = hunts.filter((hunt) => hunt.found).length;
  const rows = hunts.map(({ bug, outcome, found: isFound }) => {
    const { caught, seeds, usedSeconds, simulatedMs } = outcome;
    const by =
      caught === undefined ? 'not found' : isFound ? caught.checker : `${caught.checker} (unexpected)`;
    const cells = [
      bug.title,
      bug.seen,
      livesOf(bug),
      seeds,
      usedSeconds.toFixed(1),
      simulatedMs === 0 ? '' : Math.round(simulatedMs / 1000),
      by,
    ];
    return `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return `# Planted bugs

What the simulator is worth shows in what it finds. \`npm run planted\` puts each of these bugs into a copy of the source,
one at a time, and lives seeds from 1 on until a checker finds it, for at most ${limitSeconds} seconds of one core; the source
without a bug passes the same seeds. Where settings are given, the hunt makes what shows the bug more frequent than it is in
usual lives, for the source without the bug too. This page is written by that run. The bugs are in \`test/simulation/planted/bugs\`.

${found} of ${hunts.length} were found.

| bug | seen in | lives | seeds | seconds of one core | simulated seconds | found by |
|---|---|---|--:|--:|--:|---|
${rows.join('\n')}
${describeOutOfReach(notLookedFor)}`;
}

/** Where it is looked for, as far as that differs from usual lives. */
function livesOf({ life, graphs, core, settings = [] }: PlantedBug): string {
  if (core !== undefined) return 'joint changes of the core alone';
  if (graphs !== undefined) return `link graphs of ${graphs}`;
  const { faults = 'all', ...rest } = life;
  const others = Object.entries(rest).map(([name, value]) => `${name} ${value}`);
  const files = [...new Set(settings.map(({ file }) => file.replace(/^src\//, '')))];
  return [faults, ...others, ...(files.length > 0 ? [`settings in ${files.join(', ')}`] : [])].join('; ');
}

function describeOutOfReach(bugs: readonly PlantedBug[]): string {
  if (bugs.length === 0) return '';
  const lines = bugs.map(({ title, seen, outOfReach }) => `- ${title} (${seen}): ${outOfReach}.`);
  return `\nNot looked for, since no life can show them:\n\n${lines.join('\n')}\n`;
}
