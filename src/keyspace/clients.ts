/**
 * Client incarnations, and for each the results of its sequences that it has not acknowledged: a command that comes
 * again gets the answer of its first application. Forgetting follows cluster time and use alone, so all replicas
 * forget the same.
 */
import { emptyBytes, encodeUtf8, finishHash, hashBytes, mixNumber } from './bytes.ts';
import type { CommandFailure, CommandIdentity } from './types.ts';

/** At most this many unacknowledged results for each client; beyond, the lowest sequences are forgotten. */
export const maxOutstanding = 1024;
/** Of one result: above, only that there was one is kept, so that its command is not applied again. */
export const maxKeptResultBytes = 256 * 1024;
/** Of all results of all clients: above, clients that were used longest ago lose theirs, the lowest sequences first. */
export const maxKeptBytes = 64 * 1024 * 1024;
/** What a result takes beside its bytes. */
export const resultOverheadBytes = 256;
export const maxClients = 100_000;
export const idleLimitMs = 24 * 60 * 60 * 1000;

export interface Client {
  readonly incarnation: number;
  readonly name: string;
  /** The user that registered it; empty where auth was off. */
  readonly owner: string;
  lastUsedMs: number;
  /** Results below this are forgotten. */
  forgottenBelow: number;
  /** By sequence; without bytes where all that is known is that there was one. */
  readonly results: Map<number, Uint8Array>;
  /** Neighbours in order of last use. */
  older: Client | undefined;
  newer: Client | undefined;
}

/** What to do with a command that has an identity. */
export type Admission =
  | { readonly type: 'apply'; readonly client: Client }
  | { readonly type: 'repeat'; readonly result: Uint8Array }
  | { readonly type: 'refuse'; readonly failure: CommandFailure };

const refuseUnknown: Admission = { type: 'refuse', failure: 'unknown-incarnation' };
const refuseForgotten: Admission = { type: 'refuse', failure: 'sequence-forgotten' };

export class ClientTable {
  nextIncarnation = 1;
  /** Called before a client changes or goes, so that open snapshots can keep it as it was. */
  beforeChange: ((client: Client) => void) | undefined;
  private readonly clients = new Map<number, Client>();
  private oldest: Client | undefined;
  private newest: Client | undefined;
  /** Of all results, with what they take beside. */
  private keptBytes = 0;

  get count(): number {
    return this.clients.size;
  }

  ownerOf(incarnation: number): string | undefined {
    return this.clients.get(incarnation)?.owner;
  }

  /** Least recently used first. */
  *inOrderOfUse(): Generator<Client> {
    for (let client = this.oldest; client !== undefined; client = client.newer) yield client;
  }

  register(name: string, timeMs: number, owner = ''): number {
    const incarnation = this.nextIncarnation++;
    this.add({
      incarnation,
      name,
      owner,
      lastUsedMs: timeMs,
      forgottenBelow: 0,
      results: new Map(),
      older: undefined,
      newer: undefined,
    });
    if (this.clients.size > maxClients && this.oldest !== undefined) this.forget(this.oldest);
    return incarnation;
  }

  /** Adds a client as the most recently used. */
  add(client: Client): void {
    this.clients.set(client.incarnation, client);
    this.linkNewest(client);
    for (const result of client.results.values()) this.keptBytes += costOf(result);
  }

  forgetIdle(timeMs: number): void {
    while (this.oldest !== undefined && timeMs - this.oldest.lastUsedMs > idleLimitMs)
      this.forget(this.oldest);
  }

  admit(identity: CommandIdentity, timeMs: number): Admission {
    const client = this.clients.get(identity.incarnation);
    if (client === undefined) return refuseUnknown;
    this.beforeChange?.(client);
    client.lastUsedMs = timeMs;
    if (client !== this.newest) {
      this.unlink(client);
      this.linkNewest(client);
    }
    if (identity.acknowledgedBelow > client.forgottenBelow)
      this.forgetBelow(client, identity.acknowledgedBelow);
    if (identity.sequence < client.forgottenBelow) return refuseForgotten;
    const result = client.results.get(identity.sequence);
    if (result?.length === 0) return refuseForgotten;
    return result === undefined ? { type: 'apply', client } : { type: 'repeat', result };
  }

  /** Keeps the result of a command that `admit` let through in this batch. */
  keep(client: Client, sequence: number, result: Uint8Array): void {
    const kept = result.length > maxKeptResultBytes ? emptyBytes : result;
    client.results.set(sequence, kept);
    this.keptBytes += costOf(kept);
    if (this.keptBytes > maxKeptBytes) this.makeRoom();
    if (client.results.size <= maxOutstanding) return;
    let lowest = sequence;
    for (const known of client.results.keys()) if (known < lowest) lowest = known;
    this.forgetBelow(client, lowest + 1);
  }

  /** Half of what may be kept, so that it is not done again with the next command. */
  private makeRoom(): void {
    for (let client = this.oldest; client !== undefined; client = client.newer) {
      if (this.keptBytes <= maxKeptBytes / 2) return;
      if (client.results.size === 0) continue;
      this.beforeChange?.(client);
      let left = this.keptBytes;
      let floor = client.forgottenBelow;
      for (const sequence of [...client.results.keys()].sort((one, other) => one - other)) {
        if (left <= maxKeptBytes / 2) break;
        left -= costOf(client.results.get(sequence) ?? emptyBytes);
        floor = sequence + 1;
      }
      this.forgetBelow(client, floor);
    }
  }

  /** None that was given out before is ever known again. */
  forgetAll(raiseIncarnationsBy: number): void {
    while (this.oldest !== undefined) this.forget(this.oldest);
    this.nextIncarnation += raiseIncarnationsBy;
  }

  private forget(client: Client): void {
    this.beforeChange?.(client);
    this.unlink(client);
    this.clients.delete(client.incarnation);
    for (const result of client.results.values()) this.keptBytes -= costOf(result);
  }

  private linkNewest(client: Client): void {
    client.older = this.newest;
    client.newer = undefined;
    if (this.newest === undefined) this.oldest = client;
    else this.newest.newer = client;
    this.newest = client;
  }

  private unlink(client: Client): void {
    if (client.older === undefined) this.oldest = client.newer;
    else client.older.newer = client.newer;
    if (client.newer === undefined) this.newest = client.older;
    else client.newer.older = client.older;
  }

  private forgetBelow(client: Client, floor: number): void {
    const { results } = client;
    if (floor - client.forgottenBelow <= results.size) {
      for (let sequence = client.forgottenBelow; sequence < floor; sequence++) this.drop(results, sequence);
    } else {
      for (const sequence of results.keys()) if (sequence < floor) this.drop(results, sequence);
    }
    client.forgottenBelow = floor;
  }

  private drop(results: Client['results'], sequence: number): void {
    const result = results.get(sequence);
    if (result === undefined) return;
    this.keptBytes -= costOf(result);
    results.delete(sequence);
  }

  /** Over everything, in order of use. */
  hash(): number {
    let hash = mixNumber(0, this.nextIncarnation);
    for (const client of this.inOrderOfUse()) {
      const name = encodeUtf8(client.name);
      hash = mixNumber(hash, client.incarnation);
      hash = mixNumber(hash, hashBytes(name, 0, name.length, 0));
      if (client.owner !== '') {
        const owner = encodeUtf8(client.owner);
        hash = mixNumber(hash, hashBytes(owner, 0, owner.length, 1));
      }
      hash = mixNumber(hash, client.lastUsedMs);
      hash = mixNumber(hash, client.forgottenBelow);
      let results = 0;
      for (const [sequence, result] of client.results) {
        const one = mixNumber(mixNumber(0, sequence), hashBytes(result, 0, result.length, 0));
        results = (results + finishHash(one)) >>> 0;
      }
      hash = mixNumber(hash, results);
    }
    return finishHash(hash);
  }
}

function costOf(result: Uint8Array): number {
  return result.length + resultOverheadBytes;
}
