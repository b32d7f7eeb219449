/** A queue of orders in PostgreSQL: those of one customer are handled in their order, those of many at a time. */
import { createHash } from 'node:crypto';
import { migrate } from 'conclave/fencing/postgres';
import pg, { type ClientBase, type Pool } from 'pg';

/** Changing it moves customers between partitions: drain the queue first. */
export const partitionCount = 8;

export interface Order {
  readonly id: string;
  readonly customer: string;
  readonly item: string;
}

const schema = 'conclave_example';

/** All that the example writes is in a schema of its own. */
export function openPool(connectionString: string | undefined): Pool {
  const pool = new pg.Pool({ connectionString, options: `-c search_path=${schema}` });
  // Connections that break while they lie idle; those in use tell who uses them.
  pool.on('error', () => {});
  return pool;
}

/** Makes the tables anew, empty. The fence goes, too: tokens of another cluster would compare with it wrongly. */
export async function recreateTables(pool: Pool): Promise<void> {
  const db = await pool.connect();
  try {
    await db.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE; CREATE SCHEMA ${schema}`);
    await db.query(`
      CREATE TABLE orders (
        id bigserial PRIMARY KEY, partition int NOT NULL, customer text NOT NULL, item text NOT NULL,
        handled boolean NOT NULL DEFAULT false);
      CREATE INDEX orders_waiting ON orders (partition, id) WHERE NOT handled;
      CREATE TABLE shipments (
        position bigserial PRIMARY KEY, order_id bigint NOT NULL, partition int NOT NULL,
        consumer text NOT NULL, token bigint NOT NULL)`);
  } finally {
    db.release();
  }
  await migrate(pool); // The fence table.
}

/** All orders of a customer are in one partition. */
export function partitionOf(customer: string): number {
  return createHash('sha256').update(customer).digest().readUInt32BE() % partitionCount;
}

export async function enqueue(pool: Pool, customer: string, item: string): Promise<void> {
  const db = await pool.connect();
  try {
    await db.query('BEGIN');
    // One producer of a partition at a time: otherwise a lower id may be committed after a higher one was handled.
    await db.query('SELECT pg_advisory_xact_lock(7301, $1)', [partitionOf(customer)]);
    await db.query('INSERT INTO orders (partition, customer, item) VALUES ($1, $2, $3)', [
      partitionOf(customer),
      customer,
      item,
    ]);
    await db.query('COMMIT');
  } catch (error) {
    await db.query('ROLLBACK').catch(() => {});
    throw error;
  } finally {
    db.release();
  }
}

/** The oldest order of the partition that waits. */
export async function nextOrder(tx: ClientBase, partition: number): Promise<Order | undefined> {
  const { rows } = await tx.query<Order>(
    'SELECT id, customer, item FROM orders WHERE partition = $1 AND NOT handled ORDER BY id LIMIT 1',
    [partition],
  );
  return rows[0];
}

/** What handling an order does: the shipment, and that it is done, in the transaction of the caller. */
export async function ship(
  tx: ClientBase,
  order: Order,
  by: { readonly partition: number; readonly consumer: string; readonly token: number },
): Promise<void> {
  await tx.query('INSERT INTO shipments (order_id, partition, consumer, token) VALUES ($1, $2, $3, $4)', [
    order.id,
    by.partition,
    by.consumer,
    by.token,
  ]);
  await tx.query('UPDATE orders SET handled = true WHERE id = $1', [order.id]);
}
