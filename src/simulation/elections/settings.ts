import type { Draw } from '../world/random.ts';

/** What is drawn for one life of a candidate. */
export interface CandidateSettings {
  /** Which of the library's interfaces it uses. */
  readonly mode: 'elect' | 'campaign' | 'lock';
  readonly ttlMs: number;
  readonly releaseOnDisconnect: boolean | { readonly graceMs: number };
  readonly graceMs: number;
  readonly priority: number;
  readonly paceMs: number;
  readonly lingers: number;
  readonly careless: boolean;
  readonly keepVersions: number;
}

export const longestTtlMs = 3000;
export const longestGraceMs = 1200;

export function drawSettings(random: Draw): CandidateSettings {
  const ttlMs = drawTtlMs(random);
  const bound = random.chance(0.3);
  const endsAtOnce = random.chance(0.5);
  const disconnectGraceMs = random.between(1, ttlMs);
  return {
    mode: random.chance(0.6) ? 'elect' : random.pick(['campaign', 'lock'] as const),
    ttlMs,
    releaseOnDisconnect: bound && (endsAtOnce || { graceMs: disconnectGraceMs }),
    graceMs: random.chance(0.3) ? random.between(50, longestGraceMs) : 0,
    priority: random.chance(0.3) ? random.between(-1, 2) : 0,
    paceMs: random.between(150, 900),
    lingers: random.chance(0.5) ? 0.3 : 0.05,
    careless: random.chance(0.3),
    keepVersions: random.between(2, 8),
  };
}

/** Mostly of some seconds: each renewal is an entry of the log, and short TTLs want many. */
export function drawTtlMs(random: Draw): number {
  const kind = random.unit();
  if (kind < 0.04) return random.between(100, 300);
  return kind < 0.5 ? random.between(500, 1500) : random.between(1500, longestTtlMs);
}
