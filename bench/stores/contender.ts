/**
 * Clients in a process of their own, which does what its parent says. Told by arguments: the system, where the server
 * is, how many clients, as JSON. Times are the machine's monotonic ones, the same in all processes.
 */
import { type Client, type Held, leadOnce, type Where } from './client.ts';
import type { Answer, Order, Ready } from './processes.ts';
import { clientOf } from './systems.ts';

const [system = '', where = '', count = '1'] = process.argv.slice(2);
const open = await clientOf(system);
const clients: Client[] = [];
for (let number = 0; number < Number(count); number++)
  clients.push(await open(JSON.parse(where) as Where, `${process.pid}-${number}`));
const held = new Map<string, Held>();

async function carryOut({ what, client: number, election, ttlMs, rounds }: Order): Promise<Partial<Answer>> {
  const client = clients[number] as Client;
  const key = `${number} ${election}`;
  if (what === 'campaign') {
    held.set(key, await client.campaign(election, ttlMs));
    return { atNs: process.hrtime.bigint() };
  }
  if (what === 'resign') {
    const atNs = process.hrtime.bigint();
    await held.get(key)?.resign();
    return { atNs };
  }
  if (what === 'close') {
    for (const one of clients) await one[Symbol.asyncDispose]();
    return {};
  }
  const once = [];
  const untilMs = performance.now() + 1500;
  // What runs for the first time takes several times as long, so there is a limit in time only to warming up.
  while (once.length < rounds && (what === 'lead' || performance.now() < untilMs))
    once.push(await leadOnce(client, election, ttlMs));
  return { once };
}

process.on('message', (order: Order) => {
  carryOut(order).then(
    (answer) => process.send?.({ id: order.id, ...answer }),
    (error: unknown) => process.send?.({ id: order.id, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
const { minTtlMs, pollsEveryMs } = clients[0] ?? {};
process.send?.({ minTtlMs, pollsEveryMs } satisfies Ready);
