/** Three consumers on one queue, of which one is killed and one is paused while they work. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../shared/child.ts';
import { openCluster } from '../shared/cluster.ts';
import { check } from './check.ts';
import { enqueue, openPool, recreateTables } from './queue.ts';

const { DATABASE_URL } = process.env;
if (DATABASE_URL === undefined) {
  console.error(
    'Set DATABASE_URL to a PostgreSQL database for this, such as postgres://postgres@127.0.0.1/postgres',
  );
  process.exit(2);
}
const pool = openPool(DATABASE_URL);
await recreateTables(pool);
const cluster = await openCluster();
let ordered = 0;
const start = (name: string) => {
  const environment = { CONCLAVE_ENDPOINTS: cluster.endpoints, DATABASE_URL, CONSUMER: name };
  return new Child(name, join(import.meta.dirname, 'consumer.ts'), { environment });
};
const [ada, bob, cid] = [start('ada'), start('bob'), start('cid')];
await Promise.all([ada, bob, cid].map((consumer) => consumer.wrote(/^leads/)));

await orderUntil(ada.wrote(/^shipped/));
console.log('Killing ada.');
await ada.kill();
await orderUntil(bob.wrote(/^shipped/, bob.lines.length));
console.log('Pausing bob.');
bob.signal('SIGSTOP');
await order(60);
await untilAllAreShipped();
console.log('All is shipped. Waking bob.');
bob.signal('SIGCONT');
await bob.wrote(/lost$/);
await order(60);
await untilAllAreShipped();
await Promise.all([bob, cid].map((consumer) => consumer.stop()));

const result = await check(pool);
console.log(`${result.orders} orders, ${result.shipments} shipments by ${result.consumers} consumers`);
console.log(
  result.wrong.length === 0 ? 'each order once, each partition in its order' : result.wrong.join('\n'),
);
process.exitCode = result.orders === ordered && result.wrong.length === 0 ? 0 : 1;
await pool.end();
await cluster.stop();

/** For customers in all partitions, one after the other. */
async function order(count: number): Promise<void> {
  const customers = ['eve', 'fay', 'gus', 'hal', 'ivy', 'jon', 'kim', 'leo', 'mia', 'ned', 'oda', 'xia'];
  for (let made = 0; made < count; made++) {
    ordered += 1;
    await enqueue(pool, customers[ordered % customers.length] ?? '', `item ${ordered}`);
  }
}

async function orderUntil(event: Promise<unknown>): Promise<void> {
  let waiting = true;
  void event.catch(() => {}).then(() => (waiting = false));
  while (waiting) {
    await order(1);
    await sleep(10);
  }
  await event;
}

async function untilAllAreShipped(): Promise<void> {
  while ((await check(pool)).shipments < ordered) await sleep(100);
}
