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
without a bug passes the same seeds. This page is written by that run. The bugs are in \`test/simulation/planted/bugs\`.

${found} of ${hunts.length} were found.

| bug | seen in | seeds | seconds of one core | simulated seconds | found by |
|---|---|--:|--:|--:|---|
${rows.join('\n')}
${describeOutOfReach(notLookedFor)}`;
}

function describeOutOfReach(bugs: readonly PlantedBug[]): string {
  if (bugs.length === 0) return '';
  const lines = bugs.map(({ title, seen, outOfReach }) => `- ${title} (${seen}): ${outOfReach}.`);
  return `\nNot looked for, since no life can show them:\n\n${lines.join('\n')}\n`;
}
