// The examples of docs/guides/idempotency.md, as they stand there, against a real cluster and a bank's API.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { conclaveStore } from '../../src/stores/conclave.ts';
import { TestCluster } from '../integration/cluster.ts';
import { readmeExamples } from '../packaging/examples.ts';
import { environment, Running } from '../packaging/project.ts';
import { Gate } from './once-gate.ts';
import { Payments } from './once-payments.ts';

const root = join(import.meta.dirname, '../..');
const patience = { timeout: 120_000 };
const examples = readmeExamples(readFileSync(join(root, 'docs/guides/idempotency.md'), 'utf8'));
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, { readonly default?: string }>>;
};

/** The sources, unbuilt, in place of what the package's exports name. */
function fromSources(code: string): string {
  return code.replace(/'conclave(\/[\w/]+)?'/g, (_text, path: string = '') => {
    const target = exports[`.${path}`]?.default;
    assert(target !== undefined, `conclave${path} is no export`);
    return `'${join(root, target).replace('/dist/', '/src/').replace(/\.js$/, '.ts')}'`;
  });
}

describe('the guide to idempotency', () => {
  let folder: string;
  let cluster: TestCluster;
  let payments: Payments;
  let gate: Gate;
  const run = new Set<string>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'conclave-guide-'));
    [cluster, payments] = await Promise.all([TestCluster.start(1), Payments.start()]);
    gate = await Gate.to(Number(new URL(cluster.members[0]?.clientUrl ?? '').port));
    const addresses = (code: string) =>
      code
        .replaceAll('http://127.0.0.1:2379', gate.url)
        .replaceAll('http://127.0.0.1:8080/charges', payments.url);
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    for (const { name, code } of examples) await writeFile(join(folder, name), fromSources(addresses(code)));
  }, patience);
  after(async () => {
    await payments?.[Symbol.asyncDispose]();
    await gate?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  function start(name: string, ...words: string[]): Running {
    run.add(name);
    return new Running(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', name, ...words],
      folder,
      environment,
    );
  }

  async function outputOf(name: string, ...words: string[]): Promise<string> {
    await using running = start(name, ...words);
    assert.equal(await running.ended, 0, running.output);
    return running.output;
  }

  test('its examples type-check strictly', patience, async () => {
    const compilerOptions = {
      ...{ module: 'nodenext', target: 'es2023', lib: ['es2024'], types: ['node'], noEmit: true },
      ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: true },
      ...{ allowImportingTsExtensions: true, noUncheckedIndexedAccess: true, moduleDetection: 'force' },
      typeRoots: [join(root, 'node_modules/@types')],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    await using running = new Running(join(root, 'node_modules/.bin/tsc'), ['-p', '.'], folder, environment);
    assert.equal(await running.ended, 0, running.output);
  });

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
      const file = join(folder, 'accounts.db');
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

  test('each of them is run', () => {
    assert.deepEqual(
      examples.map(({ name }) => name).filter((name) => !run.has(name)),
      [],
    );
  });
});
