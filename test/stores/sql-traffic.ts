// What an SQL store says to its server, and what it makes of answers that do not come.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Candidate } from '../../src/election/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import { losingProxy } from '../stand-ins/losing-proxy.ts';
import { patience, type SqlScene } from './sql-subject.ts';

export function testSqlTraffic({ subject, server, fresh }: SqlScene): void {
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

  test('what may be forgotten is swept away when a store is opened, and nothing else', patience, async () => {
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
  });

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
          for (const { id } of ended) await server().sql(`DELETE FROM ${options.table} WHERE name = '${id}'`);
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
