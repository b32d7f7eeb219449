/** How a leadership is given back to the store: released, or handed to one who waits. */
import type { LiveSession } from './live-session.ts';
import type { SessionSettings } from './options.ts';
import { encodeGraceRecord } from './record.ts';
import { retryOnSession } from './retry.ts';
import type { LeaseStore } from './store.ts';

export interface Leaving {
  readonly store: LeaseStore;
  readonly live: LiveSession;
  readonly settings: SessionSettings;
  readonly name: string;
  readonly token: number;
  /** The grace in the unclean record written on winning; undefined where none was written. */
  readonly recordedGraceMs: number | undefined;
  /** Other names hang on the session: it is not given up because this one cannot be released for a while. */
  readonly sharedSession: boolean;
}

/** False: the session was lost, or is to be given up, since the store could not be reached for long. */
export async function releaseAtStore(leaving: Leaving): Promise<boolean> {
  const { live, name, token } = leaving;
  try {
    const released = await retryOnSession(
      leaving,
      { what: 'Resigning', maxMs: giveUpAfterMs(leaving) },
      (options) => live.stored.release(name, token, { ...options, ...cleanRecord(leaving) }),
    );
    return released !== undefined;
  } catch {
    // The store refuses for good: closing the session is what is left.
    return false;
  }
}

/** False: resign instead. */
export async function transferAtStore(leaving: Leaving, toHolder: string): Promise<boolean> {
  const { store, live, name, token } = leaving;
  try {
    const bounds = { what: 'Handing off', maxMs: giveUpAfterMs(leaving) };
    const transferred = await retryOnSession(leaving, bounds, (options) =>
      live.stored.transfer(name, token, toHolder, { ...options, ...cleanRecord(leaving) }),
    );
    if (transferred === undefined || transferred.value) return transferred?.value ?? false;
    // An earlier try may have been carried out without our seeing the answer.
    if (!transferred.ambiguous) return false;
    const now = await live.call('Reading who leads', undefined, (options) => store.read(name, options));
    return now.leader?.holder === toHolder;
  } catch {
    // 'target-not-waiting': it vanished. Anything else: releasing is the safe end, and is guarded by the token.
    return false;
  }
}

/** A session of its own can be given up instead, and then the lease runs out. */
function giveUpAfterMs({ live, sharedSession }: Leaving): number {
  return sharedSession ? Number.POSITIVE_INFINITY : Math.min(live.stored.ttlMs, 10_000);
}

function cleanRecord({ token, recordedGraceMs: graceMs }: Leaving): { record?: Uint8Array } {
  return graceMs === undefined ? {} : { record: encodeGraceRecord({ token, graceMs, clean: true }) };
}
