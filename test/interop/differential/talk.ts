// Sends sequences to one server and tells its answers in a form that another server's can be compared with.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CompactionRequest,
  DeleteRangeRequest,
  LeaseGrantRequest,
  type LeaseKeepAliveRequest,
  type LeaseKeepAliveResponse,
  LeaseTimeToLiveRequest,
  type MethodDescriptor,
  PutRequest,
  RangeRequest,
  services,
  TxnRequest,
  WatchCreateRequest,
} from '../../../src/wire/index.ts';
import { Caller, type Stream } from '../caller.ts';
import { asKnown, type Step } from './requests.ts';
import { WatchTalk } from './watches.ts';

const { KV, Lease } = services;
const everything = { key: new Uint8Array(1), rangeEnd: new Uint8Array(1) };

/** An answer in which nothing is left that differs by nature between two servers. */
export type Told = string;

export interface Outcome {
  /** To each step. */
  readonly answers: readonly Told[];
  /** What each watch received, by its id. */
  readonly received: ReadonlyMap<number, Told>;
  /** Revisions that were compacted. */
  readonly compacted: ReadonlySet<string>;
}

export class Talk implements Disposable {
  readonly #caller: Caller;
  #keepAlive: Stream<LeaseKeepAliveRequest, LeaseKeepAliveResponse> | undefined;

  constructor(endpoint: string) {
    this.#caller = new Caller(endpoint);
  }

  async run(steps: readonly Step[]): Promise<Outcome> {
    using sequence = new Sequence(this.#caller, () => this.#openKeepAlive(), await this.#clean());
    const answers: Told[] = [];
    for (const step of steps) answers.push(await sequence.take(step));
    return { answers, received: await sequence.received(), compacted: sequence.compacted };
  }

  [Symbol.dispose](): void {
    this.#keepAlive?.cancel();
    this.#caller[Symbol.dispose]();
  }

  /** Removes what the last sequence left, and gives the revision from which the next one counts. */
  async #clean(): Promise<number> {
    const leases = await this.#need(Lease.leaseLeases, {});
    await Promise.all(leases.leases.map((lease) => this.#need(Lease.leaseRevoke, lease)));
    // A new server stands at revision 1: one before that would be 0, which asks for the newest.
    await this.#need(KV.put, PutRequest.create({ key: everything.key }));
    const { header } = await this.#need(KV.deleteRange, DeleteRangeRequest.create(everything));
    const base = header?.revision ?? 0;
    await this.#need(KV.compact, CompactionRequest.create({ revision: base }));
    return base;
  }

  async #need<Req, Res>(method: MethodDescriptor<Req, Res>, request: Req): Promise<Res> {
    const answer = await this.#caller.unary(method, request);
    if ('response' in answer) return answer.response;
    throw new Error(`${method.path} failed while cleaning: ${answer.code} ${answer.message}`);
  }

  #openKeepAlive(): Stream<LeaseKeepAliveRequest, LeaseKeepAliveResponse> {
    this.#keepAlive ??= this.#caller.duplex(Lease.leaseKeepAlive);
    return this.#keepAlive;
  }
}

class Sequence implements Disposable {
  readonly #caller: Caller;
  readonly #openKeepAlive: () => Stream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>;
  readonly #base: number;
  readonly #chosen: bigint[] = [];
  /** What came before the sequence is always. */
  readonly compacted = new Set(['+0']);
  #watch: WatchTalk | undefined;
  /** A watch has begun in the past, and may not have been told of all of it. */
  #unsettled = false;

  constructor(
    caller: Caller,
    openKeepAlive: () => Stream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>,
    base: number,
  ) {
    this.#caller = caller;
    this.#openKeepAlive = openKeepAlive;
    this.#base = base;
  }

  async take(step: Step): Promise<Told> {
    return this.#tell(await this.#answer(step));
  }

  async received(): Promise<Map<number, Told>> {
    await this.#watch?.settle();
    const received = new Map<number, Told>();
    for (const [id, events] of this.#watch?.received ?? []) received.set(id, this.#tell(events));
    return received;
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
  }

  async #answer(step: Step): Promise<unknown> {
    const request = asKnown(step.request, this.#base, this.#chosen) as never;
    switch (step.call) {
      case 'range':
        return this.#unary(KV.range, RangeRequest.create(request));
      case 'put':
        return this.#unary(KV.put, PutRequest.create(request));
      case 'deleteRange':
        return this.#unary(KV.deleteRange, DeleteRangeRequest.create(request));
      case 'txn':
        return this.#unary(KV.txn, TxnRequest.create(request));
      case 'compact':
        return this.#compact(CompactionRequest.create(request));
      case 'leaseGrant':
        await this.#laterDeadline();
        return this.#grant(LeaseGrantRequest.create(request));
      case 'leaseRevoke':
        return this.#unary(Lease.leaseRevoke, request);
      case 'leaseTimeToLive':
        return this.#timeToLive(LeaseTimeToLiveRequest.create(request));
      case 'leaseLeases':
        return this.#unary(Lease.leaseLeases, request);
      case 'keepAlive': {
        await this.#laterDeadline();
        const stream = this.#openKeepAlive();
        stream.send(request);
        return stream.next();
      }
      case 'watch':
        return this.#createWatch(WatchCreateRequest.create(request));
      case 'cancel':
        // Whether it was told of the past before it was cancelled would be chance.
        await this.#settled();
        return this.#openWatch().request({ $case: 'cancelRequest', value: request });
      case 'progress':
        return this.#openWatch().request({ $case: 'progressRequest', value: {} });
    }
  }

  async #unary<Req, Res>(method: MethodDescriptor<Req, Res>, request: Req): Promise<unknown> {
    const answer = await this.#caller.unary(method, request);
    return 'response' in answer ? answer.response : `${answer.code} ${answer.message}`;
  }

  /** Leases are listed by their ends, which ours know to the millisecond: the order within one would be chance. */
  async #laterDeadline(): Promise<void> {
    await sleep(2);
  }

  /** One that would soon end by itself is revoked at once: the rest of the sequence must not depend on time. */
  async #grant(request: LeaseGrantRequest): Promise<unknown> {
    const answer = await this.#caller.unary(Lease.leaseGrant, request);
    if (!('response' in answer)) return `${answer.code} ${answer.message}`;
    const { ID, TTL } = answer.response;
    if (request.ID === 0n) this.#chosen.push(ID);
    if (TTL > 60) return answer.response;
    const revoked = await this.#unary(Lease.leaseRevoke, { ID });
    return [answer.response, revoked];
  }

  async #timeToLive(request: LeaseTimeToLiveRequest): Promise<unknown> {
    const answer = await this.#caller.unary(Lease.leaseTimeToLive, request);
    if (!('response' in answer)) return `${answer.code} ${answer.message}`;
    const { TTL, grantedTTL } = answer.response;
    // Some of it has passed, and seconds are whole.
    const TTLNearGranted = TTL <= grantedTTL && TTL > grantedTTL - 100;
    return { ...answer.response, TTL: TTLNearGranted ? 'near granted' : TTL, keys: answer.response.keys };
  }

  async #compact(request: CompactionRequest): Promise<unknown> {
    await this.#settled();
    this.compacted.add(`+${request.revision - this.#base}`);
    return this.#unary(KV.compact, request);
  }

  async #createWatch(request: WatchCreateRequest): Promise<unknown> {
    if (request.startRevision !== 0) this.#unsettled = true;
    return this.#openWatch().request({ $case: 'createRequest', value: request });
  }

  #openWatch(): WatchTalk {
    this.#watch ??= new WatchTalk(this.#caller, async (key) => {
      const answer = await this.#caller.unary(KV.put, PutRequest.create({ key }));
      if (!('response' in answer)) throw new Error(`a put failed: ${answer.code} ${answer.message}`);
      return answer.response.header?.revision ?? 0;
    });
    return this.#watch;
  }

  async #settled(): Promise<void> {
    if (!this.#unsettled) return;
    await this.#watch?.settle();
    this.#unsettled = false;
  }

  #tell(value: unknown): Told {
    return JSON.stringify(value, (name, field: unknown) => this.#comparable(name, field));
  }

  #comparable(name: string, field: unknown): unknown {
    if (name === 'clusterId' || name === 'memberId' || name === 'raftTerm') return undefined;
    if (typeof field === 'bigint') {
      const choice = this.#chosen.indexOf(field);
      return choice < 0 ? field.toString() : `chosen ${choice}`;
    }
    if (typeof field === 'number' && field > 0 && /revision$/i.test(name)) return `+${field - this.#base}`;
    if (field instanceof Uint8Array) return Buffer.from(field).toString('latin1');
    if (typeof field === 'object' && field !== null && 'type' in field && field.type === 'Buffer') {
      return Buffer.from((field as unknown as { data: number[] }).data).toString('latin1');
    }
    return field;
  }
}
