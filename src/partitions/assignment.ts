/**
 * Which member each partition belongs to, such that little moves. How many each member has follows from who is there
 * and their weights alone; which ones, from what it had before.
 *
 * How many: the partitions are given out one after another, each to the member whose weight is the greatest for each
 * partition that it has already (Adams' method of apportionment). So the partitions of any members are the first of a
 * list of claims that do not depend on one another, of which those of a joiner displace some and those of a leaver
 * make room. What follows, for any ids and weights and any number of partitions, where a member's share is
 * partitions · weight / (sum of all weights):
 * - nobody has more than its share, rounded up, and with equal weights nobody has less than it, rounded down;
 * - a join moves as many as the joiner gets, so at most its share, rounded up, and all of them go to the joiner;
 * - a leave moves the leaver's partitions and no others, so at most its share, rounded up;
 * - more partitions move none of those that there were.
 *
 * Which ones: first those that a member had formerly, as far as that is known; then of each pair of a member and a
 * partition the hash says how well they fit, and what must move goes where it fits best.
 */
import { type Hash64, hashKeys, hashText, mix } from './hash.ts';

/** Of the algorithm: written to the record, since processes that disagree on it would fight over partitions. */
export const assignmentVersion = 2;

export interface WeightedMember {
  readonly holder: string;
  readonly weight: number;
}

interface Seat {
  readonly holder: string;
  /** In millionths: whole numbers, so that all comparisons are exact. */
  readonly weight: number;
  quota: number;
  hash: Hash64 | undefined;
  held: Claim[];
}

interface Claim {
  readonly partition: string;
  readonly position: number;
  seat: Seat | undefined;
  hash: Hash64 | undefined;
  readonly formerly: string | undefined;
  cost: number;
  best: Seat | undefined;
}

const nobody: ReadonlyMap<string, string> = new Map();

/** The most partitions that a member of this weight is given: its share, rounded up. Weights count in millionths. */
export function boundOf(partitions: number, weight: number, totalWeight: number): number {
  const [dividend, divisor] = [partitions * millionths(weight), millionths(totalWeight)];
  const remainder = dividend % divisor;
  return (dividend - remainder) / divisor + (remainder > 0 ? 1 : 0);
}

/**
 * The member of each partition, in the order of the partitions; empty where there is no member. The order of the
 * members does not matter.
 * @param before The member that each partition had. Those that are no member any more have left; one that it does not
 * name has joined. Without it, everything is given out anew.
 * @param formerly Who had a partition before that, and is to have it again if it gets any: as many move either way.
 */
export function assign(
  members: readonly WeightedMember[],
  partitions: readonly string[],
  before: ReadonlyMap<string, string> = nobody,
  formerly: ReadonlyMap<string, string> = nobody,
): ReadonlyMap<string, string> {
  const seats = seatsOf(members);
  if (seats.size === 0) return new Map();
  const claims = partitions.map((partition, position): Claim => {
    const seat = seats.get(before.get(partition) ?? '');
    const had = formerly.get(partition);
    const claim = { partition, position, seat, hash: undefined, formerly: had, cost: 0, best: undefined };
    seat?.held.push(claim);
    return claim;
  });
  const all = [...seats.values()];
  setQuotas(all, partitions.length);
  const receivers = all.filter(({ held, quota }) => held.length < quota);
  if (receivers.length > 0) place(unplaced(claims, all, receivers), receivers);
  return new Map(claims.map(({ partition, seat }) => [partition, seat?.holder ?? '']));
}

function seatsOf(members: readonly WeightedMember[]): Map<string, Seat> {
  const sorted = members.toSorted((left, right) => (left.holder < right.holder ? -1 : 1));
  return new Map(
    sorted.map(({ holder, weight }) => {
      return [holder, { holder, weight: millionths(weight), quota: 0, hash: undefined, held: [] }];
    }),
  );
}

function millionths(weight: number): number {
  return Math.round(weight * 1e6);
}

function setQuotas(seats: readonly Seat[], partitions: number): void {
  const totalWeight = seats.reduce((sum, { weight }) => sum + weight, 0);
  // These are certain, one less than that for what rounding may do; what is left is less than two for each member.
  const certain = Math.max(0, partitions - seats.length) / totalWeight;
  let left = partitions;
  for (const seat of seats) {
    seat.quota = Math.max(0, Math.ceil(seat.weight * certain) - 1);
    left -= seat.quota;
  }
  for (; left > 0; left--) {
    const next = seats.reduce((best, seat) => (comesFirst(seat, best) ? seat : best));
    next.quota += 1;
  }
}

/** Whether the next partition is for this one rather than the other; what it has already decides between equals. */
function comesFirst(seat: Seat, other: Seat): boolean {
  const difference = seat.weight * other.quota - other.weight * seat.quota;
  if (difference !== 0) return difference > 0;
  if (seat.quota + other.quota === 0 && seat.weight !== other.weight) return seat.weight > other.weight;
  const [hasIt, otherHasIt] = [seat, other].map(({ held, quota }) => held.length > quota);
  if (hasIt !== otherHasIt) return hasIt === true;
  return seat.weight > other.weight;
}

/** Those without a member, and those above a quota that fit the receivers best; the best fit first. */
function unplaced(claims: readonly Claim[], seats: readonly Seat[], receivers: readonly Seat[]): Claim[] {
  const free = claims.filter(({ seat }) => seat === undefined);
  for (const claim of free) look(claim, receivers);
  for (const seat of seats) {
    if (seat.held.length <= seat.quota) continue;
    for (const claim of seat.held) look(claim, receivers);
    seat.held.sort(byFit);
    free.push(...seat.held.splice(0, seat.held.length - seat.quota));
  }
  return free.sort(byFit);
}

function byFit(left: Claim, right: Claim): number {
  return left.cost - right.cost || left.position - right.position;
}

function place(claims: readonly Claim[], receivers: readonly Seat[]): void {
  const hasRoom = ({ held, quota }: Seat) => held.length < quota;
  let open = receivers;
  for (const claim of claims) {
    if (claim.best === undefined || !hasRoom(claim.best)) {
      open = open.filter(hasRoom);
      look(claim, open);
    }
    claim.seat = claim.best;
    claim.best?.held.push(claim);
  }
}

function look(claim: Claim, receivers: readonly Seat[]): void {
  claim.hash ??= hashText(hashKeys.partition, claim.partition);
  claim.best = undefined;
  claim.cost = Number.POSITIVE_INFINITY;
  for (const seat of receivers) {
    seat.hash ??= hashText(hashKeys.member, seat.holder);
    const cost = seat.holder === claim.formerly ? -1 : mix(claim.hash, seat.hash);
    if (cost < claim.cost) [claim.cost, claim.best] = [cost, seat];
  }
}
