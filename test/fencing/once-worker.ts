// One process that pays for one order, as a user's would: node once-worker.ts <endpoints> <payments url> <order>
import { ConclaveError } from '../../src/errors/index.ts';
import { once } from '../../src/fencing/once/index.ts';
import { conclaveStore } from '../../src/stores/conclave.ts';

const [endpoints = '', payments = '', order = ''] = process.argv.slice(2);
await using store = conclaveStore({ endpoints: endpoints.split(',') });

async function pay(): Promise<object> {
  return await once(
    store,
    order,
    async ({ operationId, attempt, takenOver }) => {
      // Without the signal: a paused process finds the answer of the bank waiting when it wakes up.
      const answer = await fetch(payments, { method: 'POST', headers: { 'idempotency-key': operationId } });
      return { ...((await answer.json()) as { charge: number }), by: process.pid, attempt, takenOver };
    },
    { ttlMs: 3000, releaseOnDisconnect: { graceMs: 1000 } },
  );
}

for (;;) {
  try {
    console.log(JSON.stringify({ paid: await pay() }));
    break;
  } catch (error) {
    if (ConclaveError.is(error) && error.retryable) continue;
    console.log(JSON.stringify({ error }));
    break;
  }
}
