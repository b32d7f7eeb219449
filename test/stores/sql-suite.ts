// What a store in an SQL database must do besides conforming, by every driver; on a real server.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { type ConformanceTarget, losingAnswers } from '../../src/conformance/index.ts';
import { Candidate } from '../../src/election/index.ts';
import { register } from './register.ts';
import { patience, refusal, type SqlServer, type SqlStoreSubject, type StoreOptions } from './sql-subject.ts';
import { testSqlTables } from './sql-tables.ts';
import { testSqlTraffic } from './sql-traffic.ts';
import { testSqlUsers } from './sql-users.ts';

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
    let drivers = 0;
    const { store, loseNextAnswer } = losingAnswers(subject.store({ client: one.client, timeoutMs }));
    return {
      store,
      another: async () => subject.store({ client: two.client, timeoutMs }),
      anotherOn: async (runtime) => subject.store({ client: two.client, timeoutMs, runtime }),
      driver() {
        drivers += 1;
        return subject.driver({ client: (drivers % 2 === 0 ? one : two).client });
      },
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
    const scene = { subject, server, fresh, opening };
    testSqlTables(scene);
    testSqlUsers(scene);
    testSqlTraffic(scene);
  });
}
