/**
 * Which live member each partition belongs to: weighted rendezvous hashing with bounded load. A pure function of who
 * is there and with which weight, so every process computes the same, whatever came before and in whatever order the
 * members are given.
 *
 * Each pair of a member and a partition has a cost, drawn from the hash of both, smaller by its nature for heavier
 * members. A partition prefers cheap members, a member cheap partitions, and none takes more than its bound: the one
 * stable matching of that is the assignment. A partition is therefore not at its cheapest member only where that one
 * is full of cheaper partitions.
 *
 * What follows, for ids as good as random and n members of equal weight:
 * - no member has more than ceil(1.25 · partitions / n), with weights: its share of the weights instead of 1 / n;
 * - a join or a leave moves about partitions / n, namely those of the one that came or went, and a few of members
 *   that are at their bound: never more than twice that from 16 partitions a member on; with fewer, single partitions
 *   weigh more, and it is at most twice that and 8. No function of the membership alone can keep a bound for every
 *   choice of ids; the property tests hold these over random ones.
 * - with weights, twice the share of the one that came or went, from a share of 16 partitions on.
 */
import { type Hash64, hashKeys, hashText, mix } from './hash.ts';

/** Of the algorithm: written to the record, since processes that disagree on it would fight over partitions. */
export const assignmentVersion = 1;

/** No member gets more than this times its share, rounded up. */
export const loadBound = 1.25;

export interface WeightedMember {
  readonly holder: string;
  readonly weight: number;
}

interface Seat {
  readonly member: WeightedMember;
  readonly hash: Hash64;
  readonly bound: number;
  held: Claim[];
}

interface Claim {
  readonly partition: string;
  readonly hash: Hash64;
  seat: Seat | undefined;
  cost: number;
}

/** The most partitions that a member of this weight is given. */
export function boundOf(partitions: number, weight: number, totalWeight: number): number {
  return Math.ceil((loadBound * partitions * weight) / totalWeight);
}

/** The member of each partition, in the order of the partitions; empty where there is no member. */
export function assign(
  members: readonly WeightedMember[],
  partitions: readonly string[],
): ReadonlyMap<string, string> {
  const seats = seatsOf(members, partitions.length);
  if (seats.length === 0) return new Map();
  const draw = seats.every(({ member }) => member.weight === seats[0]?.member.weight) ? equalCost : costOf;
  const claims = partitions.map((partition): Claim => {
    return { partition, hash: hashText(hashKeys.partition, partition), seat: undefined, cost: -1 };
  });
  let free = claims;
  while (free.length > 0) {
    for (const claim of free) moveOn(claim, seats, draw);
    free = seats.flatMap(dismissSurplus);
  }
  return new Map(claims.map(({ partition, seat }) => [partition, seat?.member.holder ?? '']));
}

/** Sorted, since sums of weights depend on their order. */
function seatsOf(members: readonly WeightedMember[], partitions: number): Seat[] {
  const sorted = [...new Map(members.map((member) => [member.holder, member])).values()].sort(
    (left, right) => (left.holder < right.holder ? -1 : 1),
  );
  const totalWeight = sorted.reduce((sum, { weight }) => sum + weight, 0);
  return sorted.map((member) => ({
    member,
    hash: hashText(hashKeys.member, member.holder),
    bound: boundOf(partitions, member.weight, totalWeight),
    held: [],
  }));
}

/** To the cheapest seat after the one that it was dismissed from. All bounds together hold more than all claims. */
function moveOn(claim: Claim, seats: readonly Seat[], draw: typeof costOf): void {
  const after = claim.seat === undefined ? -1 : seats.indexOf(claim.seat);
  let best: Seat | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  let position = -1;
  for (const seat of seats) {
    position += 1;
    const cost = draw(mix(claim.hash, seat.hash), seat.member.weight);
    const later = cost > claim.cost || (cost === claim.cost && position > after);
    if (later && cost < bestCost) [best, bestCost] = [seat, cost];
  }
  claim.seat = best;
  claim.cost = bestCost;
  best?.held.push(claim);
}

function dismissSurplus(seat: Seat): Claim[] {
  if (seat.held.length <= seat.bound) return [];
  seat.held.sort((left, right) => left.cost - right.cost || (left.partition < right.partition ? -1 : 1));
  return seat.held.splice(seat.bound);
}

/** The first arrival of a process whose rate is the weight: the smallest of several is a member's with odds by weight. */
function costOf(uniform: number, weight: number): number {
  return minusLog(uniform + 2 ** -54) / weight;
}

/** In the same order as `costOf` among equals, and ten times as fast. */
function equalCost(uniform: number): number {
  return 1 - uniform;
}

/** -ln(value) for values of (0, 1], by exact operations alone: the result of Math.log may differ between engines. */
function minusLog(value: number): number {
  let [mantissa, halvings] = [value, 0];
  while (mantissa < 0.5) {
    mantissa *= 2;
    halvings += 1;
  }
  // ln(m) = 2 · artanh((m - 1) / (m + 1)), whose argument is above -1/3 here.
  const argument = (mantissa - 1) / (mantissa + 1);
  const square = argument * argument;
  let [term, sum] = [argument, 0];
  for (let exponent = 1; exponent <= 33; exponent += 2) {
    sum += term / exponent;
    term *= square;
  }
  return halvings * Math.LN2 - 2 * sum;
}
