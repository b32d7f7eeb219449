// The outage of a Cassandra node, as a program of its own: a client of cassandra-driver 4.10 that has seen its node go
// and come back keeps timers after shutdown(), and would keep the tests' process from ending.
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
  await leadsAgainAfter({
    open: () => cassandraStore({ contactPoints, localDataCenter, user, password, pollMs: 100 }),
    stop: () => server.kill(),
    start: () => server.start(),
  });
  console.log('one leads again');
} finally {
  await server[Symbol.asyncDispose]();
}
process.exit(0);
