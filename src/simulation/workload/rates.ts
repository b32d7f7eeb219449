import type { Draw } from '../world/random.ts';

/** How often what is done. Weights of operations count against each other; the others are probabilities. */
export interface WorkloadRates {
  /** Of each client, begun whether or not earlier ones have been answered. */
  readonly operationsPerSecond: number;
  /** So many begin in one step, as of a program that sends without waiting, and so much later the next; 1: one by one. */
  readonly burst: number;
  /** Operations of one client under way; beyond, its next is left out. */
  readonly mostAtOnce: number;
  readonly hotKeys: number;
  readonly weights: Readonly<Record<OperationKind, number>>;
  /** Reads that are content with what one member has applied. */
  readonly serializable: number;
  /** Looks at an old revision, with a limit, in an order, or for keys or their number only. */
  readonly shaped: number;
  /** Transactions with another in them. */
  readonly nested: number;
  /** Puts and deletes that ask for what was there. */
  readonly previous: number;
  /** Puts that hang on a lease of the client. */
  readonly leased: number;
  /** Calls with so little time that an answer is often missed. */
  readonly hurried: number;
  /** Calls that are aborted on their way. */
  readonly aborted: number;
  /** Clients that only read: nothing that they asked a leader without a quorum for keeps them from asking more. */
  readonly readers: number;
  /** Clients with a watch. */
  readonly watchers: number;
  /** Chance after each batch that the watch is closed and opened again. */
  readonly watchReopened: number;
  /** Chance that it is opened again from further back than it was. */
  readonly watchesPast: number;
  readonly leaseTtlMs: readonly [least: number, most: number];
}

export const operationKinds = [
  'get',
  'range',
  'put',
  'delete',
  'deletePrefix',
  'compareAndSwap',
  'transaction',
  'grant',
  'renew',
  'revoke',
  'timeToLive',
  'compact',
] as const;
export type OperationKind = (typeof operationKinds)[number];

/** What those do that only read. */
const readKinds: ReadonlySet<OperationKind> = new Set(['get', 'range']);

export const usualRates: WorkloadRates = {
  operationsPerSecond: 5,
  burst: 1,
  mostAtOnce: 4,
  hotKeys: 6,
  weights: {
    get: 22,
    range: 6,
    put: 24,
    delete: 8,
    deletePrefix: 1,
    compareAndSwap: 18,
    transaction: 10,
    grant: 3,
    renew: 4,
    revoke: 2,
    timeToLive: 3,
    compact: 1,
  },
  serializable: 0.2,
  shaped: 0.15,
  nested: 0.2,
  previous: 0.3,
  leased: 0.2,
  hurried: 0.08,
  aborted: 0.03,
  readers: 0.15,
  watchers: 0.6,
  watchReopened: 0.02,
  watchesPast: 0.15,
  leaseTtlMs: [300, 4000],
};

/** Of the lives in which clients send several at once; in the others they send one by one. */
const burstShare = 0.6;
const bursts = [2, 3, 4, 6, 8, 12, 16];

/**
 * A mix of its own for a life: each weight and chance between nothing much and a few times the usual.
 *
 * @param burst Default: drawn.
 */
export function drawRates(
  draw: Draw,
  { usual = usualRates, burst }: { usual?: WorkloadRates; burst?: number | undefined } = {},
): WorkloadRates {
  const mix = drawMix(draw, usual);
  const drawn = draw.chance(burstShare) ? draw.pick(bursts) : 1;
  return inBursts(mix, burst ?? drawn);
}

/**
 * Where there is trouble, the next burst begins while some of the last are open, as the next one does one by one. The more
 * at once, the more keys: an order of one key is looked for, and what overlaps there multiplies.
 */
function inBursts(rates: WorkloadRates, burst: number): WorkloadRates {
  if (burst === 1) return rates;
  return {
    ...rates,
    burst,
    mostAtOnce: burst + rates.mostAtOnce,
    hotKeys: Math.max(rates.hotKeys, burst),
  };
}

function drawMix(draw: Draw, usual: WorkloadRates): WorkloadRates {
  const factor = (): number => draw.pick([0.25, 0.5, 1, 1, 1, 2, 3]);
  const chance = (probability: number): number => Math.min(0.9, probability * factor());
  const weights = { ...usual.weights };
  for (const kind of operationKinds) weights[kind] *= factor();
  return {
    ...usual,
    mostAtOnce: draw.between(1, 6),
    hotKeys: draw.between(2, 8),
    weights,
    serializable: chance(usual.serializable),
    shaped: chance(usual.shaped),
    nested: chance(usual.nested),
    previous: chance(usual.previous),
    leased: chance(usual.leased),
    hurried: chance(usual.hurried),
    aborted: chance(usual.aborted),
    readers: chance(usual.readers),
    watchReopened: chance(usual.watchReopened),
  };
}

/** The same where nobody but the leader itself compacts. */
export function notCompacting(rates: WorkloadRates): WorkloadRates {
  return { ...rates, weights: { ...rates.weights, compact: 0 } };
}

/** The same for a client that only reads. */
export function readingOnly(rates: WorkloadRates): WorkloadRates {
  const weights = { ...rates.weights };
  for (const kind of operationKinds) if (!readKinds.has(kind)) weights[kind] = 0;
  return { ...rates, weights };
}
