import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { check } from '../../examples/queue/check.ts';
import type { Child } from '../../examples/shared/child.ts';
import { firstToWrite, Processes } from './processes.ts';
import { patience, type Setting } from './setting.ts';

type Queue = typeof import('../../examples/queue/queue.ts');

const rounds = 4;
const customers = 'eve fay gus hal ivy jon kim leo mia ned oda xia'.split(' ');

export function testQueue(setting: Setting, missing: string | undefined): void {
  const options = { ...patience, skip: missing ?? false };
  test(
    'queue: each order is shipped once, in the order of its partition, while consumers are killed and paused',
    options,
    async () => {
      // Only where it runs: it imports the package, by the name that this checkout's own `dist` has.
      const imported: Queue = await import(setting.checkout.url('queue/queue.ts'));
      const { enqueue, openPool, recreateTables } = imported;
      const pool = openPool(setting.databaseUrl);
      try {
        await recreateTables(pool);
        const start = (name: string) => {
          const own = { DATABASE_URL: setting.databaseUrl, CONSUMER: name };
          return setting.checkout.start(
            'queue/consumer.ts',
            { ...own, CONCLAVE_ENDPOINTS: setting.endpoints },
            name,
          );
        };
        await using consumers = new Processes(start, 3);
        await Promise.all(consumers.all.map((consumer) => consumer.wrote(/^leads partition/)));
        let orders = 0;
        const order = async (count: number) => {
          for (let number = 0; number < count; number++) {
            await enqueue(pool, customers[orders % customers.length] ?? '', `item ${orders}`);
            orders += 1;
          }
        };
        for (let round = 0; round < rounds; round++) {
          const ordering = order(60);
          ordering.catch(() => {});
          const hurt = await firstToWrite(consumers.running, /^shipped/);
          if (round % 2 === 0) {
            await hurt.kill();
            await consumers.add().wrote(/^leads partition/);
          } else {
            hurt.signal('SIGSTOP');
            const others = consumers.running.filter((one) => one !== hurt);
            // All that it had: so its lease has run out.
            while (ledBy([hurt]).some((partition) => !ledBy(others).includes(partition))) await sleep(20);
            hurt.signal('SIGCONT');
          }
          await ordering;
        }
        while ((await check(pool)).shipments < orders) await sleep(100);
        assert.deepEqual(await consumers.stop(), []);
        const result = await check(pool);
        assert.deepEqual(result, { orders, shipments: orders, consumers: result.consumers, wrong: [] });
        assert.ok(result.consumers >= 3);
        assert.ok(consumers.lines(/: lost$/).length > 0, 'nobody was paused past its lease');
      } finally {
        await pool.end();
      }
    },
  );
}

/** The partitions that these lead, by their own words. */
function ledBy(consumers: readonly Child[]): string[] {
  return consumers.flatMap(({ lines }) => {
    const led = new Set<string>();
    for (const line of lines) {
      const [, begun, ended] = /^(?:leads partition (\d+)|gives up partition (\d+))/.exec(line) ?? [];
      if (begun !== undefined) led.add(begun);
      if (ended !== undefined) led.delete(ended);
    }
    return [...led];
  });
}
