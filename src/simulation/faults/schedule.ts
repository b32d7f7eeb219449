import type { Draw } from '../world/random.ts';
import { type FaultKind, type FaultOptions, faultKinds } from './options.ts';

/** One fault at one moment. All that it needs was drawn beforehand, so faults can be left out one by one. */
export interface Fault {
  /** Its place in the life's whole schedule: a name for it that outlives others being left out. */
  readonly number: number;
  readonly atMs: number;
  readonly kind: FaultKind;
  /** How long until it is undone. */
  readonly durationMs: number;
  /** It strikes whoever leads at that moment: of the members the cluster, of the candidates the election. */
  readonly atLeader: boolean;
  /** 32 random bits each: whom it strikes otherwise, and how. */
  readonly whom: number;
  readonly how: number;
}

/** Shortest and usual duration, ms. */
const durations: Readonly<Partial<Record<FaultKind, readonly [number, number]>>> = {
  partition: [100, 1500],
  isolate: [100, 1500],
  'isolate-from-members': [200, 2000],
  'one-way': [100, 1500],
  bridge: [200, 2000],
  'cut-link': [50, 1500],
  'slow-link': [200, 3000],
  'isolate-candidate': [500, 4000],
  'slow-candidate': [300, 3000],
  'disk-full': [100, 1000],
  'disk-hang': [50, 1500],
  // Longer than any leader bears with.
  'stuck-disk': [4000, 2000],
  'slow-folder': [300, 2500],
  'folder-power-failure': [20, 1000],
  'slow-disk': [200, 3000],
  'host-sleep': [50, 2000],
  'sleep-candidate': [50, 4000],
  kill: [10, 800],
  'power-failure': [20, 1000],
  'lose-disk': [400, 1200],
  'bit-rot': [400, 1200],
  'misdirected-read': [400, 1200],
  'rotten-read': [2000, 6000],
  restart: [5, 500],
  'rolling-restart': [600, 4000],
  pause: [20, 1500],
  'block-loop': [5, 150],
  'slow-loop': [200, 3000],
  'kill-client': [10, 800],
  'pause-client': [20, 2000],
  'kill-candidate': [10, 800],
  'pause-candidate': [20, 3000],
  'pause-publisher': [300, 3000],
  // Longer than the leases of candidates, now and then.
  'block-candidate': [50, 2500],
  // How long what is added waits to be started, and what is removed to come back.
  'add-learner': [1, 800],
  'add-voter': [1, 800],
  'remove-member': [100, 3000],
  'replace-member': [1, 1500],
  'replace-at-once': [1, 800],
  // Until all are well who could tell, and the next command comes that can be applied wrongly.
  diverge: [6000, 1],
};

/** Every fault of a life, in the order of their times, none before `fromMs` and none after `untilMs`. */
export function drawSchedule(options: FaultOptions, random: Draw, fromMs: number, untilMs: number): Fault[] {
  const drawn: Omit<Fault, 'number'>[] = [];
  for (const kind of faultKinds) {
    const expected = ((options.perMinute[kind] ?? 0) * (untilMs - fromMs)) / 60_000;
    const count = Math.floor(expected * 2 * random.unit() + random.unit());
    for (let left = count; left > 0; left--) drawn.push(drawFault(kind, options, random, fromMs, untilMs));
  }
  drawn.sort((a, b) => a.atMs - b.atMs);
  return drawn.map((fault, number) => ({ ...fault, number }));
}

function drawFault(
  kind: FaultKind,
  options: FaultOptions,
  random: Draw,
  fromMs: number,
  untilMs: number,
): Omit<Fault, 'number'> {
  const [shortest, usual] = durations[kind] ?? [0, 0];
  const longMs = shortest + random.tailed(0, usual) * options.durationScale;
  return {
    atMs: fromMs + random.below(untilMs - fromMs),
    kind,
    durationMs: Math.round(Math.min(longMs, (untilMs - fromMs) / 2)),
    atLeader: random.chance(options.leaderBias),
    whom: random.word(),
    how: random.word(),
  };
}
