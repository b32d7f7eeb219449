/** The server and the collection, looked at before they are used. */
import type { Collection, Db, Document } from 'mongodb';
import { ConclaveError } from '../../errors/index.ts';

/** A document of ours: the _id is 'election:<name>', 'session:<id>' or 'counter:'. */
export interface Kept {
  readonly _id: string;
  readonly text: string;
  /** The id of the write that made it. */
  readonly version: string;
  /** When it may be forgotten, for the index with a time to live. */
  readonly forgetAt?: unknown;
}

export interface ServerKind {
  /** A replica set or a sharded cluster: it has majorities and change streams. */
  readonly isReplicated: boolean;
}

/** Of MongoDB 4.2, the first that updates by pipelines, and has $$NOW. */
const leastWireVersion = 8;
const unauthorized = 13;

/** @throws 'failed-precondition' for a secondary, 'unsupported' for a server that is too old, and as the driver does. */
export async function lookAtServer(db: Db, description: string): Promise<ServerKind> {
  const hello = await db.command({ hello: 1 });
  if ((hello.maxWireVersion ?? 0) < leastWireVersion) {
    throw new ConclaveError('unsupported', `${description} is too old: MongoDB 4.2 or later is needed.`);
  }
  const isReplicated = typeof hello.setName === 'string' || hello.msg === 'isdbgrid';
  if (hello.isWritablePrimary !== true) {
    const message = `${description} is a secondary, which takes no writes: give the addresses of the whole replica set, without directConnection.`;
    throw new ConclaveError('failed-precondition', message);
  }
  return { isReplicated };
}

/**
 * Makes the index by which documents are forgotten, where it is missing (and with it the collection).
 * @throws 'failed-precondition' for a collection whose _ids are not compared byte for byte, or that is none.
 */
export async function prepareCollection(db: Db, collection: Collection<Kept>, where: string): Promise<void> {
  const [found] = await listed(db, collection.collectionName);
  const wrong = [
    found?.type !== undefined && found.type !== 'collection' && `is a ${found.type}`,
    found?.options?.collation !== undefined && 'has a collation, by which different names can be equal',
    found?.options?.capped === true && 'is capped, so it forgets',
  ].find((one) => typeof one === 'string');
  if (wrong !== undefined) {
    throw new ConclaveError('failed-precondition', `${where} ${wrong}: use a plain collection of its own.`);
  }
  try {
    await collection.createIndex({ forgetAt: 1 }, { name: 'forgetAt', expireAfterSeconds: 0 });
  } catch (error) {
    // Who may not make it needs one that an administrator made.
    if (codeOf(error) !== unauthorized || !(await collection.indexExists('forgetAt'))) throw error;
  }
}

/** Nothing where the user may not list collections. */
async function listed(db: Db, name: string): Promise<readonly Document[]> {
  try {
    return await db.listCollections({ name }, { authorizedCollections: true }).toArray();
  } catch (error) {
    if (codeOf(error) === unauthorized) return [];
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}
