import { setTimeout as sleep } from 'node:timers/promises';
import type { Candidate, ElectionState, Leadership, LeaseStore } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { CommandFailure } from '../failure.ts';
import type { ElectOptions } from './run.ts';

export interface Campaign {
  readonly candidate: Pick<Candidate, 'campaign'>;
  readonly store: Pick<LeaseStore, 'read'>;
  readonly options: Pick<ElectOptions, 'name' | 'timeoutMs' | 'disconnectGraceMs'>;
  /** Ends it. */
  readonly interrupted: AbortSignal;
}

/** What was seen of the election while there was time: who leads, if anybody, or why that is not known. */
export interface NotElected {
  readonly leader?: ElectionState['leader'];
  readonly failure?: unknown;
}

/** So long before the end of `--timeout` it is looked who leads. */
const lookingMs = 2000;
const betweenLooksMs = 250;

/** `notElected`: it was interrupted, or the time is over; no more of it is taken to find out why. */
export async function campaign({
  candidate,
  store,
  options,
  interrupted,
}: Campaign): Promise<{ readonly leadership: Leadership } | { readonly notElected: NotElected }> {
  const { name, timeoutMs, disconnectGraceMs } = options;
  const signals = timeoutMs === undefined ? [interrupted] : [interrupted, AbortSignal.timeout(timeoutMs)];
  const signal = AbortSignal.any(signals);
  const decided = new AbortController();
  const looking =
    timeoutMs === undefined
      ? undefined
      : look(store, name, timeoutMs, AbortSignal.any([interrupted, decided.signal]));
  try {
    return { leadership: await candidate.campaign({ signal }) };
  } catch (error) {
    if (signal.aborted && ConclaveError.is(error, 'aborted')) return { notElected: (await looking) ?? {} };
    // As where PostgreSQL is reached through a pooler, which is found out only there.
    if (disconnectGraceMs !== undefined && ConclaveError.is(error, 'unsupported'))
      throw new CommandFailure('usage', `${error.message} Leave out --release-on-disconnect.`);
    throw error;
  } finally {
    decided.abort();
  }
}

/** Beside the campaign, so that a store which says nothing costs no time after it. Never rejects. */
async function look(
  store: Pick<LeaseStore, 'read'>,
  name: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<NotElected> {
  const untilMs = performance.now() + timeoutMs;
  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {});
  await pause(Math.max(0, timeoutMs - lookingMs));
  let failure: unknown;
  for (let leftMs = untilMs - performance.now(); !signal.aborted; leftMs = untilMs - performance.now()) {
    try {
      const { leader } = await store.read(name, { timeoutMs: Math.max(1, leftMs), signal });
      return { leader };
    } catch (error) {
      // That the time is over says less than what was heard before.
      if (failure === undefined || !ConclaveError.is(error, 'timeout')) failure = error;
    }
    if (untilMs - performance.now() <= betweenLooksMs) break;
    await pause(betweenLooksMs);
  }
  return { failure };
}
