/** A transaction that commits only under a token that is not stale. */
import type { ClientSession, Document, MongoClient, TransactionOptions } from 'mongodb';
import { backoffMs, sleep } from '../../election/waiting.ts';
import { ConclaveError } from '../../errors/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import type { Fence } from '../fenced-cell.ts';
import { type CheckedWriter, checkLeadership, checkToken, type FencedLeadership } from '../writer.ts';
import type { DocumentCollection } from './collection.ts';
import { failure, isTaken } from './failures.ts';
import { decodeFence, mayWrite } from './fence-field.ts';

export interface FencedTransactionOptions {
  /** The collection of the fences, one document for each resource; made with the first. Let nothing else write it. */
  readonly fences: DocumentCollection;
  /** What is guarded: all that this transaction may write. 1 to 1024 bytes; default: the election's name. */
  readonly resource?: string | undefined;
  /** Besides read concern 'snapshot', write concern majority and the primary. */
  readonly transaction?: Omit<TransactionOptions, 'writeConcern' | 'readPreference'> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly runtime?: Runtime | undefined;
}

interface Task {
  readonly fences: DocumentCollection;
  readonly resource: string;
  readonly writer: CheckedWriter;
  readonly writeId: string;
  readonly signal: AbortSignal | undefined;
}

const firstUses = 10;

/**
 * Runs `work` in a transaction that begins by writing this leadership's token to the resource's fence. Two such
 * transactions of one resource conflict, so one of them runs after the other, and the later token wins for good.
 * Pass `session` to every operation of `work`: what goes without it is not in the transaction, and not fenced.
 *
 * `work` may run more than once (the driver repeats a transaction that conflicted), so its effects outside of the
 * database must bear that. When the answer to the commit is lost, the fence tells whether it took place.
 *
 * Not protected: operations without the session; writes to the same documents by other programs, or under another
 * resource; a fence that is deleted.
 *
 * @throws what `work` throws, when the transaction was given up for it; 'stale-token'; 'failed-precondition':
 * guarded by another election, or refused by the server; 'not-leading' from `assertHeld()`, also right before the
 * commit; 'unsupported': the server is no replica set; 'data-damaged' (the fence); 'unavailable', 'timeout'
 * (outcome 'unknown': the commit may have taken place); 'aborted'; 'invalid-argument'.
 */
export async function fenced<T>(
  client: Pick<MongoClient, 'startSession'>,
  leadership: FencedLeadership,
  work: (session: ClientSession) => Promise<T>,
  options: FencedTransactionOptions,
): Promise<T> {
  const writer = checkLeadership(leadership);
  const resource = checkOptions(client, work, options, writer);
  const { signal, fences, transaction } = options;
  const runtime = options.runtime ?? nodeRuntime();
  const writeId = Buffer.from(runtime.random.bytes(16)).toString('hex');
  const task: Task = { fences, resource, writer, writeId, signal };
  const settings: TransactionOptions = {
    readConcern: { level: 'snapshot' },
    ...transaction,
    writeConcern: { w: 'majority' },
    readPreference: 'primary',
  };
  for (let attempt = 0; ; attempt += 1) {
    const result = await once(client, task, work, settings);
    if ('value' in result) return result.value;
    if (!result.firstUse || attempt === firstUses) throw result.error;
    await sleep(runtime, backoffMs(runtime.random, attempt, 5, 200));
  }
}

type Result<T> = { readonly value: T } | { readonly error: unknown; readonly firstUse: boolean };

async function once<T>(
  client: Pick<MongoClient, 'startSession'>,
  task: Task,
  work: (session: ClientSession) => Promise<T>,
  settings: TransactionOptions,
): Promise<Result<T>> {
  const { writer, resource, signal } = task;
  const what = `The fenced transaction of ${JSON.stringify(resource)}`;
  let thrown: { readonly error: unknown } | undefined;
  let done: { readonly value: T } | undefined;
  let firstUse = false;
  let ended = false;
  const check = () => {
    if (signal?.aborted) throw ConclaveError.aborted(what, signal);
    writer.assertHeld();
  };
  try {
    check();
    const session = client.startSession();
    try {
      await session.withTransaction(async () => {
        [thrown, done, firstUse] = [undefined, undefined, false];
        check();
        await take(task, session).catch((error: unknown) => {
          firstUse = isTaken(error);
          throw error;
        });
        try {
          done = { value: await work(session) };
        } catch (error) {
          thrown = { error };
          throw error;
        }
        if (!session.inTransaction()) {
          // The driver takes that for intended, and would say that all is well.
          ended = true;
          throw endedInside(what);
        }
        check();
      }, settings);
    } finally {
      await session.endSession().catch(() => {});
    }
    return done ?? { error: endedInside(what), firstUse: false };
  } catch (error) {
    // In its place the driver may throw that there is nothing to abort.
    if (ended) return { error: endedInside(what), firstUse: false };
    if (thrown?.error === error && thrown !== undefined) return { error, firstUse: false };
    // Before `work` was done there was no commit whose answer could be lost.
    const failed = failure(what, error, done === undefined ? 'read' : 'write');
    if (done !== undefined && failed.outcome === 'unknown' && (await isCommitted(task))) return done;
    return { error: failed, firstUse };
  }
}

/** Writes the token, always with another writeId: a write that changes nothing would not conflict with another's. */
async function take({ fences, resource, writer, writeId }: Task, session: ClientSession): Promise<void> {
  const filter = { _id: resource, $or: [mayWrite('fence', writer)] };
  const update = {
    $set: {
      ...(writer.election !== '' && { 'fence.election': writer.election }),
      'fence.token': writer.token,
      'fence.writeId': writeId,
    },
    $inc: { 'fence.version': 1 },
  };
  if ((await fences.updateOne(filter, update, { session })).matchedCount === 1) return;
  const name = nameOf(fences, resource);
  const found: Document | null = await fences.findOne({ _id: resource }, { session });
  if (found === null) {
    const { election, token } = writer;
    const fence: Fence = { election, token, version: 1, writeId };
    await fences.insertOne({ _id: resource, fence: { ...fence } }, { session });
    return;
  }
  checkToken(name, writer, decodeFence(name, found.fence ?? null) ?? { token: 0, election: '' });
  throw new ConclaveError('data-damaged', `${name} has a token that does not compare.`);
}

/** False: not as far as can be told. */
async function isCommitted({ fences, resource, writeId, signal }: Task): Promise<boolean> {
  if (signal?.aborted) return false;
  try {
    const found: Document | null = await fences.findOne(
      { _id: resource },
      { readConcern: { level: 'majority' }, readPreference: 'primary' },
    );
    return found?.fence?.writeId === writeId;
  } catch {
    return false;
  }
}

function nameOf(fences: DocumentCollection, resource: string): string {
  return `Resource ${JSON.stringify(resource)} of ${fences.namespace}`;
}

function endedInside(what: string): ConclaveError {
  const message = `${what} was ended by the work itself, which must neither commit nor abort it.`;
  return new ConclaveError('failed-precondition', message, { outcome: 'unknown' });
}

function checkOptions(
  client: unknown,
  work: unknown,
  options: FencedTransactionOptions,
  writer: CheckedWriter,
): string {
  if (typeof (client as { startSession?: unknown } | undefined)?.startSession !== 'function') {
    throw new ConclaveError('invalid-argument', 'A MongoClient is needed.');
  }
  if (typeof work !== 'function') {
    throw new ConclaveError('invalid-argument', 'The work must be a function of the session.');
  }
  if (typeof options?.fences?.findOne !== 'function') {
    throw new ConclaveError('invalid-argument', 'The option fences must be a collection.');
  }
  const resource = options.resource ?? writer.election;
  const bytes = typeof resource === 'string' ? new TextEncoder().encode(resource).length : 0;
  if (bytes === 0 || bytes > 1024) {
    throw new ConclaveError('invalid-argument', 'The name of the resource must have 1 to 1024 bytes.');
  }
  return resource;
}
