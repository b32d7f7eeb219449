/** Ways to give up what a session has in an election. Each is sent again until it is known what became of it. */
import { type CallOptions, toBytes } from '../../client/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { KeyValue } from '../../wire/index.ts';
import { equalBytes, startsWith } from '../conclave/keys.ts';
import type { RecordWrite } from '../conclave/record-lease.ts';
import { createdAt, modifiedAt, remove } from '../conclave/transactions.ts';
import { holderOf } from '../conclave/values.ts';
import type { EtcdClient } from './client.ts';
import type { EtcdPart } from './part.ts';
import {
  type Giving,
  leftIn,
  releaseTransaction,
  settleTransaction,
  transferTransaction,
  withdrawTransaction,
} from './requests.ts';

/** Of a session, so that each of its calls has a number of its own. */
export class CallNumbers {
  #last = 0;

  next(): Uint8Array {
    this.#last += 1;
    return toBytes(String(this.#last));
  }
}

interface Leaving {
  readonly client: EtcdClient;
  readonly giving: Giving;
  readonly part: EtcdPart | undefined;
  readonly token: number;
  readonly record: RecordWrite | undefined;
}

/** False: the token is not current. */
export async function release(
  { client, giving, part, token, record }: Leaving,
  next: KeyValue | undefined,
  call: CallOptions,
): Promise<boolean> {
  const transaction = releaseTransaction(giving, token, part?.place, next, record);
  try {
    const response = await client.txn(transaction, call);
    if (response.succeeded) remember(part, response.header?.revision);
    return response.succeeded || wasOurs(part, giving, leftIn(response));
  } catch (error) {
    if (record !== undefined || !ConclaveError.is(error, 'disk-full')) throw error;
    // etcd that has run out of space takes deletions only. An answer that gets lost is then told as a refusal.
    const bare = {
      compare: [createdAt(giving.keys.ownLeader, token)],
      success: [remove(giving.keys.ownLeader)],
    };
    return (await client.txn(bare, call)).succeeded;
  }
}

/** False: the token is not current. @throws 'target-not-waiting' (nothing was changed). */
export async function transfer(
  { client, giving, part, token, record }: Leaving,
  toHolder: string,
  call: CallOptions,
): Promise<boolean> {
  const { keys, lease } = giving;
  for (;;) {
    const { kvs } = await client.range({ key: keys.all, rangeEnd: keys.allEnd }, call);
    const at = (key: Uint8Array): KeyValue | undefined => kvs.find((kv) => equalBytes(kv.key, key));
    if (at(keys.ownLeader)?.createRevision !== token) return wasOurs(part, giving, at(keys.left));
    const target = waiterOf(kvs, giving, toHolder);
    if (target === undefined) throw notWaiting(keys.name, toHolder, lease);
    const response = await client.txn(transferTransaction(giving, token, target, record), call);
    if (response.succeeded) {
      remember(part, response.header?.revision);
      return true;
    }
    if (wasOurs(part, giving, leftIn(response))) return true;
    // The target left its place, or this leadership ended, since they were read: look again which.
  }
}

/** Gives up the place; `unclaimed`: and a leadership that it may have come to. */
export async function withdraw(
  client: EtcdClient,
  giving: Giving,
  part: EtcdPart,
  call: CallOptions,
): Promise<void> {
  const unclaimed = part.token === undefined;
  // Until it is known that none of it is still on the way.
  part.unsettled = true;
  part.withdrawing = true;
  while (part.withdrawing) {
    const response = await withdrawOnce(client, giving, part, unclaimed, call);
    if (response === undefined) return;
    if (response.succeeded) remember(part, response.header?.revision);
    if (response.succeeded || wasOurs(part, giving, leftIn(response))) {
      part.unsettled = false;
      part.placeRevision = undefined;
      return;
    }
    part.left = leftIn(response)?.modRevision ?? 0;
  }
}

async function withdrawOnce(
  client: EtcdClient,
  giving: Giving,
  part: EtcdPart,
  unclaimed: boolean,
  call: CallOptions,
) {
  try {
    const onUnsure = (): void => {
      part.doubtful = true;
    };
    const transaction = withdrawTransaction(giving, part.place, part.left, unclaimed);
    return await client.txn(transaction, { ...call, onUnsure });
  } catch (error) {
    // With the lease went the place.
    if (ConclaveError.is(error, 'lease-lost')) return undefined;
    if (!ConclaveError.is(error, 'disk-full')) throw error;
    const { keys } = giving;
    const success = [remove(part.place), ...(unclaimed ? [remove(keys.ownLeader)] : [])];
    await client.txn({ compare: [modifiedAt(keys.left, part.left)], success }, call);
    part.placeRevision = undefined;
    return undefined;
  }
}

/** After it, nothing that was sent before can have an effect. */
export async function settle(
  client: EtcdClient,
  giving: Giving,
  part: EtcdPart,
  call: CallOptions,
): Promise<void> {
  const response = await client.txn(settleTransaction(giving), call);
  remember(part, response.header?.revision);
  part.unsettled = false;
  // What stands now must be found anew.
  part.placeRevision = undefined;
}

/** Whether an attempt of this same call was carried out before. */
function wasOurs(part: EtcdPart | undefined, giving: Giving, left: KeyValue | undefined): boolean {
  if (left === undefined || !equalBytes(left.value, giving.call)) return false;
  remember(part, left.modRevision);
  return true;
}

function remember(part: EtcdPart | undefined, left: number | undefined): void {
  if (part !== undefined) part.left = left ?? 0;
}

/** The last to come: a holder whose session was lost may still have the place of that one beside that of the next. */
function waiterOf(kvs: readonly KeyValue[], { keys, lease }: Giving, holder: string): KeyValue | undefined {
  let last: KeyValue | undefined;
  for (const kv of kvs) {
    if (!startsWith(kv.key, keys.queue) || kv.lease === lease || kv.lease === 0n) continue;
    if (holderOf(kv) !== holder) continue;
    if (last === undefined || kv.createRevision > last.createRevision) last = kv;
  }
  return last;
}

function notWaiting(name: string, holder: string, lease: bigint): ConclaveError {
  const message = `"${holder}" is not waiting for "${name}": nothing was changed.`;
  return new ConclaveError('target-not-waiting', message, { details: { holder, name, lease } });
}
