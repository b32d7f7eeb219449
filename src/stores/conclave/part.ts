import type { ConclaveClient } from '../../client/index.ts';
import type { AcquireOutcome } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { KeyValue, TxnResponse } from '../../wire/index.ts';
import type { ElectionKeys } from './keys.ts';
import type { View } from './requests.ts';
import { rangeResult } from './transactions.ts';
import { electionState } from './values.ts';

/** Where to look for the next change: what had to go first, when the answer was given. */
export interface Bookmark {
  readonly revision: number;
  readonly watched: readonly Uint8Array[];
}

/** What this session knows of one election that it takes part in. */
export interface Part {
  priority: number;
  metadata: string;
  place: Uint8Array;
  /** Of the place; undefined until it is known to stand. */
  placeRevision: number | undefined;
  /** Handed to the caller, and not released since. */
  token: number | undefined;
}

export function acquired(part: Part, token: number, record: KeyValue | undefined): AcquireOutcome {
  part.token = token;
  part.placeRevision = undefined;
  return { status: 'acquired', token, record: record?.value.slice() };
}

/**
 * The next in line looks at the leadership, everybody else at one who is before it, so that a change wakes few. All
 * look at their own place too, which a hand-off and the loss of the lease take away.
 */
export function waiting(keys: ElectionKeys, part: Part, view: View): AcquireOutcome {
  const bookmark: Bookmark = {
    revision: view.revision,
    watched: [part.place, view.ahead?.key ?? keys.leader],
  };
  return {
    status: 'waiting',
    state: electionState(keys, view.leader, view.waiters, view.revision),
    bookmark,
  };
}

/** The record, where a winning transaction read it. */
export function recordIn(response: TxnResponse): KeyValue | undefined {
  return response.responses.flatMap((answer) => rangeResult(answer).kvs)[0];
}

/** Resolves when one of the keys was deleted after `revision`, when that may have been missed, or on abort. */
export async function firstDeletion(
  client: ConclaveClient,
  { revision, watched }: Bookmark,
  signal: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const stop = (): void => done.abort();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race(watched.map((key) => deletionOf(client, key, revision, done.signal)));
  } finally {
    signal.removeEventListener('abort', stop);
    done.abort();
  }
}

async function deletionOf(
  client: ConclaveClient,
  key: Uint8Array,
  revision: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    const watch = client.watch({ key, startRevision: revision + 1, noPut: true }, { signal });
    for await (const batch of watch) if (batch.events.length > 0) return;
  } catch (error) {
    if (!ConclaveError.is(error, 'out-of-range')) throw error;
  }
}
