/** What the programs of all who share have in common. */
import { pause } from '../../client/calls.ts';
import type { LeaseStore } from '../../election/store.ts';
import type { HeldLeadership, Hold } from '../elections/reports.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import type { Guarded } from './guards/index.ts';
import type { SharingReports } from './reports.ts';
import type { SharerSettings, SharingSettings } from './settings.ts';

export interface SharerParts {
  readonly process: Process;
  readonly random: Draw;
  readonly reports: SharingReports;
  readonly store: LeaseStore;
  readonly sharing: SharingSettings;
  readonly settings: SharerSettings;
  readonly clockDriftRate: number;
  /** What is behind the guard, where this is such a life. */
  readonly guarded?: Guarded | undefined;
}

/** A folder of the shared file system, for all that is shared there. */
export const folder = '/sharing';

export function holdOf({ process, reports, settings }: SharerParts, leadership: HeldLeadership): Hold {
  const { nowUs } = reports.elections;
  const bound = settings.releaseOnDisconnect;
  return { process, leadership, bound, graceMs: 0, sinceUs: nowUs, seenUs: nowUs, leaving: false };
}

export function sessionOptions({ process, settings, clockDriftRate }: SharerParts, holder = process.name) {
  const { ttlMs, releaseOnDisconnect } = settings;
  return { runtime: process.runtime, holder, ttlMs, releaseOnDisconnect, clockDriftRate };
}

/** What of a leadership a writer shows that does not ask whether it still leads. */
export function blindly({ name, token }: HeldLeadership) {
  return { name, token, assertHeld: () => {} };
}

/** About every `paceMs`, until the signal aborts. */
export async function again(
  { process, random }: SharerParts,
  paceMs: number,
  signal: AbortSignal,
  what: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await pause(process.runtime, random.between(0, 2 * paceMs), signal);
    if (!signal.aborted) await what();
  }
}
