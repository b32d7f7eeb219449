import type { ConclaveClient } from '../../client/index.ts';
import type { AcquiredOutcome, AcquireOutcome } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { KeyValue, TxnResponse } from '../../wire/index.ts';
import { type ElectionKeys, equalBytes, startsWith } from './keys.ts';
import type { View } from './requests.ts';
import { rangeResult } from './transactions.ts';
import { electionState, holderOf } from './values.ts';

/** Where to look for the next change: what had to go first, when the answer was given. */
export interface Bookmark {
  readonly revision: number;
  readonly watched: readonly Uint8Array[];
  /** For the next in line, who is given the leadership by one who resigns: all that it then has to know. */
  readonly next: { readonly record: KeyValue | undefined } | undefined;
}

/** A leadership that this session was seen to be given. */
export interface Given {
  readonly token: number;
  /** As it was in that step. */
  readonly record: KeyValue | undefined;
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
  /** Since the last `acquire`: a leadership that comes now is given back, and nobody must be told of it. */
  withdrawing: boolean;
}

export function acquired(part: Part, token: number, record: KeyValue | undefined): AcquiredOutcome {
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
    next: view.ahead === undefined ? { record: view.record } : undefined,
  };
  return {
    status: 'waiting',
    state: electionState(keys, view.leader, view.waiters, view.record, view.revision),
    bookmark,
  };
}

/** The record, where a winning transaction read it. */
export function recordIn(response: TxnResponse): KeyValue | undefined {
  return response.responses.flatMap((answer) => rangeResult(answer).kvs)[0];
}

/** Resolves when one of the keys was deleted after `revision`, when that may have been missed, or on abort. */
export async function firstDeletion(
  client: Pick<ConclaveClient, 'watch'>,
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

/**
 * For the next in line: one watch of the whole election, whose changes come in the order in which they were made.
 * Resolves with the leadership when it came to this session; with nothing when there is another reason to look.
 */
export async function turnOfNext(
  client: Pick<ConclaveClient, 'watch'>,
  keys: ElectionKeys,
  own: { readonly place: Uint8Array; readonly lease: bigint },
  { revision, next }: Bookmark,
  signal: AbortSignal,
): Promise<Given | undefined> {
  let record = next?.record;
  try {
    const request = { key: keys.all, rangeEnd: keys.allEnd, startRevision: revision + 1 };
    for await (const { events } of client.watch(request, { signal })) {
      let look = false;
      let given: number | undefined;
      for (const { type, kv } of events) {
        if (kv === undefined) continue;
        const stands = type === 0;
        if (equalBytes(kv.key, keys.record)) record = stands ? kv : undefined;
        if (equalBytes(kv.key, own.place) && !stands) look = true;
        // Nobody here would end a leadership of another kind of store: to look again tells why.
        if (stands && startsWith(kv.key, keys.leader) && !equalBytes(kv.key, keys.leader)) look = true;
        if (!equalBytes(kv.key, keys.leader)) continue;
        if (!stands) look = true;
        given = stands && kv.lease === own.lease ? kv.createRevision : undefined;
        // Nor this one.
        if (stands && given === undefined && holderOf(kv) === undefined) look = true;
      }
      if (given !== undefined) return { token: given, record };
      if (look) return undefined;
    }
  } catch (error) {
    if (!ConclaveError.is(error, 'out-of-range')) throw error;
  }
  return undefined;
}

async function deletionOf(
  client: Pick<ConclaveClient, 'watch'>,
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
