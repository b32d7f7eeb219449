import { ConclaveError } from '../../errors/index.ts';
import { faultPresets } from '../faults/options.ts';
import { sharingKinds } from '../sharing/settings.ts';
import type { LifeOptions } from './types.ts';

export const compactions = ['by-clients', 'by-time', 'by-revisions'] as const;

const known: Readonly<Record<keyof LifeOptions, (value: unknown) => string | undefined>> = {
  seed: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  faults: (value) =>
    faultPresets.some((preset) => preset === value) ? undefined : `one of ${faultPresets.join(', ')}`,
  members: wholeNumber(1, 9),
  clients: wholeNumber(0, 100),
  candidates: wholeNumber(0, 50),
  sharing: (value) =>
    [...sharingKinds, 'none'].some((kind) => kind === value)
      ? undefined
      : `none or one of ${sharingKinds.join(', ')}`,
  seconds: wholeNumber(1, 86_400),
  only: (value) =>
    Array.isArray(value) && value.every((number) => Number.isSafeInteger(number) && number >= 0)
      ? undefined
      : 'an array of the numbers of faults',
  calmLinks: (value) => (typeof value === 'boolean' ? undefined : 'true or false'),
  divergence: (value) => (typeof value === 'boolean' ? undefined : 'true or false'),
  users: (value) => (typeof value === 'boolean' ? undefined : 'true or false'),
  compaction: (value) =>
    compactions.some((how) => how === value) ? undefined : `one of ${compactions.join(', ')}`,
  burst: wholeNumber(1, 64),
  compareEveryMs: wholeNumber(0, 60_000),
  keepTrace: (value) => (typeof value === 'boolean' ? undefined : 'true or false'),
};

/** @throws ConclaveError 'invalid-argument': a life with other options than were meant proves nothing. */
export function checkLifeOptions(options: LifeOptions): void {
  if (typeof options !== 'object' || options === null)
    throw invalid(`takes an object with a seed, not ${options}`);
  if (options.seed === undefined) throw invalid('needs a seed');
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(known, name))
      throw invalid(`knows no option ${name}; there are ${Object.keys(known).join(', ')}`);
    const wanted = value === undefined ? undefined : known[name as keyof LifeOptions](value);
    if (wanted !== undefined)
      throw invalid(`was given ${name} ${JSON.stringify(value)}; it must be ${wanted}`);
  }
}

/** @throws ConclaveError 'invalid-argument' where `only` names a fault that the life does not have. */
export function checkOnly(only: readonly number[] | undefined, faults: number): void {
  const missing = only?.find((number) => number >= faults);
  if (missing === undefined) return;
  const there = faults === 0 ? 'has no faults' : `has faults 0 to ${faults - 1}`;
  throw invalid(`was told that only fault ${missing} strikes, but the life ${there}`);
}

function wholeNumber(least: number, most: number): (value: unknown) => string | undefined {
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : `a whole number from ${least} to ${most}`;
}

function invalid(what: string): ConclaveError {
  return new ConclaveError('invalid-argument', `A simulated life ${what}.`);
}
