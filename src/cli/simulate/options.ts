import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { faultPresets } from '../../simulation/faults/options.ts';
import { compactions } from '../../simulation/life/check-options.ts';
import type { LifeOptions } from '../../simulation/life/types.ts';
import { sharingKinds } from '../../simulation/sharing/settings.ts';
import { CommandFailure } from '../failure.ts';
import { parseWholeNumber } from '../numbers.ts';

/** What commander reads from the words; numbers as they were written. */
export interface SimulateFlags {
  readonly seed?: string;
  readonly seeds?: string;
  readonly minutes?: string;
  readonly members: string;
  readonly clients: string;
  readonly candidates: string;
  readonly seconds: string;
  readonly faults: string;
  readonly only?: string;
  readonly calmLinks?: boolean;
  readonly sharing?: string;
  readonly users?: string;
  readonly divergence?: string;
  readonly compaction?: string;
  readonly burst?: string;
  readonly compareEvery?: string;
  readonly trace?: string | true;
  readonly shrink?: boolean;
  readonly jobs?: string;
  readonly keepGoing?: boolean;
  readonly race?: boolean;
  readonly json?: boolean;
}

export interface SimulateOptions {
  /** What all lives share. */
  readonly life: Omit<LifeOptions, 'seed'>;
  readonly firstSeed: number;
  /** undefined: as many as `forMs` leaves time for. */
  readonly seeds: number | undefined;
  /** No further life is begun after so long on the host's clock. */
  readonly forMs: number | undefined;
  readonly jobs: number;
  readonly keepGoing: boolean;
  readonly shrink: boolean;
  /** Where to; true: into a file that is named after the seed; undefined: nowhere. */
  readonly trace: string | true | undefined;
  readonly json: boolean;
}

const usualSeeds = 100;

/** @throws CommandFailure 'usage' for what is no number, out of its bounds or in contradiction. */
export function resolveSimulateOptions(flags: SimulateFlags): SimulateOptions {
  const block = flags.seeds !== undefined || flags.minutes !== undefined;
  if (flags.only !== undefined && (flags.seed === undefined || block)) {
    const why = 'it names faults of one life. Give --seed with it, and neither --seeds nor --minutes.';
    throw new CommandFailure('usage', `--only: ${why}`);
  }
  const most = Number.MAX_SAFE_INTEGER;
  const firstSeed =
    flags.seed === undefined ? randomInt(2 ** 32) : parseWholeNumber(flags.seed, '--seed', 0, most);
  const seeds = countOf(flags, block, most - firstSeed + 1);
  const cores =
    flags.jobs === undefined ? availableParallelism() : parseWholeNumber(flags.jobs, '--jobs', 1, 256);
  return {
    ...{ life: lifeOf(flags), firstSeed, seeds, jobs: Math.min(cores, seeds ?? cores) },
    forMs: flags.minutes === undefined ? undefined : parseMinutes(flags.minutes) * 60_000,
    ...{ keepGoing: flags.keepGoing === true, shrink: flags.shrink === true },
    ...{ trace: flags.trace, json: flags.json === true },
  };
}

function countOf(flags: SimulateFlags, block: boolean, most: number): number | undefined {
  if (flags.seeds !== undefined) return parseWholeNumber(flags.seeds, '--seeds', 1, Math.min(most, 1e12));
  if (block) return undefined;
  return flags.seed === undefined ? usualSeeds : 1;
}

function lifeOf(flags: SimulateFlags): Omit<LifeOptions, 'seed'> {
  return {
    faults: oneOf('--faults', flags.faults, faultPresets),
    members: parseWholeNumber(flags.members, '--members', 1, 7),
    clients: parseWholeNumber(flags.clients, '--clients', 0, 100),
    candidates: parseWholeNumber(flags.candidates, '--candidates', 0, 50),
    seconds: parseWholeNumber(flags.seconds, '--seconds', 1, 86_400),
    ...(flags.only !== undefined && { only: parseNumbers(flags.only) }),
    ...(flags.calmLinks === true && { calmLinks: true }),
    ...drawnOtherwise(flags),
  };
}

/** What each life draws for itself where nothing is said. */
function drawnOtherwise({ sharing, users, divergence, compaction, burst, compareEvery }: SimulateFlags) {
  return {
    ...(sharing !== undefined && { sharing: oneOf('--sharing', sharing, ['none', ...sharingKinds]) }),
    ...(users !== undefined && { users: isYes('--users', users) }),
    ...(divergence !== undefined && { divergence: isYes('--divergence', divergence) }),
    ...(compaction !== undefined && { compaction: oneOf('--compaction', compaction, compactions) }),
    ...(burst !== undefined && { burst: parseWholeNumber(burst, '--burst', 1, 64) }),
    ...(compareEvery !== undefined && {
      compareEveryMs: parseWholeNumber(compareEvery, '--compare-every', 0, 60_000),
    }),
  };
}

function isYes(flag: string, text: string): boolean {
  return oneOf(flag, text, ['yes', 'no']) === 'yes';
}

function oneOf<T extends string>(flag: string, text: string, all: readonly T[]): T {
  const found = all.find((one) => one === text);
  if (found !== undefined) return found;
  throw new CommandFailure('usage', `${flag}: '${text}' is none of ${all.join(', ')}.`);
}

function parseNumbers(text: string): number[] {
  if (text === 'none') return [];
  return text.split(',').map((number) => parseWholeNumber(number, '--only', 0, 1_000_000));
}

/** Half a minute is a useful time, so that fractions are taken. */
function parseMinutes(text: string): number {
  const minutes = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (minutes > 0 && minutes <= 100_000) return minutes;
  throw new CommandFailure('usage', `--minutes: '${text}' is not a number above 0 and up to 100000.`);
}
