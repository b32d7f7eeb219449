import { CommandFailure } from './failure.ts';

/** A whole number within bounds, or a usage failure that names the flag and the bounds. */
export function parseWholeNumber(text: string, flag: string, least: number, most: number): number {
  const value = /^-?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new CommandFailure('usage', `${flag}: '${text}' is not a whole number from ${least} to ${most}.`);
  }
  return value;
}
