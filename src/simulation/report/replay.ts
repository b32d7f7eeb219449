import type { LifeOptions } from '../life/types.ts';

/** The one command that lives this life again. `command`: how `conclave simulate` is called here. */
export function replayCommand(options: LifeOptions, command = 'conclave simulate'): string {
  const words = [command, `--seed ${options.seed}`];
  const { faults = 'all', members = 3, clients = 8, candidates = 3, seconds = 30, only, calmLinks } = options;
  if (faults !== 'all') words.push(`--faults ${faults}`);
  if (members !== 3) words.push(`--members ${members}`);
  if (clients !== 8) words.push(`--clients ${clients}`);
  if (candidates !== 3) words.push(`--candidates ${candidates}`);
  if (seconds !== 30) words.push(`--seconds ${seconds}`);
  if (only !== undefined) words.push(`--only ${only.length === 0 ? 'none' : only.join(',')}`);
  if (calmLinks === true) words.push('--calm-links');
  // What usual lives draw.
  const { sharing, users, divergence, compaction, burst, compareEveryMs } = options;
  if (sharing !== undefined) words.push(`--sharing ${sharing}`);
  if (users !== undefined) words.push(`--users ${users ? 'yes' : 'no'}`);
  if (divergence !== undefined) words.push(`--divergence ${divergence ? 'yes' : 'no'}`);
  if (compaction !== undefined) words.push(`--compaction ${compaction}`);
  if (burst !== undefined) words.push(`--burst ${burst}`);
  if (compareEveryMs !== undefined) words.push(`--compare-every ${compareEveryMs}`);
  return words.join(' ');
}
