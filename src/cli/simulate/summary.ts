import type { LifeResult } from '../../simulation/life/types.ts';
import { replayCommand } from '../../simulation/report/replay.ts';
import { describeFailure, formatLine, lastEvents } from '../../simulation/report/timeline.ts';
import { formatTable } from '../output.ts';
import { grouped, longTime, speedOf } from './figures.ts';
import type { Examined, Outcome, Unsteady } from './simulate.ts';

const faultsShown = 40;

/** What came out, for people. `program`: how `conclave simulate` is called here. */
export function summaryText(outcome: Outcome, program: string): string {
  const { totals } = outcome.block;
  const parts = [
    ...outcome.examined.map(examinedText),
    // Those above are of single lives, perhaps smaller ones.
    ...(outcome.examined.length > 0 ? ['The whole run:\n'] : []),
    figures(outcome),
    table('covered', [...totals.coverage]),
    table('fault', [...totals.faults]),
    others(outcome, program),
    verdict(outcome),
  ];
  return `${parts.filter((part) => part !== '').join('\n')}`;
}

function figures({ block, elapsedMs, options }: Outcome): string {
  const { totals } = block;
  const rows = [
    ['first seed', `${options.firstSeed}`],
    // To compare machines by.
    ...(block.first === undefined ? [] : [['its trace', block.first.traceHash]]),
    ['seeds', grouped(totals.seeds)],
    ['steps', grouped(totals.steps)],
    ['simulated time', longTime(totals.simulatedMs)],
    ['real time', `${longTime(elapsedMs)}, ${options.jobs} at a time`],
    ['processor time', longTime(block.usedMs)],
    ['speed', `${grouped(speedOf(block))} simulated seconds for each second of a core`],
  ];
  return `${rows.map(([name = '', value]) => `${name.padEnd(16)}${value}`).join('\n')}\n`;
}

function table(name: string, rows: readonly (readonly [string, number])[]): string {
  // What was never seen is said in a line of its own.
  const some = rows.filter(([, times]) => times > 0);
  if (some.length === 0) return '';
  const sorted = some.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return formatTable([name.padEnd(32), 'count'], sorted);
}

function verdict(outcome: Outcome): string {
  const { block, missing, unsteady, options } = outcome;
  const { totals } = block;
  const lines: string[] = [];
  if (totals.neverSeen.length > 0 && totals.seeds > 1)
    lines.push(`Never seen: ${totals.neverSeen.join(', ')}.`);
  if (unsteady !== undefined) lines.push(unsteadyText(unsteady));
  if (missing.length > 0) lines.push(`FAILED. The run proves nothing: it saw no ${missing.join(', no ')}.`);
  if (block.interrupted) lines.push(`Interrupted after ${count(totals.seeds)}.`);
  if (totals.failures > 0)
    lines.push(`FAILED. ${grouped(totals.failures)} of ${count(totals.seeds)} broke a claim.`);
  else if (outcome.ok && totals.seeds > 0) {
    const which =
      totals.seeds === 1
        ? `seed ${options.firstSeed}`
        : `${count(totals.seeds)} from ${options.firstSeed} on`;
    lines.push(`OK. Every claim held in ${which}.`);
  }
  return `${lines.join('\n')}\n`;
}

function count(seeds: number): string {
  return seeds === 1 ? '1 seed' : `${grouped(seeds)} seeds`;
}

function unsteadyText({ seed, hashes }: Unsteady): string {
  return (
    `FAILED. Seed ${seed} is not deterministic: lived twice, its traces are ${hashes.map(shown).join(' and ')}. ` +
    'Something reaches time, chance or the machine by a way of its own, or outlives a life.'
  );
}

function shown(hash: string): string {
  return hash === '' ? 'none' : hash;
}

function examinedText({ failed, shown: life, options, replay, shrunk, unsteady }: Examined): string {
  const parts = [describeFailure(life, replay), ''];
  if (shrunk !== undefined) {
    const { only } = options;
    const left =
      only === undefined ? failed.schedule : failed.schedule.filter(({ number }) => only.includes(number));
    const what = `Shrunk in ${shrunk.tries} tries, from ${failed.schedule.length} faults to ${left.length}`;
    const links = options.calmLinks === true ? '' : ', beside what the links lose, repeat and reorder';
    const none = `it takes no fault to break this claim${links}.`;
    parts.push(left.length === 0 ? `${what}: ${none}` : `${what}:`);
    for (const { number, kind, atMs, durationMs } of left.slice(0, faultsShown)) {
      parts.push(
        `  ${String(number).padStart(4)}  ${(atMs / 1000).toFixed(3)} s  ${kind}, for ${durationMs} ms`,
      );
    }
    if (left.length > faultsShown) parts.push(`  … and ${left.length - faultsShown} more`);
    parts.push('');
  }
  if (unsteady !== undefined) parts.push(unsteadyText(unsteady), '');
  return parts.join('\n');
}

/** Failures that were not looked at, since one of the same claim was. */
function others({ block, examined, options }: Outcome, program: string): string {
  const told = new Set(examined.map(({ failed }) => failed.seed));
  const rest = block.failures.filter(({ seed }) => !told.has(seed));
  if (rest.length === 0) return '';
  const rows = rest
    .slice(0, 100)
    .map((result) => [result.failure?.checker ?? '', replayOf(result, options.life, program)]);
  return formatTable(['also failed', 'replay'], rows);
}

function replayOf(result: LifeResult, life: Outcome['options']['life'], program: string): string {
  return replayCommand({ ...life, seed: result.seed }, program);
}

/** The same as plain data. */
export function summaryData(outcome: Outcome, program: string): object {
  const { block, options, elapsedMs, missing, unsteady, ok, examined } = outcome;
  const { totals } = block;
  return {
    ...{
      ok,
      interrupted: block.interrupted,
      firstSeed: options.firstSeed,
      life: options.life,
      jobs: options.jobs,
    },
    ...{ seeds: totals.seeds, steps: totals.steps, failed: totals.failures },
    ...{ simulatedSeconds: totals.simulatedMs / 1000, realSeconds: elapsedMs / 1000 },
    ...{ processorSeconds: block.usedMs / 1000, speed: speedOf(block) },
    ...{ coverage: Object.fromEntries(totals.coverage), faults: Object.fromEntries(totals.faults) },
    first: block.first ? { seed: block.first.seed, traceHash: block.first.traceHash } : null,
    ...{ missing, neverSeen: totals.neverSeen, unsteady: unsteady ?? null },
    failures: block.failures.map((result) => {
      const known = examined.find(({ failed }) => failed === result);
      return known
        ? examinedData(known)
        : { ...failureData(result), replay: replayOf(result, options.life, program) };
    }),
  };
}

function failureData({ seed, failure, traceHash, settings }: LifeResult): object {
  return { seed, ...failure, traceHash, settings };
}

function examinedData({ shown: life, replay, shrunk, unsteady, options }: Examined): object {
  return {
    ...{ ...failureData(life), replay, unsteady: unsteady ?? null },
    ...(shrunk && { shrunk: { tries: shrunk.tries, only: options.only ?? null } }),
    timeline: life.lines === undefined ? [] : lastEvents(life.lines).map(formatLine),
  };
}
