import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { fenced, fenceSql, migrate, takeFence } from '../../src/fencing/sql/sqlite.ts';
import { leader, offered } from './sql-leaders.ts';
import { type GuardedResource, testTwoLeaders } from './two-leaders.ts';

interface File extends AsyncDisposable {
  /** Another handle each time, as another process would have. */
  open(options?: { readBigInts: boolean }): DatabaseSync;
}

async function newFile(): Promise<File> {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-sqlite-'));
  const handles: DatabaseSync[] = [];
  return {
    open(options = { readBigInts: false }) {
      const db = new DatabaseSync(join(folder, 'data.db'), options);
      handles.push(db);
      db.exec('CREATE TABLE IF NOT EXISTS journal (id INTEGER PRIMARY KEY, value TEXT NOT NULL)');
      return db;
    },
    async [Symbol.asyncDispose]() {
      for (const db of handles) if (db.isOpen) db.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const append = (db: DatabaseSync, value: string) =>
  db.prepare('INSERT INTO journal (value) VALUES (?)').run(value);
const valuesOf = (db: DatabaseSync) =>
  db
    .prepare('SELECT value FROM journal ORDER BY id')
    .all()
    .map(({ value }) => String(value));

testTwoLeaders('SQLite', async (): Promise<GuardedResource> => {
  const file = await newFile();
  const reader = file.open();
  await migrate(reader);
  return {
    async append(leadership, value, step) {
      const db = file.open();
      await step();
      await fenced(db, leadership, async (tx) => {
        await step();
        append(tx, value);
        await step();
      });
      await step();
    },
    values: async () => valuesOf(reader),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
});

test('SQLite: the result of the work is what fenced resolves to, and work that throws changes nothing', async () => {
  await using file = await newFile();
  const db = file.open();
  await migrate(db);
  assert.equal(await fenced(db, leader(5), (tx) => append(tx, 'one').changes), 1);
  const thrown = new Error('of the work');
  await assert.rejects(
    fenced(db, leader(9), async (tx) => {
      append(tx, 'two');
      await Promise.resolve();
      throw thrown;
    }),
    (error) => error === thrown,
  );
  assert.deepEqual(valuesOf(db), ['one']);
  await fenced(db, leader(6), () => {});
  await assert.rejects(
    fenced(db, leader(5), () => assert.fail('must not run')),
    { code: 'stale-token' },
  );
});

test('SQLite: transactions on one handle take turns, though their work waits in the middle', async () => {
  await using file = await newFile();
  const db = file.open();
  await migrate(db);
  const gate = Promise.withResolvers<void>();
  const order: string[] = [];
  const works = [1, 2, 3].map((number) =>
    fenced(db, leader(5), async (tx) => {
      order.push(`begin ${number}`);
      append(tx, `${number}a`);
      if (number === 1) await gate.promise;
      append(tx, `${number}b`);
      order.push(`end ${number}`);
    }),
  );
  setImmediate(gate.resolve);
  await Promise.all(works);
  assert.deepEqual(order, ['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
  assert.deepEqual(valuesOf(db), ['1a', '1b', '2a', '2b', '3a', '3b']);
});

test('SQLite: another handle waits for the writer, and gives up after lockTimeoutMs or with its signal', async () => {
  await using file = await newFile();
  const [first, second] = [file.open(), file.open()];
  await migrate(first);
  const [inside, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const work = fenced(first, leader(5), async (tx) => {
    append(tx, 'first');
    inside.resolve();
    await gate.promise;
  });
  await inside.promise;
  await assert.rejects(
    fenced(second, leader(6), () => {}, { lockTimeoutMs: 30 }),
    offered('timeout', true),
  );
  const controller = new AbortController();
  const aborted = fenced(second, leader(6), () => {}, { signal: controller.signal });
  setImmediate(() => controller.abort(new Error('enough')));
  await assert.rejects(aborted, offered('aborted', false));
  const patient = fenced(second, leader(6), (tx) => valuesOf(tx));
  gate.resolve();
  await work;
  assert.deepEqual(await patient, ['first']);
});

test('SQLite: a commit waits for readers and then takes effect, or is rolled back', async () => {
  await using file = await newFile();
  const [writer, reader] = [file.open(), file.open()];
  await migrate(writer);
  await fenced(writer, leader(5), (tx) => append(tx, 'zero'));
  reader.exec('BEGIN');
  assert.deepEqual(valuesOf(reader), ['zero']);
  await assert.rejects(
    fenced(writer, leader(5), (tx) => append(tx, 'lost'), { lockTimeoutMs: 30 }),
    offered('timeout', true),
  );
  assert.equal(writer.isTransaction, false);
  const waiting = fenced(writer, leader(5), (tx) => append(tx, 'one'));
  setImmediate(() => reader.exec('COMMIT'));
  await waiting;
  assert.deepEqual(valuesOf(reader), ['zero', 'one']);
});

test('SQLite: a lock is waited for during lockTimeoutMs, though answerTimeoutMs is shorter', async () => {
  await using file = await newFile();
  const [writer, other] = [file.open(), file.open()];
  await migrate(writer);
  const short = { answerTimeoutMs: 1 };
  const ticks = async () => {
    for (let tick = 0; tick < 3; tick += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  other.exec('BEGIN IMMEDIATE');
  const begin = fenced(writer, leader(5), (tx) => append(tx, 'after the writer'), short);
  await Promise.race([begin, ticks()]);
  other.exec('COMMIT');
  await begin;
  other.exec('BEGIN');
  valuesOf(other);
  const commit = fenced(writer, leader(5), (tx) => append(tx, 'after the reader'), short);
  const thrown = new Error('of the work');
  const next = fenced(writer, leader(5), async (tx) => {
    append(tx, 'never');
    await ticks();
    throw thrown;
  });
  await Promise.race([commit, ticks()]);
  other.exec('COMMIT');
  await commit;
  await assert.rejects(next, (error) => error === thrown);
  assert.deepEqual(
    [valuesOf(other), writer.isTransaction],
    [['after the writer', 'after the reader'], false],
  );
});

test('SQLite: tx and what was prepared with it end with the transaction, and cannot end it', async () => {
  await using file = await newFile();
  const db = file.open();
  await migrate(db);
  let kept: DatabaseSync | undefined;
  const statement = await fenced(db, leader(5), (tx) => {
    kept = tx;
    for (const text of ['COMMIT', ' -- x\n ROLLBACK', '/* x */END', 'BEGIN', 'rollback transaction'])
      assert.throws(() => tx.exec(text), { code: 'failed-precondition' });
    assert.throws(() => tx.close(), { code: 'failed-precondition' });
    tx.exec('SAVEPOINT mine');
    append(tx, 'undone');
    tx.exec('ROLLBACK TO mine');
    return tx.prepare('INSERT INTO journal (value) VALUES (?)');
  });
  assert.throws(() => statement.run('late'), { code: 'closed' });
  assert.throws(() => kept?.exec('DELETE FROM journal'), { code: 'closed' });
  assert.deepEqual(valuesOf(db), []);
});

test('SQLite: work that ends the transaction behind the back of tx is reported', async () => {
  await using file = await newFile();
  const db = file.open();
  await migrate(db);
  const evading = fenced(db, leader(5), () => {
    db.exec('COMMIT; BEGIN');
    append(db, 'unguarded');
  });
  await assert.rejects(evading, (error) => offered('failed-precondition', false, 'unknown')(error));
  assert.deepEqual([valuesOf(db), db.isTransaction], [[], false]);
});

test('SQLite: fenced inside of the work of the same handle is refused, and does not wait for itself', async () => {
  await using file = await newFile();
  const db = file.open();
  await migrate(db);
  await fenced(db, leader(5), async (tx) => {
    const inner = fenced(db, leader(5), () => {}, { resource: 'other' });
    await assert.rejects(inner, { code: 'failed-precondition' });
    await takeFence(tx, leader(5), { resource: 'other' });
    append(tx, 'both');
  });
  await assert.rejects(
    fenced(db, leader(4), () => {}, { resource: 'other' }),
    { code: 'stale-token' },
  );
  assert.deepEqual(valuesOf(db), ['both']);
});

test('SQLite: takeFence needs a transaction, and a transaction of others is not ended', async () => {
  await using file = await newFile();
  const db = file.open();
  await migrate(db);
  await assert.rejects(takeFence(db, leader(5)), { code: 'failed-precondition' });
  db.exec('BEGIN IMMEDIATE');
  await takeFence(db, leader(5));
  await assert.rejects(takeFence(db, leader(4)), { code: 'stale-token' });
  await assert.rejects(
    fenced(db, leader(6), () => {}),
    { code: 'failed-precondition' },
  );
  assert.equal(db.isTransaction, true);
  db.exec('COMMIT');
});

test('SQLite: a fence table that is missing, of another version or no fence table is refused by name', async () => {
  await using file = await newFile();
  const db = file.open();
  const missing = fenced(db, leader(5), () => assert.fail('must not run'));
  await assert.rejects(missing, { code: 'failed-precondition', message: /conclave_fence.*migrate\(\)/ });
  db.exec('CREATE TABLE other (id INTEGER)');
  for (const call of [
    () => fenced(db, leader(5), () => {}, { table: 'other' }),
    () => migrate(db, { table: 'other' }),
  ])
    await assert.rejects(call, { code: 'data-incompatible' });
  db.exec(fenceSql('newer').createTable.replace('DEFAULT 1', 'DEFAULT 2'));
  for (const call of [
    () => fenced(db, leader(5), () => {}, { table: 'newer' }),
    () => migrate(db, { table: 'newer' }),
  ])
    await assert.rejects(call, { code: 'data-incompatible', message: /version 2/ });
  await Promise.all([migrate(db), migrate(file.open()), migrate(db)]);
  await migrate(db);
  assert.equal(await fenced(db, leader(5), () => 'works'), 'works');
  assert.deepEqual(db.prepare('SELECT count(*) AS rows FROM newer').get()?.rows, 0);
});

test('SQLite: bad input is refused before the database is touched', async () => {
  await using file = await newFile();
  const db = file.open();
  const run = (options: object, by = leader(5)) => fenced(db, by, () => assert.fail('must not run'), options);
  const wrong = [
    { resource: '' },
    { resource: 'x'.repeat(1025) },
    { resource: 'a\0b' },
    { table: 'a b' },
    { table: 'a"; DROP TABLE journal; --' },
    { attempts: 0 },
    { attempts: 1.5 },
    { lockTimeoutMs: 0 },
    { signal: {} },
  ];
  for (const options of wrong) await assert.rejects(run(options), { code: 'invalid-argument' });
  for (const token of [-1, 1.5, Number.NaN, 2 ** 60])
    await assert.rejects(run({}, leader(token)), { code: 'invalid-argument' });
  await assert.rejects(run({}, { ...leader(5), tokenSurvivesDeletion: false }), { code: 'unsupported' });
  await assert.rejects(fenced(db, leader(5), undefined as never), { code: 'invalid-argument' });
  await assert.rejects(
    fenced({} as never, leader(5), () => {}),
    { code: 'invalid-argument' },
  );
  assert.throws(() => fenceSql('x;y'), { code: 'invalid-argument' });
});

test('SQLite: tokens as large as can be compare exactly, also where integers are read as bigint', async () => {
  await using file = await newFile();
  const db = file.open({ readBigInts: true });
  await migrate(db);
  await fenced(db, leader(Number.MAX_SAFE_INTEGER - 1), () => {});
  await fenced(db, leader(Number.MAX_SAFE_INTEGER), () => {});
  await assert.rejects(
    fenced(db, leader(Number.MAX_SAFE_INTEGER - 1), () => {}),
    { code: 'stale-token' },
  );
});
