/** A client of the store's own. */
import type { CassandraStoreOptions } from '../cassandra.ts';
import { loadDriver } from '../driver-package.ts';
import type { CassandraClient } from './table.ts';

export interface OwnClient extends CassandraClient {
  /** Why it could make no connection when it last tried. */
  noConnection?: unknown;
  shutdown(): Promise<unknown>;
}

/** Of what the options say. @throws what the driver throws; 'unsupported' where it is missing. */
export async function connectCassandra({
  contactPoints = [],
  localDataCenter = '',
  user,
  password,
}: CassandraStoreOptions): Promise<OwnClient> {
  const { Client, policies } = await loadDriver(
    'cassandra-driver',
    async () => (await import('cassandra-driver')).default,
  );
  const client = new Client({
    contactPoints: [...contactPoints],
    localDataCenter,
    policies: { reconnection: reconnection(policies) },
    ...(user !== undefined && password !== undefined && { credentials: { username: user, password } }),
  });
  forgetLostHosts(client as unknown as HostKeeper);
  const own = client as OwnClient;
  client.on('log', (_level: string, _source: string, message: string, error: unknown) => {
    if (/could not be created/.test(message)) own.noConnection = error;
    if (/opened successfully$/.test(message)) own.noConnection = undefined;
  });
  try {
    await client.connect();
    return own;
  } catch (error) {
    await client.shutdown().catch(() => {});
    throw error;
  }
}

interface Policies<Policy> {
  readonly reconnection: { readonly ConstantReconnectionPolicy: new (delayMs: number) => Policy };
}

/** By default the driver tries a node that was away for long only every ten minutes, also where it has no other. */
export function reconnection<Policy>({
  reconnection: { ConstantReconnectionPolicy },
}: Policies<Policy>): Policy {
  return new ConstantReconnectionPolicy(1000);
}

interface Host {
  /** Not among what the driver documents. */
  shutdown?(waitForPending: boolean): Promise<unknown>;
  /** Begins a timer. */
  setDistance?: (distance: number) => number;
}

export interface HostKeeper {
  on(event: 'hostAdd' | 'hostRemove', listener: (host: Host) => void): unknown;
  shutdown(): Promise<unknown>;
}

/**
 * A client of cassandra-driver 4.10 that has lost all its connections makes its hosts anew, and forgets those that it had,
 * with their timers and their tries to connect, which would go on after `shutdown`, and keep the process from ending.
 */
export function forgetLostHosts(client: HostKeeper): void {
  const shutdown = client.shutdown.bind(client);
  let isClosed = false;
  const end = (host: Host): void => {
    host.shutdown?.(false)?.catch(() => {});
  };
  client.on('hostRemove', end);
  client.on('hostAdd', (host) => {
    // It was being made while the client was shut down.
    if (isClosed) host.setDistance = () => 0;
  });
  client.shutdown = () => {
    isClosed = true;
    return shutdown();
  };
}
