// A leader in a process of its own, for postgres-paused.test.ts: it is stopped within its transaction.
import { createInterface } from 'node:readline';
import pg from 'pg';
import { ConclaveError } from '../../src/errors/index.ts';
import { fenced } from '../../src/fencing/sql/postgres.ts';
import { leader } from './sql-leaders.ts';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
pool.on('error', () => {});
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
try {
  await fenced(
    pool,
    leader(Number(process.env.TOKEN)),
    async (tx) => {
      await tx.query("INSERT INTO journal VALUES ('older')");
      console.log('inside');
      await lines.next();
      await tx.query("INSERT INTO journal VALUES ('older, late')");
    },
    { idleTimeoutMs: Number(process.env.IDLE_TIMEOUT_MS) },
  );
  console.log('committed');
} catch (error) {
  console.log(`failed: ${ConclaveError.is(error) ? `${error.code} ${error.outcome}` : String(error)}`);
}
await pool.end();
process.exit(0);
