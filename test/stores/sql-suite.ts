// What a store in an SQL database must do besides conforming, by every driver; on a real server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type ConformanceTarget, conformanceTests, losingAnswers } from '../../src/conformance/index.ts';
import { Candidate } from '../../src/election/index.ts';
import type { LeaseStore } from '../../src/election/store.ts';
import { ConclaveError, type ErrorCode } from '../../src/errors/index.ts';
import type { Runtime } from '../../src/runtime/index.ts';
import { losingProxy } from '../stand-ins/losing-proxy.ts';

export const patience = { timeout: 120_000 };

export interface SqlServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  stop(): Promise<void>;
  start(): Promise<void>;
  sql(text: string): Promise<readonly Record<string, unknown>[]>;
}

export interface StoreOptions {
  readonly url?: string | undefined;
  readonly client?: object;
  readonly table?: string;
  readonly timeoutMs?: number;
  readonly runtime?: Runtime;
}

export interface UserClient {
  readonly client: object;
  /** Statements sent until now. */
  requests(): number;
  close(): Promise<void>;
}

export interface SqlStoreSubject {
  /** "PostgreSQL" */
  readonly name: string;
  /** The file under src/stores, its store and its migration. */
  readonly module: string;
  readonly storeName: string;
  readonly migrationName: string;
  readonly drivers: readonly string[];
  start(): Promise<SqlServer>;
  store(options: StoreOptions): LeaseStore;
  migrate(options: StoreOptions): Promise<boolean>;
  schema(options: { readonly table?: string }): readonly string[];
  /** Two, by different drivers or kinds of pools. */
  clients(url: string): readonly [UserClient, UserClient];
  /** Statements that make a user who may log in with this password, and nothing else. */
  makeUser(user: string, password: string): readonly string[];
  grant(table: string, user: string, rights: string): string;
  /** A moment before now, and one after. */
  readonly past: string;
  readonly future: string;
}

export function register(
  open: () => Promise<ConformanceTarget>,
  wanted: (name: string) => boolean = () => true,
): void {
  for (const { name, run } of conformanceTests(open, { patienceMs: 30_000 })) {
    if (!wanted(name)) continue;
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
}

const needsItsOwnServer = (name: string) => /outlive a new start|after an outage/.test(name);

export function testSqlStore(subject: SqlStoreSubject, skip: string | false): void {
  const { name } = subject;
  const serving = (options: StoreOptions = {}) => {
    let server: SqlServer | undefined;
    before(async () => {
      server = await subject.start();
      await subject.migrate({ url: server.url, ...options });
    }, patience);
    after(async () => {
      await server?.[Symbol.asyncDispose]();
    });
    return () => server ?? assert.fail('the server has not started');
  };
  const open = async (server: SqlServer): Promise<ConformanceTarget> => {
    const [one, two] = subject.clients(server.url);
    // A crowd that comes at once takes its time on a machine that is busy with other things.
    const timeoutMs = 20_000;
    const { store, loseNextAnswer } = losingAnswers(subject.store({ client: one.client, timeoutMs }));
    return {
      store,
      another: async () => subject.store({ client: two.client, timeoutMs }),
      anotherOn: async (runtime) => subject.store({ client: two.client, timeoutMs, runtime }),
      loseNextAnswer,
      async deleteRecords(election) {
        const quoted = election.replaceAll("'", "''");
        await server.sql(`DELETE FROM conclave_documents WHERE kind = 'election' AND name = '${quoted}'`);
      },
      requests: () => one.requests() + two.requests(),
      stopService: () => server.stop(),
      startService: () => server.start(),
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]();
        await Promise.all([one.close(), two.close()]);
      },
    };
  };

  describe(`The ${name} store conforms, by two kinds of clients at once`, { concurrency: 4, skip }, () => {
    const server = serving();
    register(
      () => open(server()),
      (one) => !needsItsOwnServer(one),
    );
  });

  describe(`The ${name} store outlives its server`, { skip }, () => {
    const server = serving();
    register(() => open(server()), needsItsOwnServer);

    test(
      'an outage longer than the lease aborts the leader first, and one of two leads afterwards',
      patience,
      async () => {
        // Longer than this process may stall between the end of the campaign and the look at who leads.
        const ttlMs = 4000;
        await using one = subject.store({ url: server().url });
        await using two = subject.store({ url: server().url });
        await using first = new Candidate(one, 'outage', { holder: 'first', ttlMs });
        await using second = new Candidate(two, 'outage', { holder: 'second', ttlMs });
        const before = await first.campaign();
        await server().stop();
        // The server may take longer to end than the lease has left.
        if (!before.signal.aborted) await once(before.signal, 'abort');
        const campaigns = [first.campaign(), second.campaign()];
        await server().start();
        const after = await Promise.race(campaigns);
        assert(after.token > before.token, `${after.token} came after ${before.token}`);
        assert.throws(() => before.assertHeld(), { code: 'not-leading' });
        assert.equal((await one.read('outage')).leader?.token, after.token);
        await after.resign();
        const last = await campaigns[after.holder === 'first' ? 1 : 0];
        assert(last !== undefined && last.token > after.token);
      },
    );

    test('a server that is not there is unavailable, and used as soon as it is', patience, async () => {
      await server().stop();
      await using store = subject.store({ url: server().url });
      await assert.rejects(store.read('nowhere'), refusal('unavailable', /got no connection/, true));
      await server().start();
      assert.equal((await store.read('nowhere')).leader, undefined);
    });
  });

  describe(`The ${name} store and its users`, { skip }, () => {
    const server = serving();
    let made = 0;
    /** Of a server whose default table is there; `table` is not. */
    const fresh = () => {
      made += 1;
      return { url: server().url, table: `fresh_${made}` };
    };
    const opening = async (options: StoreOptions) => {
      await using store = subject.store(options);
      await store.openSession({ ttlMs: 5000, holder: 'somebody' });
    };

    test('a missing table is named with the migration that makes it, which is enough', patience, async () => {
      const options = fresh();
      await using store = subject.store(options);
      const missing = new RegExp(`no table ${options.table}: run ${subject.migrationName}\\(\\)`);
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
      await assert.rejects(opening(options), refusal('failed-precondition', /run migrate/));
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
      await assert.rejects(opening(at('anybody', '')), notLetIn);
      const root = new URL(server().url).username;
      await assert.rejects(
        opening(at(root, '', 'nowhere')),
        refusal('failed-precondition', /does not exist/),
      );
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
      assert.match(store.description, new RegExp(`^${name.split(' ')[0]} at ${url.host}/`));
      assert.doesNotMatch(store.description, /hidden-secret/);
      const [one, two] = subject.clients(server().url);
      for (const { client } of [one, two]) {
        await using other = subject.store({ client });
        assert.match(other.description, new RegExp(` at ${url.host}/`));
      }
      await Promise.all([one.close(), two.close()]);
    });

    test(
      'names of every length and kind wake their waiters, and a prefix is taken as it stands',
      patience,
      async () => {
        const options = fresh();
        await subject.migrate(options);
        const names = [
          'a%',
          'a_b',
          'a|',
          'a\\',
          'A%',
          'a',
          "a'; --",
          'é'.repeat(512),
          '\\'.repeat(1024),
          '%'.repeat(1024),
        ];
        await using one = subject.store(options);
        await using two = subject.store(options);
        await using leading = await one.openSession({ ttlMs: 60_000, holder: 'leading' });
        await using waiting = await two.openSession({ ttlMs: 60_000, holder: 'waiting' });
        const asked = { metadata: '', priority: 0 };
        for (const election of names) {
          const won = await leading.acquire(election, asked);
          const outcome = await waiting.acquire(election, asked);
          assert(won.status === 'acquired' && outcome.status === 'waiting', election);
          const { signal } = new AbortController();
          const turn = waiting.waitForTurn(election, outcome, { signal });
          await leading.release(election, won.token);
          await turn;
          assert.equal((await waiting.acquire(election, asked)).status, 'acquired', election);
        }
        const { signal } = new AbortController();
        for (const prefix of ['a%', 'a_', 'a|', 'a\\', 'A', 'é', '']) {
          for await (const states of one.watchAll?.(prefix, { signal }) ?? []) {
            assert.deepEqual([...states.keys()].sort(), names.filter((one) => one.startsWith(prefix)).sort());
            break;
          }
        }
      },
    );

    test(
      'what may be forgotten is swept away when a store is opened, and nothing else',
      patience,
      async () => {
        const options = fresh();
        await subject.migrate(options);
        const rows = [
          `('session', 'old', '{}', 'v', ${subject.past}, ${subject.past})`,
          `('session', 'kept', '{}', 'v', ${subject.past}, ${subject.future})`,
          `('election', 'forever', '{}', 'v', NULL, NULL)`,
        ];
        await server().sql(
          `INSERT INTO ${options.table} (kind, name, text, version, expires_at, keep_until) VALUES ${rows.join(', ')}`,
        );
        await using store = subject.store(options);
        await store.read('x');
        let names: readonly string[] = ['old'];
        for (let tries = 0; names.includes('old'); tries++) {
          assert(tries < 200, 'the old one is still there');
          await new Promise((resolve) => setTimeout(resolve, 50));
          const left = await server().sql(
            `SELECT name FROM ${options.table} WHERE kind IN ('session', 'election')`,
          );
          names = left.map((row) => String(row.name));
        }
        assert(names.includes('kept') && names.includes('forever'), String(names));
      },
    );

    test(
      'a connection of the pool whose answer never comes is given up, and the next call gets another',
      patience,
      async () => {
        const options = fresh();
        await subject.migrate(options);
        await using store = subject.store({ ...options, timeoutMs: 20_000 });
        await using session = await store.openSession({ ttlMs: 60_000, holder: 'patient' });
        const asked = { metadata: '', priority: 0 };
        const won = await session.acquire('locked', asked);
        assert(won.status === 'acquired');
        const [locking] = subject.clients(server().url);
        const unlock = await lock(locking.client, options.table);
        // More than the pool has connections.
        for (let tries = 0; tries < 8; tries++) {
          const stuck = session.proclaim('locked', won.token, `try ${tries}`, { timeoutMs: 1000 });
          await assert.rejects(
            stuck,
            (error) => ConclaveError.is(error, 'timeout') && error.outcome === 'unknown',
          );
        }
        await unlock();
        await locking.close();
        assert.equal(await session.proclaim('locked', won.token, 'free'), true);
        assert.equal((await store.read('locked')).leader?.metadata, 'free');
      },
    );

    test(
      'renewals of many sessions go in few statements, and each is told its own fate',
      patience,
      async () => {
        const options = fresh();
        await subject.migrate(options);
        for (const user of subject.clients(server().url)) {
          {
            await using store = subject.store({ ...options, url: undefined, client: user.client });
            const opening = Array.from({ length: 40 }, (_, at) =>
              store.openSession({ ttlMs: 60_000, holder: `holder ${at}` }),
            );
            const sessions = await Promise.all(opening);
            const ended = sessions.slice(0, 3);
            for (const { id } of ended)
              await server().sql(`DELETE FROM ${options.table} WHERE name = '${id}'`);
            const before = user.requests();
            const renewed = await Promise.allSettled(sessions.map((session) => session.renew()));
            assert(user.requests() - before < 20, `${user.requests() - before} statements`);
            for (const [at, { status }] of renewed.entries()) {
              assert.equal(status, at < ended.length ? 'rejected' : 'fulfilled', `session ${at}`);
            }
            const rows = await server().sql(
              `SELECT name FROM ${options.table} WHERE kind = 'session' AND text LIKE '%"renewals":1%'`,
            );
            const names = rows.map((row) => String(row.name)).sort();
            assert.deepEqual(
              names,
              sessions
                .slice(ended.length)
                .map(({ id }) => id)
                .sort(),
            );
            for (const session of sessions) await session[Symbol.asyncDispose]();
          }
          await user.close();
        }
      },
    );

    test('a write whose answer was lost is known for what it was', patience, async () => {
      const options = fresh();
      await subject.migrate(options);
      await using proxy = await losingProxy(server().port);
      const through = { ...options, url: options.url.replace(`:${server().port}`, `:${proxy.port}`) };
      await using store = subject.store(through);
      await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
      const won = await session.acquire('lost', { metadata: '', priority: 0 });
      assert(won.status === 'acquired');
      const unknown = (error: unknown) => {
        assert(ConclaveError.is(error) && error.retryable && error.outcome === 'unknown', String(error));
      };
      // A statement that is prepared is sent without its text, and with the document.
      const losing = async <T>(call: () => Promise<T>): Promise<T> => {
        const lost = proxy.loseAnswersTo(/UPDATE |"conclave":1/);
        await call().catch(unknown);
        await lost;
        return await call();
      };
      assert.equal(await losing(() => session.proclaim('lost', won.token, 'told')), true);
      assert.equal((await store.read('lost')).leader?.metadata, 'told');
      await losing(() => session.renew());
      await losing(() => session.release('lost', won.token));
      assert.equal((await store.read('lost')).leader, undefined);
      const again = await losing(() => session.acquire('lost', { metadata: '', priority: 0 }));
      assert(again.status === 'acquired' && again.token > won.token);
      assert.equal((await store.read('lost')).leader?.token, again.token);
    });

    test('a leader that is cut off without a word steps down before another leads', patience, async () => {
      const options = fresh();
      await subject.migrate(options);
      await using proxy = await losingProxy(server().port);
      const through = { ...options, url: options.url.replace(`:${server().port}`, `:${proxy.port}`) };
      await using cut = subject.store({ ...through, timeoutMs: 1000 });
      await using whole = subject.store(options);
      await using first = new Candidate(cut, 'cut off', { holder: 'first', ttlMs: 1500 });
      await using second = new Candidate(whole, 'cut off', { holder: 'second', ttlMs: 1500 });
      const old = await first.campaign();
      let steppedDown = false;
      old.signal.addEventListener('abort', () => {
        steppedDown = true;
      });
      proxy.freeze();
      const next = await second.campaign();
      assert.equal(steppedDown, true);
      assert(next.token > old.token);
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
        assert.equal(
          await readWithout(subject.drivers.filter((other) => other !== one)),
          'seen: undefined\n',
        );
      }
    });
  });
}

export function refusal(code: ErrorCode, message: RegExp, retryable = false): (error: unknown) => boolean {
  return (error) => {
    assert(ConclaveError.is(error), String(error));
    assert.match(error.message, message);
    assert.deepEqual([error.code, error.retryable], [code, retryable], error.message);
    return true;
  };
}

/** Resolves to what ends the lock. By any driver: all of them take a text and run it on one connection. */
async function lock(client: object, table: string): Promise<() => Promise<void>> {
  const pool = client as { connect?(): Promise<never>; promise?(): never; getConnection?(): Promise<never> };
  const connection = (await (pool.connect?.() ?? pool.getConnection?.())) as unknown as {
    query(text: string): Promise<unknown>;
    release(): void;
  };
  await connection.query('BEGIN');
  await connection.query(`SELECT * FROM ${table} FOR UPDATE`);
  return async () => {
    await connection.query('ROLLBACK');
    connection.release();
  };
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
