import { bytesKey } from '../../client/index.ts';
import type { ElectionState } from '../../election/store.ts';
import type { KeyValue } from '../../wire/index.ts';
import { type ElectionKeys, equalBytes, isPlace, startsWith } from './keys.ts';
import { compareTurns, electionState, holderOf, otherStore } from './values.ts';

/** An election's keys, kept up to date by a watch. */
export class ElectionMirror {
  readonly #keys: ElectionKeys;
  readonly #waiters = new Map<string, KeyValue>();
  #leader: KeyValue | undefined;
  /** Leaderships of a store that keeps them elsewhere. */
  readonly #otherLeaders = new Map<string, KeyValue>();
  #record: KeyValue | undefined;
  revision: number;

  constructor(keys: ElectionKeys, kvs: readonly KeyValue[], revision: number) {
    this.#keys = keys;
    this.revision = revision;
    for (const kv of kvs) this.#set(kv.key, kv);
  }

  /** @throws 'data-incompatible' */
  state(): ElectionState {
    const [other] = this.#otherLeaders.values();
    if (other !== undefined) throw otherStore(other);
    return electionState(this.#keys, this.#leader, [...this.#waiters.values()], this.#record, this.revision);
  }

  /** Who would lead next, of the sessions other than this one. Places that no session made are passed over. */
  firstWaiter(except: bigint): KeyValue | undefined {
    let first: KeyValue | undefined;
    for (const place of this.#waiters.values()) {
      if (place.lease === except || !isPlace(this.#keys, place.key) || holderOf(place) === undefined)
        continue;
      if (first === undefined || compareTurns(this.#keys, place, first) < 0) first = place;
    }
    return first;
  }

  /** Whether something changed that a state shows. */
  apply(batch: {
    readonly events: readonly { type: number; kv: KeyValue | undefined }[];
    readonly revision: number;
  }): boolean {
    let changed = false;
    for (const { type, kv } of batch.events) {
      if (kv !== undefined && this.#set(kv.key, type === 0 ? kv : undefined)) changed = true;
    }
    this.revision = Math.max(this.revision, batch.revision);
    return changed;
  }

  #set(key: Uint8Array, kv: KeyValue | undefined): boolean {
    if (startsWith(key, this.#keys.queue)) {
      if (kv === undefined) this.#waiters.delete(bytesKey(key));
      else this.#waiters.set(bytesKey(key), kv);
      return true;
    }
    if (equalBytes(key, this.#keys.record)) {
      this.#record = kv;
      return true;
    }
    if (!startsWith(key, this.#keys.leader)) return false;
    if (equalBytes(key, this.#keys.leader)) this.#leader = kv;
    else if (kv === undefined) this.#otherLeaders.delete(bytesKey(key));
    else this.#otherLeaders.set(bytesKey(key), kv);
    return true;
  }
}
