/**
 * Who has which partition, as the leader of the roster writes it down. Who joins has a part in it when it is written;
 * who leaves has none at once, since everybody computes the same from what is written and from who is still there.
 */
import { assign, type WeightedMember } from './assignment.ts';

export interface Spread {
  readonly members: readonly WeightedMember[];
  /** Of every partition, in their order. */
  readonly owners: ReadonlyMap<string, string>;
}

/** Those of the spread who are still there. One that came back with another weight is another member. */
export function remaining<T extends WeightedMember>(spread: Spread | undefined, present: readonly T[]): T[] {
  const weights = new Map(spread?.members.map(({ holder, weight }) => [holder, weight]));
  return present.filter(({ holder, weight }) => weights.get(holder) === weight);
}

/** The same spread where nothing changes. undefined: nobody is there, and it would not fit these partitions. */
export function respread(
  spread: Spread | undefined,
  members: readonly WeightedMember[],
  partitions: readonly string[],
  formerly?: ReadonlyMap<string, string>,
): Spread | undefined {
  if (members.length === 0) return spread?.owners.size === partitions.length ? spread : undefined;
  const owners = assign(members, partitions, spread?.owners, formerly);
  if (spread !== undefined && isSame(spread, members, owners)) return spread;
  return { members: members.map(({ holder, weight }) => ({ holder, weight })), owners };
}

function isSame(
  spread: Spread,
  members: readonly WeightedMember[],
  owners: ReadonlyMap<string, string>,
): boolean {
  if (spread.members.length !== members.length || remaining(spread, members).length < members.length)
    return false;
  if (owners.size !== spread.owners.size) return false;
  for (const [partition, holder] of owners) if (spread.owners.get(partition) !== holder) return false;
  return true;
}

/** Of each partition whose member left: that member, for when it comes back. */
export class Formerly {
  readonly holders = new Map<string, string>();

  /** Of its members only these are still there. */
  note(spread: Spread, staying: readonly WeightedMember[]): void {
    if (spread.members.length === staying.length) return;
    const there = new Set(staying.map(({ holder }) => holder));
    for (const [partition, holder] of spread.owners) {
      if (!there.has(holder)) this.holders.set(partition, holder);
    }
  }
}
