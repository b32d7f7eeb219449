/** A client of the store's own. */
import type { CassandraStoreOptions } from '../cassandra.ts';
import { loadDriver } from '../driver-package.ts';
import type { CassandraClient } from './table.ts';

export interface OwnClient extends CassandraClient {
  shutdown(): Promise<unknown>;
}

/** Of what the options say. @throws what the driver throws; 'unsupported' where it is missing. */
export async function connectCassandra({
  contactPoints = [],
  localDataCenter = '',
  user,
  password,
}: CassandraStoreOptions): Promise<OwnClient> {
  const { Client } = await loadDriver(
    'cassandra-driver',
    async () => (await import('cassandra-driver')).default,
  );
  const client = new Client({
    contactPoints: [...contactPoints],
    localDataCenter,
    ...(user !== undefined && password !== undefined && { credentials: { username: user, password } }),
  });
  try {
    await client.connect();
    return client as OwnClient;
  } catch (error) {
    await client.shutdown().catch(() => {});
    throw error;
  }
}
