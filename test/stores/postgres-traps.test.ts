// What can go wrong on PostgreSQL, on its standbys, behind its pooler and on its relatives.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import postgres from 'postgres';
import { Candidate } from '../../src/election/index.ts';
import type { StoreSession } from '../../src/election/store.ts';
import { migratePostgres, type PostgresStoreOptions, postgresStore } from '../../src/stores/postgres.ts';
import { type PostgresJs, postgresJsPool } from '../../src/stores/sql/postgres-js.ts';
import { peer } from '../peers.ts';
import { startPgbouncer } from '../servers/pgbouncer.ts';
import { type PostgresqlServer, startPostgresql } from '../servers/postgresql.ts';
import { said } from './checks.ts';
import { register } from './register.ts';
import { patience, refusal } from './sql-subject.ts';

const { path = '', missing } = peer('postgres');
const pooler = peer('pgbouncer');
const asked = { metadata: '', priority: 0 };
const dayMs = 86_400_000;

async function win(session: StoreSession, name: string): Promise<number> {
  const outcome = await session.acquire(name, asked);
  assert(outcome.status === 'acquired', `${session.holder} waits`);
  return outcome.token;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`${what}: not so within half a minute`);
}

describe('On PostgreSQL', { skip: missing ?? false }, () => {
  let server: PostgresqlServer;
  before(async () => {
    server = await startPostgresql(path);
    await migratePostgres({ url: server.url });
  }, patience);
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  /** With settings of the user's own for each connection. */
  const poolWith = (options: string, max = 4) => new pg.Pool({ connectionString: server.url, max, options });

  test(
    'goes on when settings of its user are put right, also on connections made meanwhile',
    patience,
    async () => {
      await server.sql(
        `CREATE ROLE changing LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON conclave_documents TO changing`,
      );
      const url = new URL(server.url);
      url.username = 'changing';
      await using store = postgresStore({ url: url.href, listen: false });
      await store.read('x');
      const leave = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'changing'`;
      await server.sql(`ALTER ROLE changing SET search_path = nowhere; ${leave}`);
      await until('it is missed', async () => /found no table/.test(await said(store)));
      await server.sql('ALTER ROLE changing RESET search_path');
      assert.equal(await said(store), 'answered');
      // What is bound tells of a login as all else does.
      await server.sql(`ALTER ROLE changing NOLOGIN`);
      const bound = { ttlMs: 5000, holder: 'bound', releaseOnDisconnect: { graceMs: 0 } };
      const notLetIn = refusal('failed-precondition', /check user and password.*not permitted to log in/);
      await assert.rejects(store.openSession(bound), notLetIn);
    },
  );

  test(
    'the end of a session comes closer within a transaction, too, whose own time stands still',
    patience,
    async () => {
      const client = new pg.Client(server.url);
      await client.connect();
      await client.query('BEGIN');
      // As a pooler or a careless user would have it: every statement of the store in one transaction.
      const kept = {
        query: client.query.bind(client),
        on: client.on.bind(client),
        removeListener: client.removeListener.bind(client),
        release: () => {},
      };
      const pool = { totalCount: 1, connect: async () => kept, query: () => assert.fail('is not used') };
      await using store = postgresStore({ client: pool, listen: false });
      const session = await store.openSession({ ttlMs: 500, holder: 'first' });
      await win(session, 'within');
      assert.equal((await store.read('within')).leader?.holder, 'first');
      await until('it is over', async () => (await store.read('within')).leader === undefined);
      await client.query('ROLLBACK');
      await client.end();
    },
  );

  test('time zones of connections are of no account', patience, async () => {
    const [east, west] = [poolWith('-c TimeZone=Asia/Tokyo'), poolWith('-c TimeZone=America/Los_Angeles')];
    await using one = postgresStore({ client: east });
    await using two = postgresStore({ client: west });
    await using first = await one.openSession({ ttlMs: 60_000, holder: 'first' });
    await win(first, 'zones');
    assert.equal((await two.read('zones')).leader?.holder, 'first');
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
    await Promise.all([east.end(), west.end()]);
  });

  test('what strict isolation levels refuse for the sake of others is run again', patience, async () => {
    for (const level of ['repeatable read', 'serializable']) {
      const pool = poolWith(`-c default_transaction_isolation=${level.replace(' ', '\\ ')}`);
      const other = await pool.connect();
      {
        await using store = postgresStore({ client: pool, listen: false });
        await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
        const token = await win(session, `at ${level}`);
        await other.query('BEGIN');
        // It changes nothing of what the store compares.
        await other.query(`UPDATE conclave_documents SET keep_until = NULL WHERE name = 'at ${level}'`);
        const proclaimed = session.proclaim(`at ${level}`, token, 'through');
        await until('it waits for the row', async () => {
          const rows = await server.sql(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`);
          return rows.length > 0;
        });
        await other.query('COMMIT');
        assert.equal(await proclaimed, true);
        assert.equal((await store.read(`at ${level}`)).leader?.metadata, 'through');
      }
      other.release();
      await pool.end();
    }
  });

  test('an answered write is on disk, also where synchronous_commit is off', patience, async () => {
    // So that nothing but a commit writes the log out.
    await server.sql('ALTER SYSTEM SET wal_writer_delay = 10000');
    await server.sql('SELECT pg_reload_conf()');
    const pool = poolWith('-c synchronous_commit=off');
    await pool.query('CREATE TABLE unsafe (id int)');
    /** Where the log is after a write of the user's own. */
    const write = async () => {
      await pool.query('INSERT INTO unsafe VALUES (1)');
      return String((await server.sql('SELECT pg_current_wal_insert_lsn()::text AS at'))[0]?.at);
    };
    const isOnDisk = async (at: string) =>
      (await server.sql(`SELECT pg_current_wal_flush_lsn() >= '${at}'::pg_lsn AS done`))[0]?.done === true;
    // Others may write the log out at any moment, but not at each.
    const isLeftToChance = () =>
      until("a write of the user's own is left to chance", async () => !(await isOnDisk(await write())));
    await isLeftToChance();
    {
      await using store = postgresStore({ client: pool, listen: false });
      await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
      for (let times = 0; times < 3; times++) {
        const at = await write();
        await session.renew();
        assert.equal(await isOnDisk(at), true);
      }
      await isLeftToChance();
    }
    await pool.end();
    await server.sql('ALTER SYSTEM RESET wal_writer_delay');
    await server.sql('SELECT pg_reload_conf()');
  });

  test(
    'changes of elections are told on the channel that has the name of the table, renewals are not',
    patience,
    async () => {
      const listener = new pg.Client(server.url);
      await listener.connect();
      const heard: string[] = [];
      listener.on('notification', ({ payload }) => void heard.push(payload ?? ''));
      await listener.query('LISTEN conclave_documents');
      await using store = postgresStore({ url: server.url });
      await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
      await session.renew();
      await win(session, 'a told one');
      await until('it is told', async () => heard.length > 0);
      await session.renew();
      await session.proclaim('a told one', 0, 'is refused');
      await server.sql(`NOTIFY conclave_documents, 'last'`);
      await until('the last comes', async () => heard.includes('last'));
      // Made, and then led.
      assert.deepEqual([...new Set(heard)], ['election a told one', 'last']);
      assert(heard.length <= 3, heard.join());
      await listener.end();
    },
  );

  for (const [driver, connect] of [
    ['pg', (url: string) => new pg.Pool({ connectionString: url, max: 2 })],
    ['postgres', (url: string) => postgres(url, { max: 2, onnotice: () => {} })],
  ] as const) {
    test(
      `by ${driver}: a connection that listens and breaks is made anew, and nothing is missed`,
      patience,
      async () => {
        const client = connect(server.url);
        if (client instanceof pg.Pool) client.on('error', () => {});
        const listeners = () =>
          server.sql(
            `SELECT pid FROM pg_stat_activity WHERE query ILIKE 'listen%' AND pid <> pg_backend_pid()`,
          );
        {
          await using store = postgresStore({ client, pollMs: dayMs });
          await using other = postgresStore({ url: server.url, listen: false });
          await using session = await other.openSession({ ttlMs: 60_000, holder: 'first' });
          const token = await win(session, `broken ${driver}`);
          const { signal } = new AbortController();
          const states = store.watch(`broken ${driver}`, { signal })[Symbol.asyncIterator]();
          assert.equal((await states.next()).value?.leader?.token, token);
          await until('it listens', async () => (await listeners()).length > 0);
          const [{ pid } = {}] = await listeners();
          await server.sql(`SELECT pg_terminate_backend(${pid}, 5000)`);
          await session.proclaim(`broken ${driver}`, token, 'while nobody listened');
          for (;;) {
            const { value } = await states.next();
            if (value?.leader?.metadata === 'while nobody listened') break;
          }
          await until('it listens again', async () => (await listeners()).some((row) => row.pid !== pid));
          await states.return?.();
        }
        await (client instanceof pg.Pool ? client.end() : client.end({ timeout: 1 }));
        await until('nobody listens any more', async () => (await listeners()).length === 0);
      },
    );
  }

  test(
    'by postgres and a url: a broken connection that listens is told of, and does not come back',
    patience,
    async () => {
      const make = (more: object) =>
        postgres(server.url, { max: 2, onnotice: () => {}, ...more }) as unknown as PostgresJs;
      const pool = postgresJsPool(make({}), make);
      const listeners = () =>
        server.sql(`SELECT pid FROM pg_stat_activity WHERE query ILIKE 'listen "alone"%'`);
      for (const word of ['first', 'second']) {
        const heard = Promise.withResolvers<string>();
        const ended = Promise.withResolvers<unknown>();
        await using _listening = await pool.listen(['alone'], {
          onNotification: (channel, payload) => heard.resolve(`${channel}: ${payload}`),
          onGap: () => {},
          onEnd: ended.resolve,
        });
        await server.sql(`NOTIFY alone, '${word}'`);
        assert.equal(await heard.promise, `alone: ${word}`);
        const [{ pid } = {}, another] = await listeners();
        assert.equal(another, undefined);
        await server.sql(`SELECT pg_terminate_backend(${pid}, 5000)`);
        assert.match(String(await ended.promise), /The connection that listens was closed/);
      }
      await pool[Symbol.asyncDispose]();
      assert.deepEqual(await listeners(), []);
    },
  );

  test('by postgres, a connection that is of no use is not used again', patience, async () => {
    const make = (more: object) =>
      postgres(server.url, { max: 1, onnotice: () => {}, ...more }) as unknown as PostgresJs;
    await using pool = postgresJsPool(make({}), make);
    const ask = async (text: string) => {
      const connection = await pool.connect();
      const answer = connection.query({ text, values: [] });
      await answer.then(
        () => connection.release(false),
        () => connection.release(true),
      );
      return (await answer).rows[0]?.[0];
    };
    await ask('SET search_path = nowhere');
    await assert.rejects(ask('SELECT 1 FROM conclave_documents'), { code: '42P01' });
    assert.equal(await ask('SELECT count(*) >= 0 FROM conclave_documents'), true);
    await ask('SET search_path = nowhere');
    const readOnly = await pool.connect();
    await readOnly.query({ text: 'SELECT 1', values: [] });
    // As after an answer that tells of a standby.
    readOnly.release(true);
    assert.equal(await ask('SELECT count(*) >= 0 FROM conclave_documents'), true);
  });

  test('a pool of one connection is enough, whatever it is used for besides', patience, async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    {
      await using store = postgresStore({ client: pool });
      await using first = new Candidate(store, 'narrow', { holder: 'first' });
      await using second = new Candidate(store, 'narrow', { holder: 'second' });
      const leadership = await first.campaign();
      const next = second.campaign();
      await pool.query('SELECT pg_sleep(0.2)');
      await leadership.resign();
      assert((await next).token > leadership.token);
    }
    await pool.end();
  });

  test('sessions that take no writes are refused with their setting', patience, async () => {
    const pool = poolWith('-c default_transaction_read_only=on');
    {
      await using store = postgresStore({ client: pool });
      const readOnly = /default_transaction_read_only is on/;
      await assert.rejects(store.read('x'), refusal('failed-precondition', readOnly));
    }
    await pool.end();
  });

  test('who may only make a schema mistake hears of the schema', patience, async () => {
    const migrating = migratePostgres({ url: server.url, table: 'no_schema.documents' });
    await assert.rejects(migrating, refusal('failed-precondition', /schema that does not exist/));
    await server.sql('CREATE SCHEMA some_schema');
    const options = { url: server.url, table: 'some_schema.documents' };
    await migratePostgres(options);
    await using store = postgresStore(options);
    await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
    await win(session, 'in a schema');
  });

  test('who may not make the table hears of CREATE, and who forgot the url of that', patience, async () => {
    await server.sql('CREATE ROLE reader LOGIN');
    const url = server.url.replace('postgres@', 'reader@');
    const may = /lacks a permission: run the migration as a user who has CREATE on the schema public/;
    await assert.rejects(migratePostgres({ url, table: 'elsewhere' }), refusal('failed-precondition', may));
    const forgotten = { url: undefined };
    await assert.rejects(migratePostgres(forgotten), refusal('invalid-argument', /neither is set/));
    assert.throws(() => postgresStore(forgotten), refusal('invalid-argument', /neither is set/));
  });

  test('an unknown dialect is refused', () => {
    const options = { url: server.url, dialect: 'oracle' } as unknown as PostgresStoreOptions;
    assert.throws(
      () => postgresStore(options),
      refusal('invalid-argument', /dialect must be one of postgresql/),
    );
  });
});

describe('PostgreSQL and its standbys', { skip: missing ?? false }, () => {
  test(
    'a standby is refused until it is promoted, and tokens rise past those of the old primary',
    patience,
    async () => {
      await using primary = await startPostgresql(path);
      await migratePostgres({ url: primary.url });
      await using standby = await primary.standby();
      // Nothing is answered that the standby has not got.
      await primary.sql(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
      await primary.sql('SELECT pg_reload_conf()');
      await until('they are synchronous', async () => {
        const rows = await primary.sql(`SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'`);
        return rows.length === 1;
      });
      await using before = postgresStore({ url: primary.url });
      const first = await before.openSession({ ttlMs: 60_000, holder: 'first' });
      const token = await win(first, 'failover');

      await using store = postgresStore({ url: standby.url });
      await assert.rejects(
        store.read('failover'),
        refusal('failed-precondition', /standby.*connect to the primary/),
      );
      await assert.rejects(
        migratePostgres({ url: standby.url }),
        refusal('failed-precondition', /standby.*connect to the primary/),
      );
      await primary.stop();
      await standby.sql('SELECT pg_promote()');
      assert.equal((await store.read('failover')).leader?.token, token);
      await using second = await store.openSession({ ttlMs: 60_000, holder: 'second' });
      const outcome = await second.acquire('failover', asked);
      assert.equal(outcome.status, 'waiting');
      // The first one's process finds the new primary: it still leads.
      await using again = postgresStore({ url: standby.url });
      assert.equal((await again.read('failover')).leader?.token, token);
      await standby.sql(`DELETE FROM conclave_documents WHERE kind = 'session' AND name = '${first.id}'`);
      assert((await win(second, 'failover')) > token);
    },
  );
});

describe('The PostgreSQL store behind PgBouncer, which shares connections between transactions', {
  concurrency: 4,
  skip: missing ?? pooler.missing ?? false,
}, () => {
  let server: PostgresqlServer;
  let bouncer: Awaited<ReturnType<typeof startPgbouncer>>;
  before(async () => {
    server = await startPostgresql(path);
    bouncer = await startPgbouncer(pooler.path ?? '', server.port);
    await migratePostgres({ url: bouncer.url });
  }, patience);
  after(async () => {
    await bouncer?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });
  register(
    async () => {
      const sql = postgres(bouncer.url, { max: 4, prepare: false, fetch_types: false });
      const store = postgresStore({ url: bouncer.url, listen: false, pollMs: 100 });
      return {
        store,
        another: async () => postgresStore({ client: sql, listen: false, pollMs: 100 }),
        async [Symbol.asyncDispose]() {
          await store[Symbol.asyncDispose]();
          await sql.end({ timeout: 1 });
        },
      };
    },
    (name) => /first to come|token rises after|wakes a waiter|hand-off gives|session that ran out/.test(name),
  );

  test('where it waits for notifications that the pooler keeps, it looks by itself', patience, async () => {
    await using store = postgresStore({ url: bouncer.url, pollMs: 100 });
    await using first = new Candidate(store, 'kept', { holder: 'first' });
    await using second = new Candidate(store, 'kept', { holder: 'second' });
    const leadership = await first.campaign();
    const next = second.campaign();
    await until('the second waits', async () => (await store.read('kept')).waiting.length === 1);
    await leadership.resign();
    assert((await next).token > leadership.token);
  });
});

describe('A dialect that the server does not have', { skip: missing ?? false }, () => {
  let server: PostgresqlServer;
  before(async () => {
    server = await startPostgresql(path);
    await migratePostgres({ url: server.url });
  }, patience);
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  test('is refused, since who says it would not go by the clock of the server', patience, async () => {
    for (const dialect of ['cockroachdb', 'yugabytedb'] as const) {
      const wrong = { url: server.url, dialect };
      const expected = refusal(
        'failed-precondition',
        new RegExp(`PostgreSQL: leave out dialect: '${dialect}'`),
      );
      await using store = postgresStore(wrong);
      await using candidate = new Candidate(store, 'report');
      await assert.rejects(candidate.campaign(), expected);
      await assert.rejects(store.read('report'), expected);
      await assert.rejects(migratePostgres(wrong), expected);
    }
    assert.deepEqual(await server.sql(`SELECT 1 FROM conclave_documents WHERE kind <> 'table'`), []);
  });

  test('is refused by another relative, which names its own', patience, async () => {
    const says = 'PostgreSQL 15.2-YB-2025.1.0.0-b0 on x86_64-pc-linux-gnu';
    await server.sql(`CREATE FUNCTION public.version() RETURNS text LANGUAGE sql AS $$ SELECT '${says}' $$`);
    await server.sql('ALTER ROLE ALL SET search_path = public, pg_catalog');
    for (const dialect of ['cockroachdb', 'postgresql'] as const) {
      await using store = postgresStore({ url: server.url, dialect });
      await assert.rejects(
        store.read('report'),
        refusal('failed-precondition', /YugabyteDB: say so with dialect: 'yugabytedb'/),
      );
    }
    await using store = postgresStore({ url: server.url, dialect: 'yugabytedb' });
    assert.equal((await store.read('report')).leader, undefined);
  });
});

/** Its relatives, where one is given by its URL; what is said to one of them PostgreSQL understands, too. */
for (const [dialect, url] of [
  ['cockroachdb', process.env.CONCLAVE_TEST_COCKROACHDB_URL],
  ['yugabytedb', process.env.CONCLAVE_TEST_YUGABYTEDB_URL],
] as const) {
  const variable = `CONCLAVE_TEST_${dialect.toUpperCase()}_URL`;
  const skip = url === undefined ? `${variable} names no ${dialect}` : false;
  describe(`The PostgreSQL store conforms on ${dialect}`, { concurrency: 4, skip }, () => {
    const options = { url: url ?? '', dialect, pollMs: 200 };
    before(() => migratePostgres({ url: url ?? '', dialect }), patience);
    register(async () => {
      const store = postgresStore(options);
      return {
        store,
        another: async () => postgresStore(options),
        [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.asyncDispose]()),
      };
    });

    test('without the dialect it is refused by name', async () => {
      await using store = postgresStore({ url: url ?? '' });
      await assert.rejects(
        store.read('x'),
        refusal('failed-precondition', new RegExp(`dialect: '${dialect}'`)),
      );
    });
  });
}

describe('What the PostgreSQL store says to CockroachDB, PostgreSQL understands', {
  concurrency: 4,
  skip: missing ?? false,
}, () => {
  let server: PostgresqlServer;
  before(async () => {
    server = await startPostgresql(path);
    // A version() that is found before the server's own.
    await server.sql(`CREATE FUNCTION public.version() RETURNS text LANGUAGE sql
AS $$ SELECT 'CockroachDB CCL v25.1.0 (x86_64-pc-linux-gnu)' $$`);
    await server.sql('ALTER ROLE ALL SET search_path = public, pg_catalog');
    await migratePostgres({ url: server.url, dialect: 'cockroachdb' });
  }, patience);
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  register(
    async () => {
      const options = { url: server.url, dialect: 'cockroachdb', pollMs: 100 } as const;
      const store = postgresStore(options);
      return {
        store,
        another: async () => postgresStore(options),
        [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.asyncDispose]()),
      };
    },
    (name) => /first to come|token rises|wakes a waiter|hand-off gives|many elections/.test(name),
  );
});
