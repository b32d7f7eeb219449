/**
 * An app that needs its database up to date before it serves.
 *   CONCLAVE_ENDPOINTS  the cluster; default a member on this machine
 *   DATABASE            the SQLite file; default ./app.db
 *   PAUSE_AFTER         stop (SIGSTOP) after having applied one of these versions, until somebody sends SIGCONT
 */
import { DatabaseSync } from 'node:sqlite';
import { conclaveStore } from 'conclave/conclave';
import { migrateOnce } from './migrate.ts';

const { CONCLAVE_ENDPOINTS, DATABASE = './app.db', PAUSE_AFTER = '' } = process.env;
const store = conclaveStore({ endpoints: CONCLAVE_ENDPOINTS ?? 'http://127.0.0.1:2379' });

console.log('needs the database up to date');
const migrating = new DatabaseSync(DATABASE);
const { version, by } = await migrateOnce(store, migrating, {
  name: DATABASE,
  onApplied(applied, name) {
    console.log(`applied ${applied}: ${name}`);
    if (!PAUSE_AFTER.split(',').includes(String(applied))) return;
    console.log('is paused');
    process.kill(process.pid, 'SIGSTOP');
    console.log('woke up');
  },
});
migrating.close();

const db = new DatabaseSync(DATABASE, { timeout: 5000 });
const row = db.prepare('SELECT count(*) AS accounts, sum(balance) AS cents FROM accounts').get();
console.log(
  `serves ${row?.accounts} accounts with ${row?.cents} cents (version ${version}, completed by ${by})`,
);
db.close();
await store[Symbol.asyncDispose]();
