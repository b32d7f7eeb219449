/** How MongoDB is reached: what a URL and names may look like, and a client of the store's own. */
import type { MongoClient, TopologyDescription } from 'mongodb';
import { ConclaveError } from '../../errors/index.ts';

export interface Connected {
  readonly client: MongoClient;
  /** While no server is known that takes writes: what is known of one. Not of a client of the user's. */
  readonly whyNone?: () => string | undefined;
  close(): Promise<void>;
}

/** @throws 'invalid-argument' */
export function checkName(what: string, name: unknown): string | undefined {
  if (name === undefined) return undefined;
  if (typeof name === 'string' && /^[^\0$ "/\\]{1,63}$/.test(name) && !name.startsWith('system.'))
    return name;
  throw new ConclaveError(
    'invalid-argument',
    `${what} must be a text of 1 to 63 characters, without $, / and spaces.`,
  );
}

/** @throws 'invalid-argument', without the text: it may hold a password. */
export function hostsOf(url: unknown): string {
  const [, hosts] =
    /^mongodb(?:\+srv)?:\/\/(?:[^@/]*@)?([^@/?]+)(?:[/?][^@]*)?$/.exec(typeof url === 'string' ? url : '') ??
    [];
  if (hosts !== undefined) return hosts;
  throw new ConclaveError(
    'invalid-argument',
    'url must be a text like mongodb://user:password@host:27017/database.',
  );
}

/** @throws 'unsupported' where the package is missing */
export async function connect(url: string): Promise<Connected> {
  const { MongoClient } = await import('mongodb').catch((error: unknown) => {
    if ((error as { code?: unknown } | null)?.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const message = 'mongodbStore with a url needs the package mongodb: npm install mongodb.';
    throw new ConclaveError('unsupported', message, { cause: error });
  });
  const client = new MongoClient(url, { appName: 'conclave', serverSelectionTimeoutMS: 5000 });
  let last: TopologyDescription | undefined;
  client.on('topologyDescriptionChanged', ({ newDescription }) => {
    last = newDescription;
  });
  return { client, whyNone: () => whyNone(last), close: () => client.close() };
}

const writable: readonly string[] = ['Standalone', 'RSPrimary', 'Mongos', 'LoadBalancer'];

function whyNone(topology: TopologyDescription | undefined): string | undefined {
  const servers = [...(topology?.servers.values() ?? [])];
  if (servers.some(({ type }) => writable.includes(type))) return undefined;
  const said = servers.find(({ error }) => error !== null)?.error?.message;
  return said === undefined ? undefined : `no primary is in reach (${said})`;
}
