// A server that speaks MongoDB's protocol: SecantusDB, which keeps its documents in WiredTiger as MongoDB does and
// has transactions, or whatever CONCLAVE_TEST_MONGODB_URL names.
import { join } from 'node:path';
import { MongoClient, type MongoClientOptions } from 'mongodb';
import { peer } from '../peers.ts';
import { startChildServer } from './child-server.ts';
import { pythonOf } from './s3.ts';

export interface MongoServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** A client of its own; `port` may be that of a proxy in front of the server. */
  client(port?: number, options?: MongoClientOptions): MongoClient;
}

const url = process.env.CONCLAVE_TEST_MONGODB_URL;

/** Why tests with it cannot run. */
export const mongodbMissing: string | undefined =
  url === undefined ? peer('secantusd-py').missing : undefined;

export interface MongoServerOptions {
  /** Further flags; not for a server that the environment names. */
  readonly more?: readonly string[];
  /** Where it keeps its data, other than in a folder of its own. */
  readonly storage?: string;
  /** Another port than any that is free. */
  readonly at?: number;
}

export async function startMongodb({
  more = [],
  storage,
  at,
}: MongoServerOptions = {}): Promise<MongoServer> {
  if (url !== undefined) {
    const { hostname, port } = new URL(url);
    const client = (at?: number, options?: MongoClientOptions) =>
      at === undefined ? new MongoClient(url, options) : direct(hostname, at, options);
    return { url, port: Number(port || 27017), client, async [Symbol.asyncDispose]() {} };
  }
  const server = await startChildServer({
    path: pythonOf(peer('secantusd-py').path ?? ''),
    args: (port, folder) => [
      join(import.meta.dirname, 'secantus_sweeping.py'),
      ...['--port', String(at ?? port), '--storage-path', storage ?? `${folder}/data`],
      ...more,
    ],
    async probe(port) {
      const client = direct('127.0.0.1', at ?? port, { serverSelectionTimeoutMS: 500 });
      try {
        await client.db('admin').command({ ping: 1 });
      } finally {
        await client.close();
      }
    },
  });
  const own = at ?? server.port;
  return {
    url: urlOf('127.0.0.1', own),
    port: own,
    client: (port = own, options = {}) => direct('127.0.0.1', port, options),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function urlOf(host: string, port: number): string {
  return `mongodb://${host}:${port}/?directConnection=true`;
}

function direct(host: string, port: number, options: MongoClientOptions = {}): MongoClient {
  return new MongoClient(urlOf(host, port), options);
}
