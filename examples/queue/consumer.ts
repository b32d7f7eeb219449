/**
 * One of several consumers, which share the partitions of the queue among them.
 *   CONCLAVE_ENDPOINTS  the cluster; default a member on this machine
 *   DATABASE_URL        PostgreSQL
 *   CONSUMER            its name, kept with what it ships
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Leadership } from 'conclave';
import { conclaveStore } from 'conclave/conclave';
import { fenced } from 'conclave/fencing/postgres';
import { Partitions } from 'conclave/partitions';
import { nextOrder, openPool, partitionCount, ship } from './queue.ts';

const { CONCLAVE_ENDPOINTS, DATABASE_URL, CONSUMER = `consumer ${process.pid}` } = process.env;
const store = conclaveStore({ endpoints: CONCLAVE_ENDPOINTS ?? 'http://127.0.0.1:2379' });
const pool = openPool(DATABASE_URL);

const partitions = new Partitions(store, 'orders', {
  count: partitionCount,
  ttlMs: 2000,
  // A killed process is replaced when its connection breaks, a silent one when its lease has run out.
  releaseOnDisconnect: { graceMs: 100 },
  onAssigned: (leadership, partition) => consume(leadership, Number(partition)),
  onRevoked: (_leadership, partition, reason) => console.log(`gives up partition ${partition}: ${reason}`),
  onJobError: (error, leadership) => console.log(`${leadership.name}: ${error}`),
});
const leave = async () => {
  // Each partition finishes the order that it is at; then the others go on with it.
  await partitions[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await pool.end();
};
process.once('SIGTERM', leave);
process.once('SIGINT', leave);

/** Runs while this process leads the partition. */
async function consume(leadership: Leadership, partition: number): Promise<void> {
  const { token, signal } = leadership;
  console.log(`leads partition ${partition} with token ${token}`);
  while (!signal.aborted) {
    // The fence, the effect, and that the order is handled are one transaction: all of it happens, or nothing.
    const order = await fenced(
      pool,
      leadership,
      async (tx) => {
        const next = await nextOrder(tx, partition);
        if (next !== undefined) await ship(tx, next, { partition, consumer: CONSUMER, token });
        return next;
      },
      // If this process is paused in the middle, the next leader waits for the fence until the server gives it up.
      { idleTimeoutMs: 1000 },
    );
    if (order === undefined) await sleep(100, undefined, { signal });
    else console.log(`shipped order ${order.id} (${order.item} for ${order.customer})`);
  }
}
