/** Looks at what the consumers left behind. */
import type { Pool } from 'pg';

export interface CheckResult {
  readonly orders: number;
  readonly shipments: number;
  readonly consumers: number;
  /** A line for each order shipped twice, skipped, or out of the order of its partition. */
  readonly wrong: readonly string[];
}

/** To be called when all is shipped; before, an order that still waits counts as skipped. */
export async function check(pool: Pool): Promise<CheckResult> {
  const { rows: orders } = await pool.query<{ id: string }>('SELECT id FROM orders');
  const { rows: shipments } = await pool.query<{
    order_id: string;
    partition: number;
    consumer: string;
    token: string;
  }>('SELECT order_id, partition, consumer, token FROM shipments ORDER BY position');
  const wrong: string[] = [];
  const shipped = new Set<string>();
  const last = new Map<number, { readonly id: number; readonly token: number }>();
  for (const { order_id: id, partition, token } of shipments) {
    if (shipped.has(id)) wrong.push(`order ${id} was shipped twice`);
    shipped.add(id);
    const before = last.get(partition);
    if (before !== undefined && Number(id) < before.id)
      wrong.push(`order ${id} was shipped after ${before.id}`);
    if (before !== undefined && Number(token) < before.token)
      wrong.push(`order ${id} was shipped by an old leader`);
    last.set(partition, { id: Number(id), token: Number(token) });
  }
  for (const { id } of orders) if (!shipped.has(id)) wrong.push(`order ${id} was skipped`);
  const consumers = new Set(shipments.map(({ consumer }) => consumer)).size;
  return { orders: orders.length, shipments: shipments.length, consumers, wrong };
}
