/** What all who use the slots of one name must agree on: how many there are. It stands in the turnstile's record. */
import { ConclaveError } from '../errors/index.ts';
import type { Leadership } from './leadership.ts';
import { decodeGraceRecord, encodeGraceRecord } from './record.ts';
import { retryOnSession } from './retry.ts';
import { linkSignals } from './waiting.ts';

/** undefined: nobody said yet. @throws 'data-damaged', 'data-incompatible'. */
export function decodeSlots(name: string, record: Uint8Array | undefined): number | undefined {
  if (record === undefined) return undefined;
  decodeGraceRecord(name, record);
  const { slots } = JSON.parse(new TextDecoder().decode(record)) as { readonly slots?: unknown };
  if (slots === undefined) return undefined;
  if (typeof slots === 'number' && Number.isSafeInteger(slots) && slots > 0) return slots;
  const message = `The record of election ${JSON.stringify(name)} says that there are ${JSON.stringify(slots)} slots; delete it in the store.`;
  throw new ConclaveError('data-damaged', message);
}

/** False: the turnstile was lost meanwhile, or the signal aborted. */
export async function writeSlots(
  turnstile: Leadership,
  slots: number,
  giveUp: AbortSignal,
): Promise<boolean> {
  const { name, token, parts } = turnstile;
  // A record of elections, so that a candidate for the turnstile can read it: without a grace.
  const grace = JSON.parse(new TextDecoder().decode(encodeGraceRecord({ token, graceMs: 0, clean: true })));
  const record = new TextEncoder().encode(JSON.stringify({ ...grace, slots }));
  const link = linkSignals(turnstile.signal, giveUp);
  try {
    const bounds = { what: 'Writing the record', signal: link.signal, maxMs: Number.POSITIVE_INFINITY };
    const written = await retryOnSession(parts, bounds, (options) =>
      parts.live.stored.writeRecord(name, token, record, options),
    );
    return written?.value === true;
  } finally {
    link.release();
  }
}
