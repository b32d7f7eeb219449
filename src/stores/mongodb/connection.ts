/** How MongoDB is reached: what a URL and names may look like, and a client of the store's own. */
import type { MongoClient } from 'mongodb';
import { ConclaveError } from '../../errors/index.ts';

export interface Connected {
  readonly client: MongoClient;
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
  return { client, close: () => client.close() };
}
