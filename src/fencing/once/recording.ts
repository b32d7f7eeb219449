/** Writes of an operation's record: guarded by the token, repeated until they are answered or the session is lost. */
import type { LiveSession } from '../../election/index.ts';
import { retryOnSession } from '../../election/retry.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { OnceSettings } from './options.ts';
import type { Place } from './place.ts';
import { encodeRecord } from './record.ts';

interface Writer {
  readonly live: LiveSession;
  readonly token: number;
  readonly attempt: number;
}

/**
 * 'running' is written under the leadership; 'open' ends it, and never throws. False: the leadership was lost, or the
 * caller gave up.
 */
export async function writeState(
  place: Place,
  { recordTtlMs, signal }: OnceSettings,
  { live, token, attempt }: Writer,
  state: 'running' | 'open',
): Promise<boolean> {
  const { name } = place;
  const record = encodeRecord({ state, token, attempt });
  const maxMs = Number.POSITIVE_INFINITY;
  if (state === 'running') {
    const what = `Marking operation ${JSON.stringify(name)} as running`;
    const marked = await retryOnSession({ ...place, live }, { what, signal, maxMs }, (options) =>
      live.stored.writeRecord(name, token, record, { ...options, recordTtlMs }),
    );
    return marked?.value === true;
  }
  try {
    const what = `Giving operation ${JSON.stringify(name)} back`;
    const given = await retryOnSession({ ...place, live }, { what, maxMs }, (options) =>
      live.stored.release(name, token, { ...options, record, recordTtlMs }),
    );
    return given?.value === true;
  } catch {
    // The store refuses for good: the operation is free when the session ends.
    live.lose('closed');
    return false;
  }
}

/**
 * Records the outcome and ends the leadership in one step. 'lost': another one may lead, or an earlier try took effect
 * without our seeing the answer: the record tells. An error: the store refuses it for good.
 */
export async function writeOutcome(
  place: Place,
  { recordTtlMs }: OnceSettings,
  { live, token }: Writer,
  record: Uint8Array,
): Promise<'recorded' | 'lost' | ConclaveError> {
  const { name } = place;
  const what = `Recording the outcome of operation ${JSON.stringify(name)}`;
  try {
    const released = await retryOnSession(
      { ...place, live },
      { what, maxMs: Number.POSITIVE_INFINITY },
      (options) => live.stored.release(name, token, { ...options, record, recordTtlMs }),
    );
    return released?.value === true ? 'recorded' : 'lost';
  } catch (error) {
    if (ConclaveError.is(error)) return error;
    throw error;
  }
}
