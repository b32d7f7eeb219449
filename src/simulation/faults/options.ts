import type { Draw } from '../world/random.ts';

/** Everything that can go wrong in a life at a certain moment. */
export const faultKinds = [
  // Network
  'partition',
  'isolate',
  'isolate-from-members',
  'one-way',
  'bridge',
  'cut-link',
  'slow-link',
  'break-connections',
  'break-one-end',
  'break-silently',
  'isolate-candidate',
  'slow-candidate',
  'break-candidate',
  'break-candidate-end',
  // Disk
  'write-error',
  'sync-error',
  'disk-full',
  'disk-hang',
  'stuck-disk',
  'slow-disk',
  'slow-folder',
  'bit-rot',
  'misdirected-read',
  // Clock
  'wall-jump',
  'host-sleep',
  // Process
  'kill',
  'power-failure',
  'lose-disk',
  'restart',
  'rolling-restart',
  'pause',
  'block-loop',
  'slow-loop',
  'kill-client',
  'pause-client',
  'kill-candidate',
  'pause-candidate',
  'pause-publisher',
  'sleep-candidate',
  'block-candidate',
  // The last, so that lives without them are drawn as they were before they were there.
  'folder-power-failure',
  'rotten-read',
  // Membership
  'add-learner',
  'promote-learner',
  'add-voter',
  'remove-member',
  'replace-member',
  'replace-at-once',
  'removed-returns',
  // Divergence
  'diverge',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export type FaultPreset = 'none' | 'network' | 'disk' | 'clock' | 'process' | 'membership' | 'all';
export const faultPresets: readonly FaultPreset[] = [
  'none',
  'network',
  'disk',
  'clock',
  'process',
  'membership',
  'all',
];

/** All faults of a life, with their probabilities. */
export interface FaultOptions {
  /** The least time between two hosts, one way. */
  readonly latencyUs: number;
  /** Mean of what comes on top, with a long tail. */
  readonly jitterUs: number;
  /** Of packets, and of Raft messages apart from that. */
  readonly lossRate: number;
  /** Of Raft messages: they arrive twice. */
  readonly repeatRate: number;
  /** Of Raft messages: they arrive later than what was sent after them. */
  readonly reorderRate: number;
  /** Bound of each clock's rate against true time. */
  readonly clockDriftRate: number;
  /** How many times as long each member's disk takes, by position. Beyond the last: as usual. */
  readonly diskSlowness: readonly number[];
  /** How often each kind strikes in a simulated minute; absent: never. */
  readonly perMinute: Readonly<Partial<Record<FaultKind, number>>>;
  /** How often a fault of one member, or of one candidate, hits the one that leads, rather than any. */
  readonly leaderBias: number;
  /** Longer or shorter faults: multiplies how long each lasts. */
  readonly durationScale: number;
}

type Family = Exclude<FaultPreset, 'none' | 'all'>;

/** What each preset draws from. Changes of the membership show little where nothing else goes wrong. */
const familiesOf: Readonly<Record<Exclude<FaultPreset, 'none'>, readonly Family[]>> = {
  network: ['network'],
  disk: ['disk'],
  clock: ['clock'],
  process: ['process'],
  membership: ['network', 'process', 'membership'],
  all: ['network', 'disk', 'clock', 'process'],
};

/** Of the lives with all faults; in the others the members stay who they are. */
const changingShare = 0.2;
/** Of those in which they do not, lives in which the state of one comes to differ, and how often in a minute. */
const divergingShare = 0.35;
const divergesPerMinute = 12;
/** The membership changes less often then: only where nothing of it is under way may one differ. */
const calmerChanges = 0.3;

/** In a life that has it, a kind strikes about so often in a minute. */
const usualPerMinute: Readonly<Record<Family, Readonly<Partial<Record<FaultKind, number>>>>> = {
  network: {
    partition: 5,
    isolate: 4,
    'isolate-from-members': 5,
    'one-way': 4,
    bridge: 4,
    'cut-link': 5,
    'slow-link': 4,
    'break-connections': 8,
    'break-one-end': 4,
    'break-silently': 3,
    'isolate-candidate': 4,
    'slow-candidate': 4,
    'break-candidate': 5,
    'break-candidate-end': 3,
  },
  disk: {
    'write-error': 3,
    'sync-error': 3,
    'disk-full': 3,
    'disk-hang': 4,
    'stuck-disk': 2,
    'slow-disk': 4,
    'slow-folder': 4,
    'bit-rot': 3,
    'misdirected-read': 2,
    'power-failure': 4,
    'folder-power-failure': 3,
    'rotten-read': 4,
  },
  clock: { 'wall-jump': 6, 'host-sleep': 4, 'sleep-candidate': 4 },
  process: {
    kill: 6,
    'power-failure': 5,
    'lose-disk': 2,
    restart: 4,
    'rolling-restart': 2,
    pause: 6,
    'block-loop': 8,
    'slow-loop': 4,
    'kill-client': 4,
    'pause-client': 4,
    'kill-candidate': 4,
    'pause-candidate': 6,
    'pause-publisher': 4,
    'slow-folder': 4,
    'block-candidate': 5,
  },
  membership: {
    'add-learner': 8,
    'promote-learner': 10,
    'add-voter': 8,
    'remove-member': 12,
    'replace-member': 3,
    'replace-at-once': 6,
    'removed-returns': 4,
  },
};

const changeKinds = Object.keys(usualPerMinute.membership) as readonly FaultKind[];

const calm: FaultOptions = {
  ...{ latencyUs: 150, jitterUs: 100, lossRate: 0, repeatRate: 0, reorderRate: 0, clockDriftRate: 0 },
  ...{ diskSlowness: [], perMinute: {}, leaderBias: 0.4, durationScale: 1 },
};

/**
 * Draws the faults of one life. Not all of a preset at once: each life gets some kinds and not others, since faults
 * that strike together hide what each of them would show alone.
 *
 * @param diverging whether the state of a member comes to differ; default: drawn.
 */
export function drawFaults(preset: FaultPreset, random: Draw, diverging?: boolean): FaultOptions {
  if (preset === 'none') {
    const perMinute = diverging === true ? { diverge: divergesPerMinute } : {};
    return { ...calm, latencyUs: random.between(50, 500), perMinute };
  }
  const families = familiesOf[preset];
  const perMinute: Partial<Record<FaultKind, number>> = {};
  const share = random.pick([0.2, 0.4, 0.7]);
  for (const family of families) {
    if (family === 'membership') continue;
    for (const [kind, usual] of Object.entries(usualPerMinute[family]) as [FaultKind, number][]) {
      if (random.chance(share)) perMinute[kind] = (usual * random.pick([1, 2, 4])) / 2;
    }
  }
  const qualities = drawQualities(families, random);
  // The last, so that lives without it are drawn as they were before it was there.
  const changing = families.includes('membership') || (preset === 'all' && random.chance(changingShare));
  if (changing) Object.assign(perMinute, drawChanges(random));
  if (diverging ?? (changing && random.chance(divergingShare))) {
    for (const kind of changeKinds) if (perMinute[kind] !== undefined) perMinute[kind] *= calmerChanges;
    perMinute.diverge = divergesPerMinute;
  }
  return { ...calm, ...qualities, perMinute };
}

/** Most kinds at once: one that adds and none that removes would soon have nothing to do. */
function drawChanges(random: Draw): Partial<Record<FaultKind, number>> {
  const perMinute: Partial<Record<FaultKind, number>> = {};
  const often = random.pick([0.5, 1, 2]);
  for (const [kind, usual] of Object.entries(usualPerMinute.membership) as [FaultKind, number][]) {
    if (random.chance(0.8)) perMinute[kind] = usual * often;
  }
  return perMinute;
}

/** Whether members join and leave in such a life. */
export function changesMembership({ perMinute }: Pick<FaultOptions, 'perMinute'>): boolean {
  return changeKinds.some((kind) => perMinute[kind] !== undefined);
}

export function isDiverging({ perMinute }: Pick<FaultOptions, 'perMinute'>): boolean {
  return perMinute.diverge !== undefined;
}

/** What holds during the whole life. */
function drawQualities(families: readonly Family[], random: Draw): Partial<FaultOptions> {
  const network = families.includes('network');
  const rate = (most: number): number => (network && random.chance(0.3) ? random.unit() * most : 0);
  return {
    latencyUs: random.between(50, network && random.chance(0.2) ? 20_000 : 800),
    jitterUs: random.between(50, network && random.chance(0.2) ? 20_000 : 500),
    lossRate: rate(0.3),
    repeatRate: rate(0.5),
    reorderRate: rate(0.3),
    diskSlowness: families.includes('disk') && random.chance(0.4) ? drawDisks(random) : [],
    clockDriftRate: families.includes('clock') ? random.pick([0, 0.001, 0.01]) : 0,
    leaderBias: random.pick([0.2, 0.5, 0.9]),
    durationScale: random.pick([0.3, 1, 1, 2]),
  };
}

/** Mostly alike, and some much slower than others: then a leader may be the last to have its own entries on disk. */
function drawDisks(random: Draw): number[] {
  return Array.from({ length: 7 }, () => random.pick([1, 1, 3, 10, 30]));
}
