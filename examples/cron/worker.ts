/**
 * One of several processes that run the same schedule: on each tick one of them charges the customer.
 *   CONCLAVE_ENDPOINTS  the cluster; default a member on this machine
 *   PAYMENTS_URL        the API that charges
 *   EVERY_MS            the distance of ticks; default 60000
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Session } from 'conclave';
import { conclaveStore } from 'conclave/conclave';
import { ConclaveError } from 'conclave/errors';
import { type OnceContext, once } from 'conclave/once';
import { ticks } from './ticks.ts';

const {
  CONCLAVE_ENDPOINTS,
  PAYMENTS_URL = 'http://127.0.0.1:8090/charges',
  EVERY_MS = '60000',
} = process.env;
const store = conclaveStore({ endpoints: CONCLAVE_ENDPOINTS ?? 'http://127.0.0.1:2379' });
// One lease for all ticks. A killed process is replaced when its connection breaks.
const session = new Session(store, { ttlMs: 2000, releaseOnDisconnect: { graceMs: 100 } });
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.once('SIGINT', () => stop.abort());

/** The API's final no. */
class Refused extends Error {
  override readonly name = 'Refused';
}

console.log('watches the clock');
const schedule = { everyMs: Number(EVERY_MS), catchUpMs: 3_600_000, signal: stop.signal };
for await (const tick of ticks(schedule)) {
  const charge = await outcomeOf(tick);
  if (charge !== undefined) console.log(`${tick}: charge ${charge}`);
}
await session[Symbol.asyncDispose]();
await store[Symbol.asyncDispose]();

/** What came of this tick, whichever process ran it; runs it if nobody has. undefined: we are to stop. */
async function outcomeOf(tick: string): Promise<number | undefined> {
  for (;;) {
    try {
      return await once(store, `charge/${tick}`, (context) => pay(tick, context), {
        session,
        signal: stop.signal,
        retainMs: 24 * 3_600_000,
        // No answer, or none that is final: the tick has no outcome yet.
        isRetryable: (error) => !(error instanceof Refused),
      });
    } catch (error) {
      if (stop.signal.aborted) return undefined;
      // What was refused is an outcome, too, and the same for every process. All else is tried again.
      if (error instanceof Error && error.name === 'Refused') {
        console.log(`${tick}: ${error.message}`);
        return undefined;
      }
      const why = ConclaveError.is(error) ? error.code : String(error);
      console.log(`${tick} again: ${why}`);
      await sleep(100);
    }
  }
}

/** May run more than once for a tick; the key is what makes the API charge once. */
async function pay(tick: string, { operationId, attempt, signal }: OnceContext): Promise<number> {
  console.log(`runs ${tick}, attempt ${attempt}`);
  const response = await fetch(PAYMENTS_URL, {
    method: 'POST',
    headers: { 'idempotency-key': operationId, 'content-type': 'application/json' },
    body: JSON.stringify({ customer: 'ada', cents: 500 }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
  });
  if (response.status >= 500) throw new Error(`the API answered ${response.status}`);
  if (!response.ok) throw new Refused(`refused: ${response.status} ${await response.text()}`);
  const { charge } = (await response.json()) as { readonly charge: number };
  return charge;
}
