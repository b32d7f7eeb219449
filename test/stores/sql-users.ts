// Who may use an SQL store, what it refuses, and the process that does.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { patience, refusal, type SqlScene, type StoreOptions } from './sql-subject.ts';

export function testSqlUsers({ subject, server, fresh, opening }: SqlScene): void {
  test('wrong credentials and missing databases are named, without the password', patience, async () => {
    for (const text of subject.makeUser('anybody', 'right-secret')) await server().sql(text);
    const at = (user: string, password: string, database?: string) => {
      const url = new URL(server().url);
      [url.username, url.password] = [user, password];
      if (database !== undefined) url.pathname = `/${database}`;
      return { url: url.href };
    };
    const notLetIn = refusal('failed-precondition', /check user and password/);
    await assert.rejects(opening(at('anybody', 'wrong-secret')), (error: Error) => {
      assert.doesNotMatch(`${error.message} ${error.cause}`, /wrong-secret/);
      return notLetIn(error);
    });
    const none =
      /asked for a password and has none: set (PGPASSWORD|MYSQL_PWD .*), or write it into the URL \(user:password@host\)\.$/;
    await assert.rejects(opening(at('anybody', '')), refusal('failed-precondition', none));
    const root = new URL(server().url).username;
    await assert.rejects(opening(at(root, '', 'nowhere')), refusal('failed-precondition', /does not exist/));
  });

  test(
    'a permission that is missing is named with its grant, and what the guide grants is enough',
    patience,
    async () => {
      const options = fresh();
      await subject.migrate(options);
      for (const text of subject.makeUser('limited', 'limited-secret')) await server().sql(text);
      const url = new URL(server().url);
      [url.username, url.password] = ['limited', 'limited-secret'];
      const limited = { ...options, url: url.href };
      const lacking = refusal('failed-precondition', /GRANT SELECT, INSERT, UPDATE, DELETE ON/);
      await assert.rejects(opening(limited), lacking);
      await server().sql(subject.grant(options.table, 'limited', 'SELECT'));
      await assert.rejects(opening(limited), lacking);
      await server().sql(subject.grant(options.table, 'limited', 'INSERT, UPDATE, DELETE'));
      await opening(limited);
      // Such a user need not be able to make tables where there is nothing to make.
      await subject.migrate(limited);
      await assert.rejects(
        subject.migrate({ ...limited, table: 'not_there' }),
        refusal('failed-precondition', /CREATE/),
      );
    },
  );

  test('what is malformed is refused at once, and no part of a url is repeated', () => {
    const malformed: readonly [StoreOptions, RegExp][] = [
      [{}, /one of client .* and url/],
      [{ url: server().url, client: {} }, /one of client .* and url/],
      [{ url: 'http://user:hidden-secret@host/' }, /url must be one like/],
      [{ url: 'hidden-secret' }, /url must be one like/],
      [{ client: { query: () => {} } }, /client must be a/i],
      [{ url: server().url, table: 'a"; DROP TABLE b' }, /not a table's name/],
      [{ url: server().url, tables: 'x' } as StoreOptions, /Did you mean table\?/],
      [{ url: server().url, timeoutMs: 0 }, /timeoutMs/],
    ];
    for (const [options, message] of malformed) {
      assert.throws(
        () => subject.store(options),
        (error: Error) => {
          assert.doesNotMatch(String(error.stack) + String(error.cause), /hidden-secret/);
          return refusal('invalid-argument', message)(error);
        },
      );
    }
  });

  test('messages say where, and never hold a password', async () => {
    const url = new URL(server().url);
    url.password = 'hidden-secret';
    await using store = subject.store({ url: url.href });
    assert.match(store.description, new RegExp(`^${subject.name.split(' ')[0]} at ${url.host}/`));
    assert.doesNotMatch(store.description, /hidden-secret/);
    const [one, two] = subject.clients(server().url);
    for (const { client } of [one, two]) {
      await using other = subject.store({ client });
      assert.match(other.description, new RegExp(` at ${url.host}/`));
    }
    await Promise.all([one.close(), two.close()]);
  });

  test('a process that has disposed of its store ends by itself, without a word', patience, async () => {
    const source = new URL(`../../src/stores/${subject.module}.ts`, import.meta.url).href;
    const election = new URL('../../src/election/index.ts', import.meta.url).href;
    const { stdout, stderr } = await runScript(`
      import { Candidate } from '${election}';
      import { ${subject.storeName} } from '${source}';
      const store = ${subject.storeName}({ url: '${server().url}' });
      const candidate = new Candidate(store, 'ends');
      const waiting = new Candidate(store, 'ends');
      const leadership = await candidate.campaign();
      const stop = new AbortController();
      const campaign = waiting.campaign({ signal: stop.signal }).catch((error) => error.code);
      await new Promise((resolve) => setTimeout(resolve, 200));
      stop.abort();
      console.log(leadership.token > 0, await campaign);
      await Promise.all([candidate, waiting].map((one) => one[Symbol.asyncDispose]()));
      await store[Symbol.asyncDispose]();
    `);
    assert.deepEqual([stdout, stderr], ['true aborted\n', '']);
  });

  test('a driver that is not installed is named, and one that is, is enough', patience, async () => {
    const source = new URL(`../../src/stores/${subject.module}.ts`, import.meta.url).href;
    const readWithout = async (missing: readonly string[]) => {
      const { stdout, stderr } = await runScript(`
        import { registerHooks } from 'node:module';
        registerHooks({
          resolve(specifier, context, next) {
            const name = specifier.split('/')[0];
            if (!${JSON.stringify(missing)}.includes(name)) return next(specifier, context);
            throw Object.assign(new Error("Cannot find package '" + name + "'"), { code: 'ERR_MODULE_NOT_FOUND' });
          },
        });
        const { ${subject.storeName} } = await import('${source}');
        const store = ${subject.storeName}({ url: '${server().url}' });
        const { signal } = new AbortController();
        console.log(await store.read('x').then(
          async () => {
            for await (const { leader } of store.watch('x', { signal })) return 'seen: ' + leader;
          },
          ({ code, message }) => code + ': ' + message,
        ));
        await store[Symbol.asyncDispose]();
      `);
      return stdout + stderr;
    };
    const named = new RegExp(`^unsupported: .*npm install ${subject.drivers[0]}\\.\n$`);
    assert.match(await readWithout(subject.drivers), named);
    for (const one of subject.drivers) {
      assert.equal(await readWithout(subject.drivers.filter((other) => other !== one)), 'seen: undefined\n');
    }
  });
}

async function runScript(code: string): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-sql-'));
  try {
    const file = join(folder, 'script.mjs');
    await writeFile(file, code);
    const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
    return await promisify(execFile)(process.execPath, [file], { timeout: 60_000, env });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
