import { ConclaveError } from '../../../errors/index.ts';
import type { FencedLeadership } from '../../../fencing/index.ts';
import type { FaultPreset } from '../../faults/options.ts';
import type { Process } from '../../world/process.ts';
import type { Draw } from '../../world/random.ts';
import type { World } from '../../world/world.ts';
import type { SharingReports } from '../reports.ts';

export interface CallOptions {
  readonly signal: AbortSignal;
}

/** A list of texts behind a guard, as one life of a process uses it. Errors are those of the guard. */
export interface Guarded {
  /** Adds the entry to those that are there, under the fence. */
  append(writer: FencedLeadership, entry: string, options: CallOptions): Promise<void>;
  /** Shuts out older tokens without adding anything. Absent: this guard has no such call. */
  claim?(writer: FencedLeadership, options: CallOptions): Promise<void>;
  read(): Promise<readonly string[]>;
}

export interface ServerParts {
  readonly world: World;
  readonly random: Draw;
  readonly reports: SharingReports;
  readonly faults: FaultPreset;
}

/** The other end of a guard: a server for the whole life. It tells the reports of all that changes, at once. */
export interface GuardServer {
  /** For one life of a process; `random`: what it does may differ from call to call. */
  connect(process: Process, random: Draw): Guarded;
  /** Gives back what the host lent it. */
  close?(): void;
}

export const resource = 'ledger';

export function encodeEntries(entries: readonly string[]): string {
  return JSON.stringify(entries);
}

/** '': there is nothing yet. */
export function decodeEntries(text: string): string[] {
  return text === '' ? [] : JSON.parse(text);
}

/** Of a read that goes past the guard: whatever the client's own errors are, such a read is without effect. */
export async function readDirectly<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    throw new ConclaveError('unavailable', 'The read had no answer.', { retryable: true, cause });
  }
}
