// Sessions on PostgreSQL that end with their connection: where its holder ended it, and nowhere else.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import postgres from 'postgres';
import type { ConformanceTarget } from '../../src/conformance/index.ts';
import { Candidate } from '../../src/election/index.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';
import { migratePostgres, postgresStore } from '../../src/stores/postgres.ts';
import { type PgPool, pgPool } from '../../src/stores/sql/pg.ts';
import { PostgresBonds } from '../../src/stores/sql/postgres-bonds.ts';
import { peer } from '../peers.ts';
import { startPgbouncer } from '../servers/pgbouncer.ts';
import { type PostgresqlServer, startPostgresql } from '../servers/postgresql.ts';
import { losingProxy } from '../stand-ins/losing-proxy.ts';
import { register } from './register.ts';
import { patience } from './sql-subject.ts';

const { path = '', missing } = peer('postgres');
const pooler = peer('pgbouncer');
const ttlMs = 60_000;

/** A pool whose connections can all be cut at once, as when its process dies. */
function mortalPool(url: string, more: pg.PoolConfig = {}) {
  const clients = new Set<pg.Client>();
  class Recorded extends pg.Client {
    constructor(options?: string | pg.ClientConfig) {
      super(options);
      clients.add(this);
      this.on('error', () => {});
    }
  }
  const pool = new pg.Pool({ connectionString: url, ...more, Client: Recorded } as pg.PoolConfig);
  pool.on('error', () => {});
  const die = () => {
    for (const client of clients) {
      const { connection } = client as unknown as { connection: { stream: { destroy(): void } } };
      connection.stream.destroy();
    }
    clients.clear();
  };
  return { pool, die, clients };
}

describe('A session that is bound to its connection, on PostgreSQL', { skip: missing ?? false }, () => {
  let server: PostgresqlServer;
  before(async () => {
    server = await startPostgresql(path, { logging_collector: 'on', log_filename: 'all' });
    await migratePostgres({ url: server.url });
    await server.sql('CREATE ROLE worker LOGIN');
  }, patience);
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  /** Until somebody waits for the end of this one's connection, or for that of any. */
  async function watched(): Promise<void> {
    const text = `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`;
    while ((await server.sql(text)).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  register(
    async (): Promise<ConformanceTarget> => {
      const [one, two] = [mortalPool(server.url), mortalPool(server.url)];
      const store = postgresStore({ client: one.pool });
      return {
        store,
        another: async () => postgresStore({ client: two.pool }),
        breakConnection: async () => {
          const bound = await server.sql(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory'`);
          // What was not seen to stand is not seen to end.
          if (bound.length > 0) await watched();
          two.die();
        },
        async [Symbol.asyncDispose]() {
          await store[Symbol.asyncDispose]();
          await Promise.all([one.pool.end(), two.pool.end()]);
        },
      };
    },
    (name) => /bound/.test(name),
  );

  interface Next {
    readonly waitMs?: number;
    readonly answerMs?: number;
    readonly user?: string;
    readonly port?: number;
    readonly pool?: pg.PoolConfig;
  }

  function bondsOf({ user = 'postgres', port = server.port, pool: more, ...times }: Next = {}) {
    const url = server.url.replace('postgres@', `${user}@`).replace(`:${server.port}`, `:${port}`);
    const { pool, die, clients } = mortalPool(url, more);
    const runtime = nodeRuntime();
    const made = pgPool(pool as unknown as PgPool, true);
    const bonds = new PostgresBonds({
      description: 'PostgreSQL',
      runtime,
      pool: async () => made,
      ...times,
    });
    return { bonds, die, clients, close: () => pool.end() };
  }

  const bounds = () => ({ signal: new AbortController().signal, timeoutMs: 10_000 });

  /** By a user without any rights. */
  async function watching(how: Next = {}) {
    const [holder, next] = [bondsOf(), bondsOf({ user: 'worker', ...how })];
    const session = randomBytes(16).toString('hex');
    const bond = await holder.bonds.bind(session, ttlMs, bounds());
    const leave = new AbortController();
    const ended = next.bonds.endedByHolder(session, bond.mark, leave.signal);
    ended.catch(() => {});
    await watched();
    const close = async () => {
      leave.abort();
      await bond.end();
      await ended.catch(() => {});
      await Promise.all([holder.close(), next.close().catch(() => {})]);
    };
    return { session, bond, holder, next, ended, leave, [Symbol.asyncDispose]: close };
  }

  test('ends where its holder goes', patience, async () => {
    await using one = await watching();
    one.holder.die();
    assert.equal(await one.ended, true);
  });

  test(
    'is not taken for over where an administrator ended the connection; its holder hears',
    patience,
    async () => {
      await using one = await watching();
      await server.sql(`SELECT pg_terminate_backend(${one.bond.mark})`);
      assert.equal(await one.ended, false);
      if (!one.bond.broken.aborted) await once(one.bond.broken, 'abort');
      await assert.rejects(one.bond.confirm());
    },
  );

  test('is not taken for over where anybody was cut off meanwhile', patience, async () => {
    await using one = await watching();
    const other = new pg.Client(server.url);
    other.on('error', () => {});
    await other.connect();
    const gone = new Promise<void>((resolve) => other.on('end', resolve));
    const { processID } = other as unknown as { processID: number };
    await server.sql(`SELECT pg_terminate_backend(${processID}, 10000)`);
    await gone;
    one.holder.die();
    assert.equal(await one.ended, false);
  });

  test('is not taken for over where it was not seen to stand, by that process', patience, async () => {
    await using one = await watching();
    const { session, next } = one;
    const { signal } = new AbortController();
    assert.equal(await next.bonds.endedByHolder(session, '1', signal), false);
    assert.equal(
      await next.bonds.endedByHolder(randomBytes(16).toString('hex'), one.bond.mark, signal),
      false,
    );
  });

  test('is watched for longer than one statement waits', patience, async () => {
    await using one = await watching({ waitMs: 10 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    one.holder.die();
    assert.equal(await one.ended, true);
    const [logged] = await server.sql(`SELECT pg_read_file('log/all') AS text`);
    assert.doesNotMatch(String(logged?.text), /lock timeout/);
  });

  test(
    'is watched for longer than statements may take by the settings of the role and of the pool',
    patience,
    async () => {
      await using one = await watching({ pool: { statement_timeout: 50, query_timeout: 50 } });
      await new Promise((resolve) => setTimeout(resolve, 200));
      one.holder.die();
      assert.equal(await one.ended, true);
    },
  );

  test('is watched no longer where the connection of who watches died without a word', patience, async () => {
    await using proxy = await losingProxy(server.port);
    await using one = await watching({ waitMs: 10, answerMs: 100, port: proxy.port });
    proxy.freeze();
    await assert.rejects(one.ended);
  });

  test('lives on where who watches it cannot see what tells of its end', patience, async () => {
    await server.sql(`CREATE ROLE blind LOGIN; CREATE SCHEMA less;
CREATE VIEW less.pg_stat_activity AS SELECT * FROM pg_catalog.pg_stat_activity WHERE false;
CREATE VIEW less.pg_stat_database AS SELECT * FROM pg_catalog.pg_stat_database WHERE false;
GRANT USAGE ON SCHEMA less TO blind; GRANT SELECT ON ALL TABLES IN SCHEMA less TO blind;
ALTER ROLE blind SET search_path = less, pg_catalog`);
    await using one = await watching();
    const blind = bondsOf({ user: 'blind' });
    const { signal } = new AbortController();
    assert.equal(await blind.bonds.endedByHolder(one.session, one.bond.mark, signal), false);
    await server.sql('DROP VIEW less.pg_stat_activity');
    assert.equal(await blind.bonds.endedByHolder(one.session, one.bond.mark, signal), false);
    await blind.close();
  });

  test(
    'keeps its connection for longer than its lease, however soon the system gives up by itself',
    patience,
    async () => {
      const holder = bondsOf();
      const bond = await holder.bonds.bind(randomBytes(16).toString('hex'), ttlMs, bounds());
      const asked = [...holder.clients].map((client) => client.query('SHOW tcp_user_timeout'));
      const answers = (await Promise.all(asked)).map(({ rows }) => Number(rows[0]?.tcp_user_timeout));
      // 0 is the system's own, which it counts in repetitions: of few, net.ipv4.tcp_retries2, it waits for some seconds.
      assert(answers.length === 1 && answers.every((answer) => answer > 600_000 * 1.25), String(answers));
      await bond.end();
      await holder.close();
    },
  );

  test('outlives who watches it', patience, async () => {
    const fatal = 'SELECT sessions_fatal FROM pg_stat_database WHERE datname = current_database()';
    const before = await server.sql(fatal);
    await using one = await watching();
    one.leave.abort();
    await assert.rejects(one.ended);
    assert.equal(one.bond.broken.aborted, false);
    await one.bond.confirm();
    const watchers = () => server.sql(`SELECT 1 FROM pg_stat_activity WHERE usename = 'worker'`);
    await one.next.close();
    while ((await watchers()).length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(await server.sql(fatal), before, 'who leaves is not counted as one that was ended');
  });

  test('is refused where somebody holds its lock, and waits for nobody else', patience, async () => {
    await using one = await watching();
    const again = bondsOf();
    await assert.rejects(again.bonds.bind(one.session, ttlMs, bounds()), { code: 'already-exists' });
    await assert.rejects(again.bonds.bind(one.session, 600_001, bounds()), { code: 'invalid-argument' });
    await again.close();
  });

  test('needs the driver pg, and one server', patience, async () => {
    const sql = postgres(server.url, { max: 2, onnotice: () => {} });
    await using store = postgresStore({ client: sql });
    const bound = { ttlMs, holder: 'first', releaseOnDisconnect: { graceMs: 0 } };
    await assert.rejects(store.openSession(bound), { code: 'unsupported', message: /needs the driver pg/ });
    await sql.end();
    await using relative = postgresStore({ url: server.url, dialect: 'cockroachdb' });
    assert.throws(() => new Candidate(relative, 'name', { releaseOnDisconnect: true }), {
      code: 'unsupported',
    });
  });

  test('is refused behind a pooler', { ...patience, skip: pooler.missing ?? false }, async () => {
    await using bouncer = await startPgbouncer(pooler.path ?? '', server.port);
    await using store = postgresStore({ url: bouncer.url, listen: false });
    const bound = { ttlMs, holder: 'first', releaseOnDisconnect: { graceMs: 0 } };
    await assert.rejects(store.openSession(bound), { code: 'unsupported', message: /met a pooler/ });
  });

  test('ends by SIGKILL of its process, and not while that is only stopped', patience, async () => {
    await using store = postgresStore({ url: server.url });
    const leader = fork(join(import.meta.dirname, 'bound-leader.ts'), [server.url, 'killed']);
    const [token] = (await once(leader, 'message')) as [number];
    await using candidate = new Candidate(store, 'killed', { ttlMs });
    const campaign = candidate.campaign();
    await watched();
    leader.kill('SIGSTOP');
    const held = await server.sql(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted`);
    assert.equal(held.length, 1);
    assert.equal((await store.read('killed')).leader?.token, token);
    leader.kill('SIGKILL');
    assert((await campaign).token > token);
  });

  test(
    'a leader whose connection an administrator ends stops leading, and the next leads',
    patience,
    async () => {
      await using one = postgresStore({ url: server.url });
      await using two = postgresStore({ url: server.url });
      await using first = new Candidate(one, 'ended', { ttlMs, releaseOnDisconnect: true });
      await using second = new Candidate(two, 'ended', { ttlMs });
      const leadership = await first.campaign();
      const campaign = second.campaign();
      await watched();
      await server.sql(
        `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted`,
      );
      const next = await campaign;
      assert(leadership.signal.aborted);
      assert(next.token > leadership.token);
    },
  );

  test('a new start of the server ends it for nobody but its holder', patience, async () => {
    await using one = await watching();
    await server.stop();
    await server.start();
    await assert.rejects(one.ended);
    assert(one.bond.broken.aborted);
    assert.equal(
      await one.next.bonds.endedByHolder(one.session, one.bond.mark, new AbortController().signal),
      false,
    );
  });
});
