import type { Configuration, MemberId } from './types.ts';

/** How many voters of `count` make a majority. */
export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

/**
 * The largest value that a quorum has reached: of match indexes that is what may be committed, of times of contact that
 * is when a quorum was last heard. In a joint configuration both majorities must have reached it (§6). An empty
 * configuration has reached nothing.
 */
export function quorumValue(configuration: Configuration, reachedBy: (voter: MemberId) => number): number {
  const value = majorityValue(configuration.voters, reachedBy);
  if (configuration.outgoing === undefined) return value;
  return Math.min(value, majorityValue(configuration.outgoing, reachedBy));
}

function majorityValue(voters: readonly MemberId[], reachedBy: (voter: MemberId) => number): number {
  let count = 0;
  // Sorted in as they come, the largest first: there are few of them, and this is asked several times in every turn.
  for (const voter of voters) {
    const value = reachedBy(voter);
    let place = count;
    for (; place > 0 && (sorted[place - 1] as number) < value; place -= 1)
      sorted[place] = sorted[place - 1] as number;
    sorted[place] = value;
    count += 1;
  }
  return count === 0 ? Number.NEGATIVE_INFINITY : (sorted[majorityOf(count) - 1] as number);
}

/** Used again and again: `reachedBy` does not ask for another quorum. */
const sorted: number[] = [];

export type Tally = 'won' | 'lost' | 'open';

/** Counts the votes of the voters in `configuration`; anybody else's are not looked at (§5.2). Joint: both must be won. */
export function tally(configuration: Configuration, votes: ReadonlyMap<MemberId, boolean>): Tally {
  const result = tallyOf(configuration.voters, votes);
  if (configuration.outgoing === undefined || result === 'lost') return result;
  const before = tallyOf(configuration.outgoing, votes);
  return before === 'won' ? result : before;
}

function tallyOf(voters: readonly MemberId[], votes: ReadonlyMap<MemberId, boolean>): Tally {
  let granted = 0;
  let refused = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === true) granted += 1;
    else if (vote === false) refused += 1;
  }
  const majority = majorityOf(voters.length);
  if (granted >= majority) return 'won';
  return voters.length - refused < majority ? 'lost' : 'open';
}

export function isVoter({ voters, outgoing }: Configuration, member: MemberId): boolean {
  return voters.includes(member) || outgoing?.includes(member) === true;
}
