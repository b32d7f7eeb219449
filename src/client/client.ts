import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import {
  type DeepPartial,
  type DeleteRangeResponse,
  type KeyValue,
  type Member,
  type MemberStateResponse,
  type MethodDescriptor,
  type PutResponse,
  RangeRequest,
  type RangeResponse,
  type StatusResponse,
  services,
  TxnRequest,
  type TxnResponse,
} from '../wire/index.ts';
import type { Attachment } from './attachment.ts';
import { Attachments } from './attachments.ts';
import { prefixEnd, toBytes } from './bytes.ts';
import type { CallOptions } from './calls.ts';
import { type AttemptOptions, Endpoints } from './endpoints.ts';
import { KeepAlives } from './keep-alives.ts';
import type { SilenceLimits } from './link.ts';
import { Maintenance } from './maintenance.ts';
import { followMemberState, memberState } from './member-state.ts';
import { Membership } from './membership.ts';
import { Proposals } from './proposals.ts';
import type { TransportFactory } from './transport.ts';
import { Users } from './users.ts';
import { type WatchBatch, type WatchCallOptions, Watches, type WatchOptions } from './watches.ts';

export interface ClientParts {
  readonly endpoints: readonly string[];
  readonly transport: TransportFactory;
  readonly runtime: Runtime;
  readonly name: string;
  readonly timeoutMs: number;
  readonly connectionBound: boolean;
  readonly silence: SilenceLimits;
}

export interface RangeOptions extends CallOptions {
  /** Answered from what the endpoint has applied: faster, and perhaps stale. Default false: linearizable. */
  readonly serializable?: boolean;
  /** Default: the latest. */
  readonly revision?: number;
}

const none = new Uint8Array(0);

/**
 * A client of the cluster: keys, transactions, leases, watches. Calls fail over between endpoints until their time
 * is up; a mutation is applied once however often it had to be sent. Every method may throw ConclaveError 'timeout',
 * 'unavailable', 'no-leader', 'aborted' or 'closed'; its `outcome` says whether a mutation may have been applied.
 */
export class ConclaveClient implements AsyncDisposable {
  readonly endpoints: readonly string[];
  readonly runtime: Runtime;
  readonly timeoutMs: number;
  /** Whether leases can be bound to this client's connection. */
  readonly connectionBound: boolean;
  /** What operators ask of members. */
  readonly maintenance: Maintenance;
  /** Users, roles and their permissions. */
  readonly users: Users;
  /** Who is a member, and changes of that. */
  readonly membership: Membership;
  readonly #endpoints: Endpoints;
  readonly #proposals: Proposals;
  readonly #keepAlives: KeepAlives;
  readonly #watches: Watches;
  readonly #attachments: Attachments;
  #closed = false;

  constructor(parts: ClientParts) {
    this.endpoints = parts.endpoints;
    this.runtime = parts.runtime;
    this.timeoutMs = parts.timeoutMs;
    this.connectionBound = parts.connectionBound;
    this.#endpoints = new Endpoints(parts);
    this.maintenance = new Maintenance(this.#endpoints);
    this.users = new Users(this.#endpoints);
    this.membership = new Membership(this.#endpoints);
    const shared = { ...parts, endpoints: this.#endpoints };
    this.#proposals = new Proposals(shared);
    this.#keepAlives = new KeepAlives(shared);
    this.#watches = new Watches(shared);
    this.#attachments = new Attachments(shared);
  }

  /** The value of one key; undefined where there is none. */
  async get(key: string | Uint8Array, options: RangeOptions = {}): Promise<KeyValue | undefined> {
    const { serializable = false, revision = 0, ...call } = options;
    const response = await this.range({ key: toBytes(key), serializable, revision }, call);
    return response.kvs[0];
  }

  /** @throws 'out-of-range' for a revision that is compacted or in the future. */
  range(request: DeepPartial<RangeRequest>, options: AttemptOptions = {}): Promise<RangeResponse> {
    return this.#read(services.KV.range, RangeRequest.create(request), 'Reading keys', options);
  }

  /** @throws 'lease-lost' for a lease that is not there; 'too-large'; 'invalid-argument'. */
  put(
    key: string | Uint8Array,
    value: string | Uint8Array,
    options: CallOptions & {
      lease?: bigint;
      prevKv?: boolean;
      ignoreValue?: boolean;
      ignoreLease?: boolean;
    } = {},
  ): Promise<PutResponse> {
    const { lease = 0n, prevKv = false, ignoreValue = false, ignoreLease = false, ...call } = options;
    const request = { key: toBytes(key), value: toBytes(value), lease, prevKv, ignoreValue, ignoreLease };
    return this.#proposals.propose('put', request, 'Putting a key', call);
  }

  /** Deletes one key, all keys up to `rangeEnd`, or all that begin with `key` (`prefix`). */
  deleteRange(
    key: string | Uint8Array,
    options: CallOptions & { rangeEnd?: Uint8Array; prefix?: boolean; prevKv?: boolean } = {},
  ): Promise<DeleteRangeResponse> {
    const { rangeEnd, prefix = false, prevKv = false, ...call } = options;
    const first = toBytes(key);
    const end = rangeEnd ?? (prefix ? prefixEnd(first) : none);
    return this.#proposals.propose(
      'deleteRange',
      { key: first, rangeEnd: end, prevKv },
      'Deleting keys',
      call,
    );
  }

  /** All of it in one revision, or, where a compare does not hold, all of `failure`. */
  txn(request: DeepPartial<TxnRequest>, options: CallOptions = {}): Promise<TxnResponse> {
    return this.#proposals.propose('txn', TxnRequest.create(request), 'The transaction', options);
  }

  /**
   * Transactions one after the other, each at a revision of its own, with nothing in between. Ends at the first whose
   * compares do not hold: there are as many answers as transactions were looked at.
   */
  async txnSequence(
    requests: readonly DeepPartial<TxnRequest>[],
    options: CallOptions = {},
  ): Promise<readonly TxnResponse[]> {
    const value = { requests: requests.map((request) => TxnRequest.create(request)) };
    return (await this.#proposals.propose('txnSequence', value, 'The transactions', options)).responses;
  }

  /** @throws 'out-of-range' for a revision that is compacted already or in the future. */
  async compact(
    revision: number,
    options: CallOptions & { readonly physical?: boolean } = {},
  ): Promise<void> {
    const { physical = false, ...call } = options;
    await this.#proposals.propose('compaction', { revision, physical }, 'Compacting', call);
  }

  /** A lease of `ttlMs` from when the cluster handled this. Left out, its id is the server's choice. */
  async leaseGrant(
    ttlMs: number,
    options: CallOptions & { readonly lease?: bigint } = {},
  ): Promise<{ readonly lease: bigint; readonly ttlMs: number }> {
    const { lease = 0n, ...call } = options;
    const granted = await this.#proposals.propose(
      'leaseGrant',
      { ID: lease, ttlMs },
      'Granting a lease',
      call,
    );
    return { lease: granted.ID, ttlMs: granted.ttlMs };
  }

  /** Ends a lease and deletes its keys. @throws 'lease-lost' where there is none. */
  async leaseRevoke(lease: bigint, options: CallOptions = {}): Promise<void> {
    await this.#proposals.propose('leaseRevoke', { ID: lease }, 'Revoking a lease', options);
  }

  /** What is left of a lease, in whole seconds as the API tells it. undefined: there is no such lease. */
  async leaseRemaining(
    lease: bigint,
    options: CallOptions & { readonly keys?: boolean } = {},
  ): Promise<
    | { readonly remainingMs: number; readonly grantedTtlMs: number; readonly keys: readonly Uint8Array[] }
    | undefined
  > {
    const { keys = false, ...call } = options;
    const answer = await this.#read(
      services.Lease.leaseTimeToLive,
      { ID: lease, keys },
      'Asking for a lease',
      call,
    );
    if (answer.TTL < 0) return undefined;
    return { remainingMs: answer.TTL * 1000, grantedTtlMs: answer.grantedTTL * 1000, keys: answer.keys };
  }

  async leases(options: CallOptions = {}): Promise<bigint[]> {
    const answer = await this.#read(services.Lease.leaseLeases, {}, 'Listing the leases', options);
    return answer.leases.map((status) => status.ID);
  }

  /**
   * Extends a lease by its TTL and resolves to that TTL in ms; 0: there is no such lease. All that are asked for in
   * one turn of the loop travel together.
   */
  renewLease(lease: bigint, options: CallOptions = {}): Promise<number> {
    return this.#keepAlives.renew(lease, options);
  }

  /**
   * Binds a lease to this client's connection: when that ends, by this process dying too, the lease lives for
   * `graceMs` more. Resolves when it is bound. @throws 'lease-lost', 'unsupported'
   */
  async attach(lease: bigint, options: CallOptions & { readonly graceMs: number }): Promise<Attachment> {
    const { graceMs, ...call } = options;
    this.#assertOpen();
    return await this.#attachments.open(lease, graceMs, call);
  }

  /**
   * Changes of keys, resumed after every break from the revision after the last one delivered. Ends quietly when the
   * signal aborts. @throws 'out-of-range' when what comes next is compacted away.
   */
  watch(request: WatchOptions, options: WatchCallOptions = {}): AsyncGenerator<WatchBatch, void, undefined> {
    return this.#watches.watch(request, options);
  }

  /** The members and their addresses, as the cluster has agreed on them; `serializable`: as one member knows them. */
  async memberList(
    options: AttemptOptions & { readonly serializable?: boolean } = {},
  ): Promise<readonly Member[]> {
    const { serializable = false, ...attempt } = options;
    const request = { linearizable: !serializable };
    return (await this.#read(services.Cluster.memberList, request, 'Listing the members', attempt)).members;
  }

  /** etcd's Status of one member; the one in use where `endpoint` is left out. */
  status(options: AttemptOptions = {}): Promise<StatusResponse> {
    return this.#read(services.Maintenance.status, {}, 'Asking for the status', options);
  }

  /** Role, term, commit and peers of one member, from its own view. */
  memberState(options: AttemptOptions = {}): Promise<MemberStateResponse> {
    return memberState(this.#endpoints, this.runtime.timers, options);
  }

  /** The same now and after each change, of one member. Ends with an error when its connection breaks. */
  followMemberState(
    endpoint: string,
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<MemberStateResponse, void, undefined> {
    return followMemberState(this.#endpoints, endpoint, options);
  }

  /** Ends every call and stream with 'closed'. Leases are left to expire; revoke them before. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const cause = new ConclaveError('closed', 'The client was closed.');
    await this.#attachments.close();
    this.#watches.close(cause);
    this.#keepAlives.close(cause);
    this.#endpoints.close(cause);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #read<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    request: Req,
    what: string,
    options: AttemptOptions,
  ): Promise<Res> {
    return this.#endpoints.unary(method, request, what, { ...options, changesNothing: true });
  }

  #assertOpen(): void {
    if (this.#closed) throw new ConclaveError('closed', 'This client is closed.');
  }
}
