// The examples of docs/guides/idempotency.md, as they stand there, against a real cluster and a bank's API.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { conclaveStore } from '../../src/stores/conclave.ts';
import { Guide, guidePatience as patience } from '../guide.ts';
import { TestCluster } from '../integration/cluster.ts';
import { Gate } from './once-gate.ts';
import { Payments } from './once-payments.ts';

const guide = new Guide('idempotency');

describe('the guide to idempotency', () => {
  let cluster: TestCluster;
  let payments: Payments;
  let gate: Gate;

  before(async () => {
    [cluster, payments] = await Promise.all([TestCluster.start(1), Payments.start()]);
    gate = await Gate.to(Number(new URL(cluster.members[0]?.clientUrl ?? '').port));
    await guide.unpack((code) =>
      code
        .replaceAll('http://127.0.0.1:2379', gate.url)
        .replaceAll('http://127.0.0.1:8080/charges', payments.url),
    );
  }, patience);
  after(async () => {
    await payments?.[Symbol.asyncDispose]();
    await gate?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
    await guide[Symbol.asyncDispose]();
  });

  const start = (name: string, ...args: string[]) => guide.start(name, { args });
  const outputOf = (name: string, ...args: string[]) => guide.outputOf(name, { args });

  test('its examples type-check strictly', patience, () => guide.typeCheck());

  test('retry.ts: the retry charges twice', patience, async () => {
    const before = payments.charges.size;
    payments.loseNextAnswer();
    await outputOf('retry.ts');
    assert.equal(payments.charges.size - before, 2);
  });

  test(
    'pay.ts: a lost answer, callers at one time and later ones, and a killed process: one charge',
    patience,
    async () => {
      payments.loseNextAnswer();
      const first = await outputOf('pay.ts', 'order-1');
      assert.match(first, /^again: The bank did not answer\.$/m);
      const paid = /^order-1: charge \d+$/m.exec(first)?.[0] ?? '';
      assert.notEqual(paid, '', first);
      assert.equal(await outputOf('pay.ts', 'order-1'), `${paid}\n`);
      assert.deepEqual(
        payments.requests.filter((key) => key === 'payment/order-1'),
        ['payment/order-1', 'payment/order-1'],
      );

      payments.holdAnswers();
      const requests = payments.requests.length;
      {
        await using killed = start('pay.ts', 'order-2');
        await Promise.race([payments.requested(requests + 1), killed.ended]);
        assert(payments.charges.has('payment/order-2'), killed.output);
        killed.signal('SIGKILL');
        await killed.ended;
      }
      payments.answerNewOnes();
      const charge = payments.charges.get('payment/order-2');
      const others = await Promise.all([1, 2, 3].map(() => outputOf('pay.ts', 'order-2')));
      for (const output of others) assert.match(output, new RegExp(`^order-2: charge ${charge}$`, 'm'));
      assert.equal(payments.charges.get('payment/order-2'), charge);
    },
  );

  test(
    'transfer.ts: killed between its commit and the record, the money is moved once',
    patience,
    async () => {
      const file = join(guide.folder, 'accounts.db');
      const db = new DatabaseSync(file, { timeout: 10_000 });
      db.exec('CREATE TABLE operations (id TEXT PRIMARY KEY, result TEXT NOT NULL)');
      db.exec('CREATE TABLE accounts (name TEXT PRIMARY KEY, cents INTEGER NOT NULL)');
      db.exec("INSERT INTO accounts VALUES ('alice', 100), ('bob', 0)");
      const centsOf = (name: string) =>
        Number(db.prepare('SELECT cents FROM accounts WHERE name = ?').get(name)?.cents);
      for (let attempt = 1; ; attempt += 1) {
        const id = `t-${attempt}`;
        if (await killedAfterCommit(id, db)) {
          assert.equal(centsOf('bob'), 30, 'it had committed');
          const again = await Promise.all([outputOf('transfer.ts', id), outputOf('transfer.ts', id)]);
          assert.deepEqual(again, ['moved 30\n', 'moved 30\n']);
          assert.deepEqual([centsOf('alice'), centsOf('bob')], [70, 30]);
          break;
        }
        // The machine was so slow that the lease ran out before the commit: nothing was moved.
        assert.equal(centsOf('bob'), 0);
        assert(attempt < 10, 'it never gets to its commit');
      }
      db.exec("UPDATE accounts SET cents = 10 WHERE name = 'alice'");
      assert.equal(await outputOf('transfer.ts', 't-refused'), 'alice has less than 30\n');
      db.exec("UPDATE accounts SET cents = 100 WHERE name = 'alice'");
      assert.equal(await outputOf('transfer.ts', 't-refused'), 'alice has less than 30\n');
      db.close();
    },
  );

  /**
   * Its transaction has to wait for the database until the store is out of reach, so that it is committed and the
   * outcome is not recorded. False: it did not come to the commit.
   */
  async function killedAfterCommit(id: string, db: DatabaseSync): Promise<boolean> {
    await using store = conclaveStore({ endpoints: cluster.members[0]?.clientUrl ?? '' });
    const committed = () =>
      db.prepare('SELECT 1 FROM operations WHERE id = ?').get(`transfer/${id}`) !== undefined;
    // It has migrated by then, and has not begun its transaction.
    gate.onConnection = () => {
      if (!db.isTransaction) db.exec('BEGIN IMMEDIATE');
    };
    await using running = start('transfer.ts', id);
    let ended = false;
    void running.ended.then(() => {
      ended = true;
    });
    const marked = async () => (await store.read(`once/transfer/${id}`)).record !== undefined;
    while (!ended && !(await marked())) await sleep(10);
    gate.shut();
    gate.onConnection = () => {};
    if (db.isTransaction) db.exec('ROLLBACK');
    while (!ended && !committed()) await sleep(5);
    running.signal('SIGKILL');
    await running.ended;
    gate.reopen();
    return committed();
  }

  test('batch.ts: many operations on one session', patience, async () => {
    assert.equal(await outputOf('batch.ts'), '100 operations, one lease\n');
  });

  test('each of them is run', () => guide.assertAllRun());
});
