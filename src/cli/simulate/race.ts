import { randomInt } from 'node:crypto';
import { type RaceResult, showRace } from '../../simulation/elections/race.ts';
import { formatLine } from '../../simulation/report/timeline.ts';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure, flagOf } from '../failure.ts';
import { parseWholeNumber } from '../numbers.ts';
import { toJsonLine } from '../output.ts';
import type { SimulateFlags } from './options.ts';

const goesWith: ReadonlySet<string> = new Set(['race', 'seed', 'json']);

/**
 * Runs `conclave simulate --race` and resolves to its exit code: 0 where the race went as it must. `given`: the flags
 * that somebody wrote, and that are no defaults.
 */
export async function runRace(flags: SimulateFlags, given: readonly string[]): Promise<number> {
  const race = await showRace(raceSeed(flags, given));
  const { refusal } = race.fenced;
  const data = { ...race, fenced: { ...race.fenced, refusal: refusal?.message ?? null } };
  process.stdout.write(flags.json === true ? `${toJsonLine(data)}\n` : raceText(race));
  return wentAsItMust(race.unfenced, race.fenced) ? exitCodes.ok.code : exitCodes.failed.code;
}

/** @throws CommandFailure 'usage' with what is for whole lives only. */
export function raceSeed(flags: Pick<SimulateFlags, 'seed'>, given: readonly string[]): number {
  const other = given.find((name) => !goesWith.has(name));
  if (other !== undefined) {
    throw new CommandFailure('usage', `--race: it is one scene. Leave out ${flagOf(other)}.`);
  }
  if (flags.seed === undefined) return randomInt(2 ** 32);
  return parseWholeNumber(flags.seed, '--seed', 0, Number.MAX_SAFE_INTEGER);
}

function wentAsItMust(unfenced: RaceResult['unfenced'], fenced: RaceResult['fenced']): boolean {
  return unfenced.staleWriteTaken && fenced.refusal?.code === 'stale-token';
}

function raceText({ seed, tokens, unfenced, fenced, timeline }: RaceResult): string {
  const [first, second] = tokens;
  const lines = [
    `Seed ${seed}: A leads, checks that it does, and is paused in the middle of its write. Then B leads.`,
    '',
    ...timeline.map(formatLine),
    '',
    unfenced.staleWriteTaken
      ? `unfenced: in the end it holds the write of A (token ${first}); that of B (token ${second}), acknowledged, is lost.`
      : `unfenced: in the end it holds the write with token ${unfenced.found.token}; nothing is lost this time.`,
    fenced.refusal === undefined
      ? 'fenced: the write of A was taken.'
      : `fenced: the write of A was refused; it holds that of B (token ${fenced.token}).`,
    ...(wentAsItMust(unfenced, fenced)
      ? []
      : [
          `FAILED. The unfenced file must take the stale write, and the fenced one refuse it as 'stale-token', not as '${fenced.refusal?.code ?? 'nothing'}'.`,
        ]),
  ];
  return `${lines.join('\n')}\n`;
}
