/**
 * A process that keeps the ledger while it leads.
 *   CONCLAVE_ENDPOINTS  the cluster; default a member on this machine
 *   LEDGER, FENCED      the file, and whether to keep it fenced (true) or by lease alone
 *   WRITER              its name in the ledger
 *   PAUSE_AT            stop (SIGSTOP) at the worst moment of this entry, until somebody sends SIGCONT; of the next one
 *                       where the lease ran out just before
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { elect } from 'conclave';
import { conclaveStore } from 'conclave/conclave';
import { ConclaveError } from 'conclave/errors';
import { fencedLedger, plainLedger } from './ledger.ts';

const { CONCLAVE_ENDPOINTS, LEDGER = './ledger', FENCED, WRITER = 'W', PAUSE_AT } = process.env;
const store = conclaveStore({ endpoints: CONCLAVE_ENDPOINTS ?? 'http://127.0.0.1:2379' });
const ledger = FENCED === 'true' ? fencedLedger(LEDGER) : plainLedger(LEDGER);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.once('SIGINT', () => stop.abort());

let number = 0;
let paused = false;
await elect(
  store,
  'ledger',
  async (leadership) => {
    console.log(`leads with token ${leadership.token}`);
    while (!leadership.signal.aborted) {
      number += 1;
      const entry = `${WRITER}-${number}`;
      try {
        await ledger.add(leadership, entry, () => interrupt(entry));
        console.log(`wrote ${entry}`);
      } catch (error) {
        // Nothing was written: somebody else leads, or this leadership ended first.
        if (!ConclaveError.is(error, 'stale-token') && !ConclaveError.is(error, 'not-leading')) throw error;
        console.log(`could not write ${entry}: ${error.code}: ${error.message}`);
      }
      await sleep(50, undefined, { signal: leadership.signal });
    }
  },
  { ttlMs: 1000, signal: stop.signal },
);
await store[Symbol.asyncDispose]();

function interrupt(entry: string): void {
  if (paused || PAUSE_AT === undefined || number < Number(PAUSE_AT)) return;
  paused = true;
  console.log(`is about to write ${entry}, and is paused`);
  process.kill(process.pid, 'SIGSTOP');
  console.log(`woke up, and writes ${entry}`);
}
