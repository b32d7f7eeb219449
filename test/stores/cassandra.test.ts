import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Client } from 'cassandra-driver';
import { type ConformanceTarget, losingAnswers } from '../../src/conformance/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import {
  type CassandraClient,
  type CassandraStoreOptions,
  cassandraDriver,
  cassandraStore,
  createCassandraTable,
} from '../../src/stores/cassandra.ts';
import type { DocumentDriver } from '../../src/stores/documents/driver.ts';
import { Guide } from '../guide.ts';
import { environment, Running } from '../packaging/project.ts';
import {
  type CassandraServer,
  cassandraIsOurs,
  cassandraMissing,
  startCassandra,
} from '../servers/cassandra.ts';
import { losingProxy } from '../stand-ins/losing-proxy.ts';
import { crowded, registerConformance } from './checks.ts';

const skip = cassandraMissing ?? false;
const patience = { timeout: 300_000 };
const pollMs = 100;
const bounds = { signal: new AbortController().signal, timeoutMs: 20_000 };
const election = { kind: 'election', name: 'report' } as const;
const session = { kind: 'session', name: 'ab'.repeat(16) } as const;
/** As the driver numbers it. */
const timedOut = 0x1100;
/** On a cluster of the user's nothing else is touched. */
const keyspace = 'conclave_test';

async function written(driver: DocumentDriver, text: string, replaces?: string): Promise<string> {
  const version = await driver.write(election, text, { replaces }, bounds);
  assert(version !== undefined, `${text} was not written`);
  return version;
}

function failsWith(code: string, ...words: readonly RegExp[]) {
  return (error: unknown) => {
    assert(ConclaveError.is(error), String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.match(error.message, word);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  };
}

describe('The Cassandra store', { skip }, () => {
  let server: CassandraServer;
  let client: Client;
  let tables = 0;

  before(async () => {
    server = await startCassandra();
    client = server.connect();
    await client.connect();
    const replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    await client.execute(`CREATE KEYSPACE IF NOT EXISTS ${keyspace} WITH replication = ${replication}`);
  }, patience);
  after(async () => {
    await client?.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`).catch(() => {});
    await client?.shutdown();
    await server?.[Symbol.asyncDispose]();
  }, patience);

  /** A table that no other test has. */
  async function fresh() {
    tables += 1;
    const options = { keyspace, table: `documents_${tables}`, pollMs, timeoutMs: 60_000 };
    await createCassandraTable(client, options);
    return { ...options, client };
  }

  const login = () => {
    const { contactPoints, localDataCenter, user, password } = server;
    return { contactPoints, localDataCenter, user, password };
  };

  describe('conforms', { concurrency: 8 }, () => {
    let options: CassandraStoreOptions;
    before(async () => {
      options = await fresh();
    }, patience);
    const open = async (): Promise<ConformanceTarget> => {
      let sent = 0;
      const counting: CassandraClient = {
        execute: (query, parameters = [], more = {}) => {
          sent += 1;
          return client.execute(query, [...parameters], more);
        },
      };
      const { store, loseNextAnswer } = losingAnswers(cassandraStore({ ...options, client: counting }));
      return {
        ...{ store, loseNextAnswer },
        // By a client of its own.
        another: async () => {
          const { client: _, ...rest } = options;
          return cassandraStore({ ...rest, ...login() });
        },
        anotherOn: async (runtime) => cassandraStore({ ...options, client, runtime }),
        driver: () => cassandraDriver({ ...options, client }),
        async deleteRecords(name) {
          const text = `DELETE FROM ${keyspace}.${options.table} WHERE kind = ? AND name = ? IF EXISTS`;
          for (;;) {
            try {
              return void (await client.execute(text, ['election', name]));
            } catch (error) {
              // A machine that stalls lets transactions time out.
              if ((error as { code?: unknown }).code !== timedOut) throw error;
            }
          }
        },
        requests: () => sent,
        [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.asyncDispose]()),
      };
    };
    registerConformance(open);
    describe('also in a crowd', () => registerConformance(open, crowded));
  });

  test('a write that arrives twice is known as carried out', patience, async () => {
    const options = await fresh();
    const twice: CassandraClient = {
      async execute(query, parameters = [], more = {}) {
        if (query.startsWith('UPDATE')) await client.execute(query, [...parameters], more);
        return await client.execute(query, [...parameters], more);
      },
    };
    await using driver = cassandraDriver({ ...options, client: twice });
    const version = await written(driver, 'one');
    const second = await written(driver, 'two', version);
    assert.deepEqual(await driver.read(election, bounds), { text: 'two', version: second });
    assert.equal(await driver.write(election, 'late', { replaces: version }, bounds), undefined);
    assert.equal(await driver.write(election, 'late', { replaces: undefined }, bounds), undefined);
    assert.equal(await driver.remove(election, version, bounds), false);
    assert.equal(await driver.remove(election, second, bounds), true);
    assert.equal(await driver.remove(election, second, bounds), false);
  });

  test('an answer that is lost leaves the outcome unknown, and reading shows it', patience, async () => {
    const { client: _, ...options } = await fresh();
    await using proxy = await losingProxy(server.port);
    const behind = server.connect(undefined, proxy.port);
    await behind.connect();
    try {
      await using driver = cassandraDriver({ ...options, client: behind });
      const version = await written(driver, 'one');
      const lost = proxy.loseAnswersTo('two, unanswered');
      await assert.rejects(
        driver.write(election, 'two, unanswered', { replaces: version }, bounds),
        (error) => {
          assert(ConclaveError.is(error), String(error));
          assert.deepEqual([error.outcome, error.retryable], ['unknown', true]);
          return true;
        },
      );
      await lost;
      await using another = cassandraDriver({ ...options, client });
      assert.equal((await another.read(election, bounds))?.text, 'two, unanswered');
    } finally {
      await behind.shutdown();
    }
  });

  test('what the cluster says of a timed-out transaction leaves the outcome unknown', patience, async () => {
    const options = await fresh();
    // As the driver gives them; one node alone cannot be made to time out.
    const failures = [
      { code: 0x1100, writeType: 'CAS', name: 'ResponseError', message: 'Server timeout during write query' },
      {
        code: 0x1100,
        writeType: 'SIMPLE',
        name: 'ResponseError',
        message: 'Server timeout during write query',
      },
      { code: 0x1700, name: 'ResponseError', message: 'CAS operation result is unknown' },
      { name: 'OperationTimedOutError', message: 'The host did not reply before timeout' },
    ];
    const refusals = [{ code: 0x1000, name: 'ResponseError', message: 'Not enough replicas available' }];
    for (const failure of [...failures, ...refusals]) {
      const failing: CassandraClient = { execute: () => Promise.reject(Object.assign(new Error(), failure)) };
      await using driver = cassandraDriver({ ...options, client: failing });
      await assert.rejects(driver.write(election, 'one', { replaces: undefined }, bounds), (error) => {
        assert(ConclaveError.is(error), String(error));
        const outcome = refusals.includes(failure as never) ? 'not-applied' : 'unknown';
        assert.deepEqual([error.outcome, error.retryable], [outcome, true], failure.message);
        return true;
      });
    }
  });

  test(
    'a transaction of which the cluster does not know is read at SERIAL, and done where it was not',
    patience,
    async () => {
      const options = await fresh();
      const timeout = { code: 0x1100, writeType: 'CAS', name: 'ResponseError', message: 'Server timeout' };
      for (const isDone of [true, false]) {
        let failures = 0;
        const failing: CassandraClient = {
          async execute(query, parameters = [], more = {}) {
            if (!query.startsWith('UPDATE') || failures > 0)
              return await client.execute(query, [...parameters], more);
            failures += 1;
            if (isDone) await client.execute(query, [...parameters], more);
            throw Object.assign(new Error(), timeout);
          },
        };
        await using driver = cassandraDriver({ ...options, client: failing });
        const before = (await driver.read(election, bounds))?.version;
        const version = await written(driver, `done: ${isDone}`, before);
        assert.deepEqual(await driver.read(election, bounds), { text: `done: ${isDone}`, version });
        assert.equal(failures, 1);
      }
    },
  );

  test('reads are serial, writes conditional, and nothing but a session has a TTL', patience, async () => {
    const { table, ...options } = await fresh();
    const asked: { readonly query: string; readonly options: Readonly<Record<string, unknown>> }[] = [];
    const listening: CassandraClient = {
      execute(query, parameters = [], more = {}) {
        asked.push({ query, options: more });
        return client.execute(query, [...parameters], more);
      },
    };
    await using driver = cassandraDriver({ ...options, table, client: listening });
    const version = await driver.write(election, 'one', { replaces: undefined, keepMs: 1000 }, bounds);
    await driver.write(session, 'one', { replaces: undefined, keepMs: 3_600_000 }, bounds);
    await driver.read(election, bounds);
    await driver.remove(election, version ?? '', bounds);
    for (const { query, options: given } of asked) {
      if (query.startsWith('SELECT')) assert.equal(given.consistency, 8, query);
      else {
        assert.match(query, / IF version = \?$/);
        assert.deepEqual([given.serialConsistency, given.consistency, given.isIdempotent], [8, 4, false]);
      }
    }
    const left = `SELECT TTL(content) AS left FROM ${keyspace}.${table} WHERE kind = ? AND name = ?`;
    const { rows } = await client.execute(left, [session.kind, session.name]);
    const leftMs = Number(rows[0]?.left) * 1000;
    // Sessions outlive their time by a day, for nodes whose clocks differ.
    assert(leftMs > 86_400_000 && leftMs <= 86_400_000 + 3_600_000, String(leftMs));
  });

  test('a table with a default TTL is refused, and so is one that is none of ours', patience, async () => {
    const { table, ...options } = await fresh();
    await client.execute(`ALTER TABLE ${keyspace}.${table} WITH default_time_to_live = 3600`);
    await using forgetful = cassandraStore({ ...options, table });
    await assert.rejects(
      forgetful.openSession({ holder: 'first', ttlMs: 30_000 }),
      failsWith('failed-precondition', /default_time_to_live = 0/),
    );
    await client.execute(`CREATE TABLE ${keyspace}.theirs (id int PRIMARY KEY, content text)`);
    await client.execute(`INSERT INTO ${keyspace}.theirs (id, content) VALUES (1, 'theirs')`);
    await using foreign = cassandraStore({ ...options, table: 'theirs' });
    await assert.rejects(
      foreign.openSession({ holder: 'first', ttlMs: 30_000 }),
      failsWith('failed-precondition', /made for Conclave/, /CREATE TABLE/),
    );
    const { rows } = await client.execute(`SELECT content FROM ${keyspace}.theirs WHERE id = 1`);
    assert.equal(rows[0]?.content, 'theirs');
  });

  test('a table or keyspace that is missing is named, with how to make it', patience, async () => {
    for (const missing of [{ keyspace, table: 'nowhere' }, { keyspace: 'nowhere' }]) {
      await using store = cassandraStore({ client, ...missing });
      await assert.rejects(
        store.openSession({ holder: 'first', ttlMs: 30_000 }),
        failsWith('failed-precondition', /nowhere/, /CREATE TABLE IF NOT EXISTS/),
      );
    }
    await assert.rejects(
      createCassandraTable(client, { keyspace: 'nowhere' }),
      failsWith('failed-precondition'),
    );
  });

  test('what another program wrote is left as it is', patience, async () => {
    const options = await fresh();
    const where = `${keyspace}.${options.table}`;
    await using store = cassandraStore(options);
    await using opened = await store.openSession({ holder: 'first', ttlMs: 60_000 });
    const insert = `INSERT INTO ${where} (kind, name, version, content) VALUES ('election', ?, ?, ?)`;
    await client.execute(insert, ['report', 'v1', 'theirs']);
    await client.execute(insert, ['half', null, 'theirs']);
    for (const name of ['report', 'half']) {
      await assert.rejects(
        opened.acquire(name, { metadata: '', priority: 0 }),
        failsWith('data-incompatible', /not written by Conclave/),
      );
      const { rows } = await client.execute(
        `SELECT content FROM ${where} WHERE kind = 'election' AND name = ?`,
        [name],
      );
      assert.equal(rows[0]?.content, 'theirs');
    }
  });

  test('grants: the smallest that is enough, none, a wrong password', patience, async () => {
    const { client: _, ...options } = await fresh();
    const role = { user: 'conclave_worker', password: 'worker-secret' };
    await client.execute(
      `CREATE ROLE IF NOT EXISTS ${role.user} WITH PASSWORD = '${role.password}' AND LOGIN = true`,
    );
    const open = (more: object) => cassandraStore({ ...options, ...login(), ...role, ...more });
    const opening = { holder: 'first', ttlMs: 60_000 };
    {
      await using refused = open({});
      await assert.rejects(
        refused.openSession(opening),
        failsWith('failed-precondition', /GRANT SELECT/, /GRANT MODIFY/),
      );
      await using wrong = open({ password: 'wrong-secret' });
      await assert.rejects(wrong.openSession(opening), failsWith('failed-precondition', /user and password/));
    }
    const table = `${keyspace}.${options.table}`;
    for (const right of ['SELECT', 'MODIFY'])
      await client.execute(`GRANT ${right} ON TABLE ${table} TO ${role.user}`);
    await using store = open({});
    await using opened = await store.openSession(opening);
    assert.equal((await opened.acquire('report', { metadata: '', priority: 0 })).status, 'acquired');
  });

  test('nobody there, and a datacenter that is not', patience, async () => {
    await using nobody = cassandraStore({ contactPoints: ['127.0.0.1:1'], localDataCenter: 'datacenter1' });
    const opening = { holder: 'first', ttlMs: 30_000 };
    await assert.rejects(nobody.openSession(opening), (error) => {
      failsWith('unavailable', /127\.0\.0\.1:1/)(error);
      assert(ConclaveError.is(error) && error.retryable && error.outcome === 'not-applied');
      return true;
    });
    await using elsewhere = cassandraStore({ ...login(), localDataCenter: 'elsewhere' });
    await assert.rejects(elsewhere.openSession(opening), failsWith('failed-precondition', /elsewhere/));
  });

  test('the examples of its page lead, and end by themselves', patience, async () => {
    const { contactPoints, localDataCenter, user, password } = server;
    await using guide = new Guide('../stores/cassandra');
    await guide.unpack((code) =>
      code
        .replaceAll('127.0.0.1:9042', contactPoints[0] ?? '')
        .replaceAll('datacenter1', localDataCenter)
        .replaceAll("username: 'cassandra'", `username: '${user}'`),
    );
    await guide.typeCheck();
    const env = { CASSANDRA_PASSWORD: password, WORKER_PASSWORD: 'worker-password' };
    assert.match(await guide.outputOf('table.ts', { env }), /the table is there/);
    const page = readFileSync(join(import.meta.dirname, '../../docs/stores/cassandra.md'), 'utf8');
    const grants = /```cql\n([^`]+)```/.exec(page)?.[1] ?? '';
    for (const statement of grants.split(';').filter((one) => one.trim() !== '')) {
      await client.execute(statement.replace('CREATE ROLE', 'CREATE ROLE IF NOT EXISTS'));
    }
    await using report = guide.start('report.ts', { env });
    await report.wrote(/leading with token \d+/, /working/);
    report.signal('SIGINT');
    assert.equal(await report.ended, 0, report.output);
    guide.assertAllRun();
  });
});

test('after an outage one leads again on Cassandra, the old leader was told before, and tokens rise', {
  // A node starts three times.
  timeout: 540_000,
  skip: cassandraIsOurs ? skip : 'the cluster is not ours to stop',
}, async () => {
  const program = join(import.meta.dirname, 'cassandra-outage.ts');
  const flags = ['--disable-warning=ExperimentalWarning', program];
  await using running = new Running(process.execPath, flags, import.meta.dirname, environment);
  assert.equal(await running.ended, 0, running.output);
  assert.match(running.output, /one leads again/);
  assert.equal(running.output.match(/^passed: .*(service|outage)/gm)?.length, 2, running.output);
});

test('options of the Cassandra store that cannot be meant are refused', () => {
  const contact = { contactPoints: ['host'], localDataCenter: 'one' };
  const wrong: readonly [object, RegExp][] = [
    [{}, /client of cassandra-driver, or both/],
    [{ contactPoints: ['host'] }, /localDataCenter/],
    [{ client: {} }, /client of cassandra-driver/],
    [{ ...contact, user: 'me' }, /both a user and a password/],
    [{ ...contact, keyspace: 'Upper' }, /keyspace and table/],
    [{ ...contact, table: 'x; DROP TABLE y' }, /keyspace and table/],
    [{ ...contact, serialConsistency: 'QUORUM' }, /SERIAL/],
    [{ ...contact, pasword: 'secret' }, /Did you mean password/],
  ];
  for (const [options, words] of wrong) {
    const make = () => cassandraStore(options as CassandraStoreOptions);
    assert.throws(make, failsWith('invalid-argument', words), JSON.stringify(options));
  }
});
