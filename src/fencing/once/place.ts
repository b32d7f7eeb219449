/** Where an operation lives in its store, and looking at it: patient with a store that is down. */

import { publish } from '../../election/events.ts';
import type { ElectionState, LeaseStore } from '../../election/index.ts';
import type { SessionSettings } from '../../election/options.ts';
import { backoffMs, callBounded, isPermanent, linkSignals, sleep } from '../../election/waiting.ts';
import { ConclaveError } from '../../errors/index.ts';
import { decodeRecord, isFinal } from './record.ts';

export interface Place {
  readonly store: LeaseStore;
  readonly name: string;
  readonly settings: SessionSettings;
}

/** The record, if it is final. @throws 'data-damaged' or 'data-incompatible'. */
export function finalRecord(name: string, record: Uint8Array | undefined): Uint8Array | undefined {
  return record !== undefined && isFinal(decodeRecord(name, record)) ? record : undefined;
}

/** One linearizable read. @throws 'aborted', and what trying again cannot cure. */
export function readState(place: Place, signal: AbortSignal | undefined): Promise<ElectionState> {
  const what = `Reading operation ${JSON.stringify(place.name)}`;
  return patiently(place, what, signal, () =>
    callBounded(place.settings.runtime, { what, timeoutMs: 5000, signal }, (options) =>
      place.store.read(place.name, options),
    ),
  );
}

/** Watches until `decide` gives something. @throws as `readState`, and what `decide` throws. */
export function watchUntil<T>(
  place: Place,
  signal: AbortSignal | undefined,
  decide: (state: ElectionState) => T | undefined,
): Promise<T> {
  const what = `Watching operation ${JSON.stringify(place.name)}`;
  return patiently(place, what, signal, async () => {
    const link = linkSignals(signal);
    try {
      return await firstDecision(place, link.signal, decide);
    } finally {
      link.controller.abort();
      link.release();
    }
  });
}

async function firstDecision<T>(
  { store, name }: Place,
  signal: AbortSignal,
  decide: (state: ElectionState) => T | undefined,
): Promise<T> {
  const watching = (async () => {
    for await (const state of store.watch(name, { signal })) {
      const decision = signal.aborted ? undefined : decide(state);
      if (decision !== undefined) return decision;
    }
    throw new ConclaveError('unavailable', 'The store ended the watch.', { retryable: true });
  })();
  watching.catch(() => {});
  const stopped = new Promise<never>((_resolve, reject) => {
    const stop = () => reject(ConclaveError.aborted('The watch', signal));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  stopped.catch(() => {});
  return await Promise.race([watching, stopped]);
}

async function patiently<T>(
  { store, settings }: Place,
  what: string,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  const { runtime, holder, onEvent } = settings;
  for (let failures = 1; ; failures += 1) {
    if (signal?.aborted) throw ConclaveError.aborted(what, signal);
    try {
      return await attempt();
    } catch (error) {
      if (signal?.aborted) throw ConclaveError.aborted(what, signal);
      if (isPermanent(error)) throw error;
      const retryInMs = backoffMs(runtime.random, failures - 1, 50, 5000);
      publish(
        { type: 'trouble', holder, store: store.description, what, error, attempt: failures, retryInMs },
        onEvent,
      );
      await sleep(runtime, retryInMs, ...(signal ? [signal] : []));
    }
  }
}
