import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPayments } from '../../examples/cron/payments.ts';
import type { Child } from '../../examples/shared/child.ts';
import { Processes } from './processes.ts';
import { patience, type Setting } from './setting.ts';

const everyMs = 250;
const timesWanted = 4;

export function testCron(setting: Setting): void {
  test(
    'cron: each tick has one outcome and one charge though its worker is killed or paused between the two',
    patience,
    async () => {
      const done = Promise.withResolvers<void>();
      const repeated: string[] = [];
      let [hurting, times] = [false, 0];
      const payments = await startPayments(async (key, again) => {
        const tick = key.slice('charge/'.length);
        if (again) repeated.push(key);
        // Before it is answered: nobody but the API knows of the charge. And only when others will come to this tick.
        const known = workers.running.every((one) => toldBefore(one, tick));
        if (again || hurting || times === timesWanted || !known) return;
        hurting = true;
        await hurt(tick).catch(done.reject);
        hurting = false;
        if (times === timesWanted) done.resolve();
      });
      const start = (name: string) => {
        const own = { PAYMENTS_URL: payments.url, EVERY_MS: String(everyMs) };
        return setting.checkout.start(
          'cron/worker.ts',
          { ...own, CONCLAVE_ENDPOINTS: setting.endpoints },
          name,
        );
      };
      const hurt = async (tick: string) => {
        const runs = new RegExp(`^runs ${tick}, attempt 1$`);
        const runner = await Promise.any(workers.running.map(async (one) => (await one.wrote(runs)) && one));
        times += 1;
        if (times % 2 === 1) {
          await runner.kill();
          workers.add();
          return;
        }
        runner.signal('SIGSTOP');
        const goesOn = new RegExp(`^runs ${tick}, attempt [2-9]$`);
        const others = workers.running.filter((one) => one !== runner);
        void Promise.any(others.map((one) => one.wrote(goesOn))).then(
          () => runner.signal('SIGCONT'),
          done.reject,
        );
      };
      await using workers = new Processes(start, 3);
      try {
        await done.promise;
        await Promise.all(workers.running.map((one) => one.wrote(/^watches the clock/)));
        const last = new Date(Math.ceil(Date.now() / everyMs) * everyMs).toISOString();
        await Promise.all(workers.running.map((one) => one.wrote(new RegExp(`^${last}: charge`))));
        assert.deepEqual(await workers.stop(), []);
        assert.ok(
          new Set(repeated).size >= timesWanted,
          'a worker was not replaced between charge and record',
        );

        const upToLast = chargedTicks(payments.charges).filter((tick) => tick <= last);
        const [first = ''] = upToLast;
        assert.deepEqual(
          upToLast.map((tick) => Date.parse(tick)),
          upToLast.map((_, position) => Date.parse(first) + position * everyMs),
          'a tick was skipped',
        );
        const begun = workers.lines(/^runs (\S+), attempt 1$/).map(([, tick]) => tick);
        assert.equal(new Set(begun).size, begun.length, 'two workers began the same tick');
        const told = workers.lines(/^(\S+Z): charge (\d+)$/).map(([, tick, charge]) => `${tick}: ${charge}`);
        for (const tick of upToLast) {
          assert.ok(
            told.includes(`${tick}: ${payments.charges.get(`charge/${tick}`)}`),
            `nobody knows of ${tick}`,
          );
        }
        const differing = new Set(told).size - new Set(told.map((line) => line.slice(0, first.length))).size;
        assert.equal(differing, 0, 'two workers were told different outcomes of a tick');
      } finally {
        await payments.close();
      }
    },
  );
}

function chargedTicks(charges: ReadonlyMap<string, number>): string[] {
  return [...charges.keys()].map((key) => key.slice('charge/'.length)).sort();
}

/** Whether this worker has told the outcome of an earlier tick: then it comes to this one, too. */
function toldBefore({ lines }: Child, tick: string): boolean {
  return lines.some((line) => line.includes(': charge ') && line < tick);
}
