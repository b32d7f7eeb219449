// The outage of a Cassandra node, as a program of its own: it must end by itself, and a client of cassandra-driver 4.10 that
// has seen its node go and come back would keep it from that.
import { conformanceTests } from '../../src/conformance/index.ts';
import { cassandraStore, createCassandraTable } from '../../src/stores/cassandra.ts';
import { startCassandra } from '../servers/cassandra.ts';
import { leadsAgainAfter } from './outage.ts';

const server = await startCassandra();
try {
  const replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
  const client = server.connect();
  await client.execute(`CREATE KEYSPACE conclave WITH replication = ${replication}`);
  await createCassandraTable(client);
  await client.shutdown();
  const { contactPoints, localDataCenter, user, password } = server;
  const login = { contactPoints, localDataCenter, user, password };
  const open = () => cassandraStore({ ...login, pollMs: 100, timeoutMs: 30_000 });
  const [stop, start] = [() => server.kill(), () => server.start()];
  await leadsAgainAfter({ open, stop, start });
  console.log('one leads again');
  const target = async () => {
    const store = open();
    return {
      ...{ store, another: async () => open(), stopService: stop, startService: start },
      [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.asyncDispose]()),
    };
  };
  for (const { name, run } of conformanceTests(target, { patienceMs: 120_000 })) {
    if (!/service|outage/.test(name)) continue;
    const { skipped } = await run();
    console.log(`${skipped === undefined ? 'passed' : `skipped (${skipped})`}: ${name}`);
  }
} finally {
  await server[Symbol.asyncDispose]();
}
