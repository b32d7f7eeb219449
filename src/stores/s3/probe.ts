/** Whether a server keeps to the conditions of a request: one that ignores them answers as if all were well. */
import { ConclaveError } from '../../errors/index.ts';
import type { PutCondition } from './objects.ts';

/** One request without any care for what it means. */
export interface RawObjects {
  /** The ETag; undefined: refused. */
  put(key: string, body: string, condition: PutCondition): Promise<string | undefined>;
  /** False: refused. @throws 'unsupported' where the server says that it knows no such condition. */
  remove(key: string, ifMatch: string | undefined): Promise<boolean>;
}

export interface Findings {
  /** `If-Match` on DeleteObject is looked at. */
  readonly guardsRemoval: boolean;
}

/**
 * Tries each condition on an object of its own, which it removes. Seven requests.
 * @throws 'unsupported': a request that had to be refused was carried out, or one refused that was right.
 */
export async function probe(objects: RawObjects, key: string, description: string): Promise<Findings> {
  try {
    return await tried(objects, key, description);
  } catch (error) {
    // Nobody else knows this key, so no condition is needed; where that fails too, a small object stays.
    if (ConclaveError.is(error, 'unsupported')) await objects.remove(key, undefined).catch(() => {});
    throw error;
  }
}

async function tried(objects: RawObjects, key: string, description: string): Promise<Findings> {
  const body = (step: number) => JSON.stringify({ conclave: 1, probe: key, step });
  const needed = (isSo: boolean, problem: string) => {
    if (isSo) return;
    const advice = `${description} ${problem}, so two could lead at once: use Amazon S3, or a server with conditional writes (If-None-Match and If-Match on PutObject).`;
    throw new ConclaveError('unsupported', advice);
  };
  const first = await objects.put(key, body(1), { IfNoneMatch: '*' });
  if (first === undefined) {
    // Nobody else knows this key: the SDK sent the request twice.
    const message = `${description} could not be tried: an answer was lost.`;
    throw new ConclaveError('unavailable', message, { retryable: true });
  }
  const again = await objects.put(key, body(2), { IfNoneMatch: '*' });
  needed(again === undefined, 'overwrites an object in spite of If-None-Match');
  const astray = await objects.put(key, body(3), { IfMatch: `"${'0'.repeat(32)}"` });
  needed(astray === undefined, 'overwrites an object in spite of an If-Match that does not match');
  const second = await objects.put(key, body(4), { IfMatch: first });
  if (second === undefined || second === first) {
    throw new ConclaveError('unsupported', `${description} does not know the ETag again that it gave.`);
  }
  const guardsRemoval = await refusesRemoval(objects, key, first);
  await objects.remove(key, guardsRemoval ? second : undefined);
  const risen = await objects.put(key, body(5), { IfMatch: second });
  if (risen !== undefined) await objects.remove(key, undefined);
  needed(risen === undefined, 'makes an object anew in spite of If-Match');
  return { guardsRemoval };
}

async function refusesRemoval(objects: RawObjects, key: string, etag: string): Promise<boolean> {
  try {
    return !(await objects.remove(key, etag));
  } catch (error) {
    if (ConclaveError.is(error, 'unsupported')) return false;
    throw error;
  }
}
