import type { CallOptions } from '../../client/index.ts';
import { equalBytes } from '../conclave/keys.ts';
import { rangeResult } from '../conclave/transactions.ts';
import type { EtcdClient } from './client.ts';
import type { EtcdElectionKeys } from './keys.ts';
import type { EtcdPart } from './part.ts';
import { guardedPutTransaction } from './requests.ts';

export interface LeasedWrite {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: bigint;
}

interface Writing {
  readonly client: EtcdClient;
  readonly keys: EtcdElectionKeys;
  readonly part: EtcdPart | undefined;
  readonly token: number;
  readonly which: keyof EtcdPart['modified'];
}

/**
 * Replaces what a leader writes, sent again until it is known that it stands, or cannot. One that was given up and
 * comes late does not replace a later one, since it names what it was to replace. False: the token is not current.
 */
export async function writeGuarded(
  { client, keys, part, token, which }: Writing,
  write: LeasedWrite,
  call: CallOptions,
): Promise<boolean> {
  let modified = part?.modified[which] ?? 0;
  const remember = (revision: number): void => {
    modified = revision;
    if (part !== undefined) part.modified[which] = revision;
  };
  for (;;) {
    const response = await client.txn(guardedPutTransaction(keys, token, modified, write), call);
    if (response.succeeded) {
      remember(response.header?.revision ?? 0);
      return true;
    }
    const [leader, now] = response.responses.map((answer) => rangeResult(answer).kvs[0]);
    if (leader?.createRevision !== token) return false;
    remember(now?.modRevision ?? 0);
    if (now?.lease === write.lease && equalBytes(now.value, write.value)) return true;
  }
}
