import type { Draw } from '../world/random.ts';

/** What the processes of a life share, besides its candidates: one of these, or nothing. */
const usualKinds = ['partitions', 'operations', 'permits', 'log'] as const;
/** A list of entries behind a guard of a foreign server. */
export const guardKinds = [
  'objects',
  'documents',
  'keys',
  'postgres',
  'mysql',
  'sqlite',
  'requests',
] as const;
export type GuardKind = (typeof guardKinds)[number];
export type SharingKind = (typeof usualKinds)[number] | GuardKind;
export const sharingKinds: readonly SharingKind[] = [...usualKinds, ...guardKinds];

/** Of usual lives; the others have clients and candidates only, so that they stay as fast as they were. */
const shareOfLives = 0.25;
/** Of those others, which share what a guard guards after all. */
const shareOfGuards = 0.15;

/** How one life shares. */
export interface SharingSettings {
  readonly kind: SharingKind;
  readonly processes: number;
  /** Partitions, at first; later there may be `growBy` more. */
  readonly count: number;
  readonly growBy: number;
  /** Of the semaphore. */
  readonly permits: number;
  /** Of the read-write lock. */
  readonly maxReaders: number;
}

/** `wanted`: what it must have, for tests. undefined: this life has none. */
export function drawSharing(random: Draw, wanted?: SharingKind | 'none'): SharingSettings | undefined {
  const isDrawn = random.chance(shareOfLives);
  const drawn = random.pick(usualKinds);
  const settings = {
    processes: random.between(2, 4),
    count: random.between(4, 10),
    growBy: random.chance(0.3) ? random.between(1, 2) : 0,
    permits: random.between(1, 3),
    maxReaders: random.between(1, 3),
  };
  // Drawn last: lives of the other kinds are what they were.
  const guard = random.chance(shareOfGuards) ? random.pick(guardKinds) : 'none';
  const kind = wanted ?? (isDrawn ? drawn : guard);
  return kind === 'none' ? undefined : { kind, ...settings };
}

/** What is drawn for one life of a process. */
export interface SharerSettings {
  readonly ttlMs: number;
  readonly releaseOnDisconnect: boolean;
  readonly weight: number;
  readonly settleMs: number;
  /** Mean distance of what it does. */
  readonly paceMs: number;
  /** It writes by its token alone, without asking whether it still leads, and goes on for a while when told to stop. */
  readonly careless: boolean;
  /** One session for all that it does, rather than one for each call. */
  readonly oneSession: boolean;
}

export function drawSharer(random: Draw): SharerSettings {
  return {
    ttlMs: random.chance(0.5) ? random.between(500, 1500) : random.between(1500, 3000),
    releaseOnDisconnect: random.chance(0.2),
    weight: random.pick([0.5, 1, 1, 1, 2]),
    settleMs: random.pick([0, 100, 200]),
    paceMs: random.between(150, 700),
    careless: random.chance(0.4),
    oneSession: random.chance(0.6),
  };
}

export function describeSharing(sharing: SharingSettings | undefined): string {
  if (sharing === undefined) return 'nothing shared';
  const { kind, processes, count, growBy, permits, maxReaders } = sharing;
  if (kind === 'partitions') {
    const later = growBy > 0 ? ` and later ${growBy} more` : '';
    return `${processes} processes share ${count} partitions${later}`;
  }
  if (kind === 'permits')
    return `${processes} processes share ${permits} permits and a lock of ${maxReaders} readers`;
  return `${processes} processes share ${shared[kind]}`;
}

const shared: Readonly<Record<Exclude<SharingKind, 'partitions' | 'permits'>, string>> = {
  operations: 'operations',
  log: 'a log and a gate',
  objects: 'an object of S3',
  documents: 'a document of MongoDB',
  keys: 'a key of Redis',
  postgres: 'a row of PostgreSQL',
  mysql: 'a row of MySQL',
  sqlite: 'a row of SQLite',
  requests: 'a service behind HTTP',
};

export function isGuardKind(kind: SharingKind | undefined): kind is GuardKind {
  return guardKinds.some((guard) => guard === kind);
}
