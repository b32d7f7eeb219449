/** Ways to give a leadership up. */
import type { CallOptions } from '../../client/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { KeyValue } from '../../wire/index.ts';
import type { StoreClient } from './explaining-client.ts';
import { type ElectionKeys, equalBytes, startsWith } from './keys.ts';
import type { RecordWrite } from './record-lease.ts';
import { type Own, releaseTransaction, succeedTransactions, transferTransactions } from './requests.ts';
import { holderOf } from './values.ts';

export interface Leaving {
  readonly keys: ElectionKeys;
  readonly own: Own;
  readonly record: RecordWrite | undefined;
}

/** One entry of the log, also where `next` leads after it. `place`: of the session that leaves. */
export async function release(
  client: StoreClient,
  { keys, own, record }: Leaving,
  place: Uint8Array | undefined,
  next: KeyValue | undefined,
  call: CallOptions,
): Promise<boolean> {
  if (next === undefined) {
    return (await client.txn(releaseTransaction(keys, place, own, record), call)).succeeded;
  }
  const [first] = await client.txnSequence(succeedTransactions(keys, place, next, own, record), call);
  return first?.succeeded === true;
}

/** False: the token is not current. @throws 'target-not-waiting' (nothing was changed). */
export async function transfer(
  client: StoreClient,
  { keys, own, record }: Leaving,
  toHolder: string,
  call: CallOptions,
): Promise<boolean> {
  for (;;) {
    const election = await client.range({ key: keys.all, rangeEnd: keys.allEnd }, call);
    const leader = election.kvs.find((kv) => equalBytes(kv.key, keys.leader));
    if (leader?.createRevision !== own.token || leader.lease !== own.lease) return false;
    // A holder whose session was lost may still have the place of that one beside that of the next: the last is alive.
    const target = election.kvs
      .filter((kv) => startsWith(kv.key, keys.queue) && kv.lease !== own.lease && holderOf(kv) === toHolder)
      .reduce<KeyValue | undefined>(
        (last, kv) => (last !== undefined && last.createRevision > kv.createRevision ? last : kv),
        undefined,
      );
    if (target === undefined) throw notWaiting(keys.name, toHolder);
    const [first, second] = await client.txnSequence(transferTransactions(keys, target, own, record), call);
    if (second?.succeeded) return true;
    if (first?.succeeded) throw brokenTransfer(keys.name);
    // The target left its place, or this leadership ended, since they were read: look again which.
  }
}

function notWaiting(name: string, holder: string): ConclaveError {
  const message = `"${holder}" is not waiting for "${name}": nothing was changed.`;
  return new ConclaveError('target-not-waiting', message, { details: { holder, name } });
}

function brokenTransfer(name: string): ConclaveError {
  const message = `The hand-off of "${name}" ended the leadership without giving it on.`;
  return new ConclaveError('internal', message, { outcome: 'unknown' });
}
