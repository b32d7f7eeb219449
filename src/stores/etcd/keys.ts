import {
  type CallOptions,
  toBytes,
  toText,
  type WatchBatch,
  type WatchCallOptions,
  type WatchOptions,
} from '../../client/index.ts';
import type { KeyValue, RangeRequest, RangeResponse } from '../../wire/index.ts';
import { type ElectionKeys, electionKeys, startsWith } from '../conclave/keys.ts';
import type { Part } from '../conclave/transactions.ts';
import type { SharedKeyValue } from '../conclave/values.ts';
import type { EtcdClient } from './client.ts';

/**
 * Where one election lives in etcd: as in a cluster of Conclave (`../conclave/keys.ts`), but for
 *
 *   <namespace>/<name>/leader/<lease>   the leadership of that session; its create revision is the token. One at most.
 *   <namespace>/<name>/left/<lease>     the number of the call by which that session last gave up what it had here
 *
 * A key that was deleted cannot be created again in the same transaction of etcd's. With a key for each session a
 * leadership moves from one to another in one transaction, and is a new key, so that the token rises.
 */
export interface EtcdElectionKeys extends ElectionKeys {
  /** As `leader`, but real: that of the session which these keys were made for. */
  readonly ownLeader: Uint8Array;
  readonly left: Uint8Array;
}

export function etcdElectionKeys(namespace: string, name: string, lease: bigint): EtcdElectionKeys {
  const keys = electionKeys(namespace, name);
  const left = toBytes(`${toText(keys.all)}left/${hex(lease)}`);
  return { ...keys, ownLeader: leaderKey(keys, lease), left };
}

/** The leadership of the session with this lease. */
export function leaderKey(keys: ElectionKeys, lease: bigint): Uint8Array {
  return toBytes(`${toText(keys.leader)}/${hex(lease)}`);
}

function hex(lease: bigint): string {
  return BigInt.asUintN(64, lease).toString(16).padStart(16, '0');
}

const slash = 0x2f;
const leaderPart = toBytes('/leader');
const leftPart = toBytes('/left/');

/**
 * Reads and watches as the code that is shared with the conclave store expects it: every leadership under the one key
 * `leader`, and what that store would have there beside it. Since a leadership is deleted before the next one is put, also within one revision, the last event counts.
 */
export class ElectionReader {
  readonly #client: EtcdClient;
  readonly #prefix: Uint8Array;

  constructor(client: EtcdClient, namespace: string) {
    this.#client = client;
    this.#prefix = toBytes(`${namespace}/`);
  }

  async range(request: Part<RangeRequest>, options: CallOptions = {}): Promise<RangeResponse> {
    const response = await this.#client.range(request, options);
    return { ...response, kvs: response.kvs.flatMap((kv) => this.#shared(kv) ?? []) };
  }

  async *watch(
    request: WatchOptions,
    options: WatchCallOptions = {},
  ): AsyncGenerator<WatchBatch, void, undefined> {
    for await (const { events, revision } of this.#client.watch(request, options)) {
      const shared = events.flatMap((event) => {
        const kv = event.kv && this.#shared(event.kv);
        return kv === undefined ? [] : { ...event, kv };
      });
      yield { events: shared, revision };
    }
  }

  /** undefined: what sessions left behind is nobody else's affair. */
  #shared(kv: KeyValue): SharedKeyValue | undefined {
    if (!startsWith(kv.key, this.#prefix)) return kv;
    const nameEnd = kv.key.indexOf(slash, this.#prefix.length);
    if (nameEnd < 0) return kv;
    const rest = kv.key.subarray(nameEnd);
    if (startsWith(rest, leftPart)) return undefined;
    if (!startsWith(rest, leaderPart)) return kv;
    return { ...kv, key: sharedKey(kv.key, nameEnd + leaderPart.length), storedKey: kv.key };
  }
}

/** As `ElectionReader` shows it. */
export function sharedLeader(keys: ElectionKeys, leader: KeyValue): SharedKeyValue {
  return { ...leader, key: sharedKey(leader.key, keys.leader.length), storedKey: leader.key };
}

/** `leader/<lease>` as `leader`, and the `leader` of a conclave store as one that is none. */
function sharedKey(key: Uint8Array, leaderEnd: number): Uint8Array {
  if (key.length === leaderEnd) return toBytes(`${toText(key)}/`);
  return key[leaderEnd] === slash ? key.subarray(0, leaderEnd) : key;
}
