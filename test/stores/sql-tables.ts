// The table of an SQL store: made by a migration, and never mistaken for another.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patience, refusal, type SqlScene } from './sql-subject.ts';

export function testSqlTables({ subject, server, fresh, opening }: SqlScene): void {
  test('a missing table is named with the migration that makes it, which is enough', patience, async () => {
    const options = fresh();
    await using store = subject.store(options);
    const missing = new RegExp(
      `no table ${options.table}: make it.* conclave migrate --store '${subject.module}://…\\?table=${options.table}', or ${subject.migrationName}\\({ url, table: '${options.table}' }\\)`,
    );
    await assert.rejects(store.read('x'), refusal('failed-precondition', missing));
    await subject.migrate(options);
    assert.equal((await store.read('x')).leader, undefined);
  });

  test('ten migrations at once make one table, and another changes nothing', patience, async () => {
    const options = fresh();
    await Promise.all(Array.from({ length: 10 }, () => subject.migrate(options)));
    await opening(options);
    const rows = () =>
      server().sql(`SELECT kind, name, text, version FROM ${options.table} ORDER BY kind, name`);
    const before = await rows();
    await subject.migrate(options);
    assert.deepEqual(await rows(), before);
    assert(before.length > 0);
  });

  test('the SQL for migrations of your own makes a table that the store takes', patience, async () => {
    const options = fresh();
    for (const text of subject.schema(options)) await server().sql(text);
    await opening(options);
  });

  test(
    'a table of somebody else is refused and left alone, by the store and the migration',
    patience,
    async () => {
      const options = fresh();
      await server().sql(`CREATE TABLE ${options.table} (kind int, something int)`);
      await server().sql(`INSERT INTO ${options.table} VALUES (1, 2)`);
      const foreign = refusal('data-incompatible', /not one of Conclave's/);
      await assert.rejects(opening(options), foreign);
      await assert.rejects(subject.migrate(options), foreign);
      const rows = await server().sql(`SELECT * FROM ${options.table}`);
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        [{ kind: 1, something: 2 }],
      );
    },
  );

  test('a table of a newer Conclave is refused and left alone', patience, async () => {
    const options = fresh();
    await subject.migrate(options);
    await server().sql(`UPDATE ${options.table} SET text = '2' WHERE kind = 'table'`);
    const newer = refusal(
      'data-incompatible',
      /has version 2; this release of Conclave works with version 1/,
    );
    await assert.rejects(opening(options), newer);
    await assert.rejects(subject.migrate(options), newer);
    const [row] = await server().sql(`SELECT text FROM ${options.table} WHERE kind = 'table'`);
    assert.equal(row?.text, '2');
  });

  test('a table that was emptied is not taken for one that never had tokens', patience, async () => {
    const options = fresh();
    await subject.migrate(options);
    await server().sql(`DELETE FROM ${options.table}`);
    await assert.rejects(opening(options), refusal('failed-precondition', /by conclave migrate/));
  });

  test('a row that another program wrote is refused and left alone', patience, async () => {
    const options = fresh();
    await subject.migrate(options);
    await server().sql(
      `INSERT INTO ${options.table} (kind, name, text, version) VALUES ('election', 'theirs', 'not ours', 'v')`,
    );
    await using store = subject.store(options);
    await using session = await store.openSession({ ttlMs: 5000, holder: 'somebody' });
    const foreign = refusal('data-incompatible', /not written by Conclave/);
    await assert.rejects(session.acquire('theirs', { metadata: '', priority: 0 }), foreign);
    await assert.rejects(store.read('theirs'), foreign);
    const [row] = await server().sql(`SELECT text FROM ${options.table} WHERE name = 'theirs'`);
    assert.equal(String(row?.text), 'not ours');
  });
}
