import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../../world/world.ts';
import { type SqlFlavour, SqlRefusal, SqlServer } from './sql-server.ts';

const select = 'SELECT content FROM account WHERE id = 1';
const update = 'UPDATE account SET content = $1 WHERE id = 1';
const upsert = `INSERT INTO "conclave_fence" AS fence (resource, election, token, attempt)
VALUES ($1, $2, $3::bigint, $4)
ON CONFLICT (resource) DO UPDATE SET
  token = GREATEST(fence.token, excluded.token),
  previous_attempt = fence.attempt,
  attempt = excluded.attempt
RETURNING election, token::text, previous_attempt`;

function staged(flavour: SqlFlavour) {
  const world = new World({ seed: 1 });
  const committed: unknown[] = [];
  const server = new SqlServer({
    ...{ world, random: world.random('server'), flavour },
    onCommitted: (writes) => committed.push(...writes.keys()),
  });
  const open = async () => {
    const session = server.open();
    const run = (text: string, ...values: readonly (string | number)[]) =>
      server.execute(session, text, values);
    if (flavour === 'postgres') await run('BEGIN');
    else await run('SET autocommit = 0, innodb_lock_wait_timeout = 2');
    return { session, run };
  };
  return { world, server, committed, open };
}

test('an upsert keeps the higher token, and gives the row as it is then', async () => {
  const { open } = staged('postgres');
  const { run } = await open();
  assert.deepEqual(await run(upsert, 'r', 'e', '5', 'first'), [['e', '5', '']]);
  assert.deepEqual(await run(upsert, 'r', 'e', '3', 'second'), [['e', '5', 'first']]);
});

test('MySQL assigns one column after the other', async () => {
  const { open } = staged('mysql');
  const { run } = await open();
  const insert = `INSERT INTO \`conclave_fence\` (resource, election, token, attempt)
VALUES (?, ?, CAST(? AS SIGNED), ?) ON DUPLICATE KEY UPDATE attempt = ?, previous_attempt = attempt`;
  await run(insert, 'r', 'e', '5', 'first', 'first');
  await run(insert, 'r', 'e', '5', 'second', 'second');
  const row = await run(
    'SELECT attempt, previous_attempt FROM `conclave_fence` WHERE resource = ? FOR UPDATE',
    'r',
  );
  assert.deepEqual(row, [['second', 'second']]);
});

for (const flavour of ['postgres', 'mysql'] as const) {
  test(`${flavour}: nothing is seen before its commit, and a writer waits for it`, async () => {
    const { open, committed, world } = staged(flavour);
    const [one, other, third] = [await open(), await open(), await open()];
    await one.run(update, 'mine');
    assert.deepEqual(await other.run(select), [['']]);
    let done = false;
    const waiting = other.run(update, 'theirs').then(() => {
      done = true;
    });
    await world.scheduler.run(1_000_000);
    assert.equal(done, false);
    await one.run('COMMIT');
    await waiting;
    assert.deepEqual(committed, ['account/1']);
    assert.deepEqual(await third.run(select), [['mine']]);
  });

  test(`${flavour}: a wait for a lock ends after its time`, async () => {
    const { open, world } = staged(flavour);
    const [one, other] = [await open(), await open()];
    if (flavour === 'postgres') await other.run('SET LOCAL lock_timeout = 2000');
    await one.run(update, 'mine');
    const waiting = assert.rejects(other.run(update, 'theirs'), (error) => {
      return error instanceof SqlRefusal && error.fault === 'lock-timeout';
    });
    await world.scheduler.run(3_000_000);
    await waiting;
  });
}

test('repeatable reads of MySQL see what was there at the first of them', async () => {
  const { open } = staged('mysql');
  const [one, other] = [await open(), await open()];
  await other.run(select);
  await one.run(update, 'mine');
  await one.run('COMMIT');
  assert.deepEqual(await other.run(select), [['']]);
  assert.deepEqual(await other.run(`${select} FOR UPDATE`), [['mine']]);
});

test('a session that ends, or says nothing for too long, is rolled back', async () => {
  const { open, world, server, committed } = staged('postgres');
  const [one, other] = [await open(), await open()];
  await one.run(update, 'mine');
  server.end(one.session);
  await other.run(update, 'theirs');
  await other.run('SET LOCAL idle_in_transaction_session_timeout = 500');
  await world.scheduler.run(1_000_000);
  assert.ok(other.session.over);
  assert.deepEqual(committed, []);
});

test('after an error PostgreSQL does nothing until the rollback', async () => {
  const { open } = staged('postgres');
  const { run } = await open();
  await assert.rejects(run('RELEASE SAVEPOINT none'), SqlRefusal);
  await assert.rejects(run(select), SqlRefusal);
  await run('ROLLBACK');
  assert.deepEqual(await run(select), [['']]);
});

test('statements that it does not know are refused', async () => {
  const { open } = staged('postgres');
  const { run } = await open();
  await assert.rejects(run('DELETE FROM account'), /does not know/);
  await assert.rejects(run('SELECT content FROM other WHERE id = 1'), /has no table other/);
});
