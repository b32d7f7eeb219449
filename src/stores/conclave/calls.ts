/** What the sessions of a store of keys have in common, whichever cluster holds the keys. */
import type { CallOptions } from '../../client/index.ts';
import type { SessionOptions, StoreCallOptions, StoreCapabilities } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { Clock } from '../../runtime/types.ts';

/** Options that are not there at all where the caller gave none. */
export function callOptions({ signal, timeoutMs }: StoreCallOptions): CallOptions {
  return { ...(signal === undefined ? {} : { signal }), ...(timeoutMs === undefined ? {} : { timeoutMs }) };
}

/** For several calls within one time: the options of the next one, with what is left. */
export function sharingTime(
  clock: Pick<Clock, 'monotonicMs'>,
  signal: AbortSignal | undefined,
  timeoutMs: number,
): () => CallOptions & { readonly timeoutMs: number } {
  const startMs = clock.monotonicMs();
  return () => ({
    ...(signal === undefined ? {} : { signal }),
    timeoutMs: Math.max(timeoutMs - (clock.monotonicMs() - startMs), 1),
  });
}

/** @throws ConclaveError 'invalid-argument', 'unsupported' */
export function checkSession(
  store: { readonly description: string; readonly capabilities: StoreCapabilities },
  { ttlMs, holder, releaseOnDisconnect }: SessionOptions,
): void {
  const { minTtlMs, maxTtlMs, connectionBound } = store.capabilities;
  if (!(ttlMs >= minTtlMs && ttlMs <= maxTtlMs)) {
    const message = `A TTL of ${ttlMs} ms is out of range: ${store.description} takes ${minTtlMs} to ${maxTtlMs} ms.`;
    throw new ConclaveError('invalid-argument', message);
  }
  if (holder === '') {
    throw new ConclaveError('invalid-argument', 'A session needs a holder that is not empty.');
  }
  if (releaseOnDisconnect === undefined) return;
  if (!connectionBound) {
    throw new ConclaveError('unsupported', `${store.description} cannot bind a session to its connection.`);
  }
  if (!(releaseOnDisconnect.graceMs >= 0)) {
    const message = `A grace of ${releaseOnDisconnect.graceMs} ms is none; give 0 or more.`;
    throw new ConclaveError('invalid-argument', message);
  }
}

interface Identity {
  readonly id: string;
  readonly holder: string;
}

export function sessionLost({ id, holder }: Identity, lease: bigint, cause?: unknown): ConclaveError {
  const message = `The session ${id} of ${holder} has expired or was revoked: open another.`;
  return new ConclaveError('lease-lost', message, { cause, details: { lease } });
}

export function sessionClosed({ id }: Identity): ConclaveError {
  return new ConclaveError('lease-lost', `The session ${id} was closed.`);
}
