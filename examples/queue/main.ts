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
const start = (name: string) => {
  const environment = { CONCLAVE_ENDPOINTS: cluster.endpoints, DATABASE_URL, CONSUMER: name };
  return new Child(name, join(import.meta.dirname, 'consumer.ts'), { environment });
};
const [ada, bob, cid] = [start('ada'), start('bob'), start('cid')];
await Promise.all([ada, bob, cid].map((consumer) => consumer.wrote(/^leads/)));

await order(100);
await ada.wrote(/^shipped/);
console.log('Killing ada.');
await ada.kill();
await order(100);
await bob.wrote(/^shipped/);
console.log('Pausing bob.');
bob.signal('SIGSTOP');
await order(100);
while ((await check(pool)).shipments < 300) await sleep(100);
console.log('Waking bob.');
bob.signal('SIGCONT');
await bob.wrote(/lost$/);
await Promise.all([bob, cid].map((consumer) => consumer.stop()));

const result = await check(pool);
console.log(`${result.orders} orders, ${result.shipments} shipments by ${result.consumers} consumers`);
console.log(
  result.wrong.length === 0 ? 'each order once, each partition in its order' : result.wrong.join('\n'),
);
process.exitCode = result.orders === 300 && result.wrong.length === 0 ? 0 : 1;
await pool.end();
await cluster.stop();

async function order(count: number): Promise<void> {
  const customers = ['eve', 'fay', 'gus', 'hal', 'ivy', 'jon', 'kim', 'leo', 'mia', 'ned', 'oda', 'xia'];
  for (let number = 0; number < count; number++) {
    await enqueue(pool, customers[number % customers.length] ?? '', `item ${number}`);
  }
}
