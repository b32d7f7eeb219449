import type {
  Command,
  CommandAuthor,
  CommandFailure,
  Compare,
  DeleteRangeRequest,
  Operation,
  PutRequest,
  RangeRequest,
  TxnRequest,
} from '../../keyspace/index.ts';
import type { Pair, StepAnswer } from './history.ts';
import { AuthModel } from './model-auth.ts';
import {
  type Change,
  inOrder,
  inRange,
  type ModelAnswer,
  type ModelLease,
  orderOf,
  shaped,
  textOf,
} from './model-values.ts';

const none: readonly Pair[] = [];
const done: ModelAnswer = { type: 'done' };
const failed = (failure: CommandFailure): ModelAnswer => ({ type: 'failed', failure });

/**
 * The keyspace as plain maps, written once more from its documentation alone: what production code does is held
 * against it. Slow and forgetful of nothing; a life is short.
 */
export class ModelKeyspace {
  revision = 1;
  compactRevision = 0;
  /** Every revision that was compacted to, rising. */
  readonly compactions: number[] = [];
  timeMs = 0;
  /** Every change since the beginning, revisions rising. */
  readonly changes: Change[] = [];
  readonly leases = new Map<bigint, ModelLease>();
  auth = new AuthModel();
  readonly #pairs = new Map<string, Pair>();
  /** For each key that ever was, its changes. */
  readonly #byKey = new Map<string, Change[]>();
  #sortedKeys: string[] | undefined;
  #writing = false;
  #incarnations = 0;

  /** Begins a batch: leases that are due end, in the order of their deadlines, each in a revision of its own. */
  begin(timeMs: number): void {
    this.timeMs = timeMs;
    const due: ModelLease[] = [];
    for (const lease of this.leases.values()) if (lease.deadlineMs < timeMs) due.push(lease);
    due.sort((left, right) => left.deadlineMs - right.deadlineMs || (left.id < right.id ? -1 : 1));
    for (const lease of due) this.#endLease(lease);
  }

  apply(command: Command, author?: CommandAuthor): ModelAnswer {
    if (this.auth.enabled) {
      const refused = this.auth.refusal(command, author, (lease) => this.leases.get(lease)?.keys ?? []);
      if (refused !== undefined) return { type: 'failed', failure: refused, refused: true };
    }
    switch (command.type) {
      case 'put':
        return this.#checkPut(command.request, 'lease-first') ?? this.#commit(this.#put(command.request));
      case 'deleteRange':
        return this.#commit(this.#delete(command.request));
      case 'txn':
        return this.#transaction(command.request);
      case 'txnSequence':
        return this.#sequence(command.requests);
      case 'compact':
        return this.#compact(command.revision);
      case 'tick':
        return done;
      case 'registerClient':
        return { type: 'register', incarnation: ++this.#incarnations };
      case 'alarm':
        // One that names a member refuses no command. That no other is raised for it, a checker of its own sees.
        if (command.kind === 'no-space') throw new Error('The model knows no quota.');
        return done;
      case 'auth': {
        const changed = this.auth.changed(command.change);
        if (typeof changed === 'string') return failed(changed);
        this.auth = changed;
        return done;
      }
      case 'authenticate':
      case 'extendToken':
        return done;
      default:
        return this.#leaseCommand(command);
    }
  }

  get(key: string): Pair | undefined {
    return this.#pairs.get(key);
  }

  /** What stood at a revision, in the order of the keys. */
  rangeAt(from: string, end: string, revision: number): readonly Pair[] {
    const found: Pair[] = [];
    if (end === '') {
      const pair = this.#at(from, revision);
      return pair === undefined ? none : [pair];
    }
    for (const key of this.#keys()) {
      if (!inRange(key, from, end)) continue;
      const pair = this.#at(key, revision);
      if (pair !== undefined) found.push(pair);
    }
    return found;
  }

  #at(key: string, revision: number): Pair | undefined {
    if (revision >= this.revision && !this.#writing) return this.#pairs.get(key);
    const changes = this.#byKey.get(key);
    if (changes === undefined) return undefined;
    for (let at = changes.length - 1; at >= 0; at--) {
      const change = changes[at] as Change;
      if (change.revision <= revision) return change.pair;
    }
    return undefined;
  }

  #keys(): readonly string[] {
    this.#sortedKeys ??= [...this.#byKey.keys()].sort((left, right) => (left < right ? -1 : 1));
    return this.#sortedKeys;
  }

  #current(from: string, end: string): readonly Pair[] {
    if (end === '') {
      const pair = this.#pairs.get(from);
      return pair === undefined ? none : [pair];
    }
    const found: Pair[] = [];
    for (const key of this.#keys()) {
      if (!inRange(key, from, end)) continue;
      const pair = this.#pairs.get(key);
      if (pair !== undefined) found.push(pair);
    }
    return found;
  }

  #commit<T extends ModelAnswer>(answer: T): T {
    if (this.#writing) this.revision++;
    this.#writing = false;
    return answer;
  }

  #change(key: string, pair: Pair | undefined): void {
    this.#writing = true;
    const previous = this.#pairs.get(key);
    const oldLease = previous?.lease ?? 0n;
    const newLease = pair?.lease ?? 0n;
    if (oldLease !== newLease) {
      this.leases.get(oldLease)?.keys.delete(key);
      this.leases.get(newLease)?.keys.add(key);
    }
    if (pair === undefined) this.#pairs.delete(key);
    else this.#pairs.set(key, pair);
    const change: Change = { revision: this.revision + 1, key, pair, previous };
    this.changes.push(change);
    const ofKey = this.#byKey.get(key);
    if (ofKey !== undefined) ofKey.push(change);
    else {
      this.#byKey.set(key, [change]);
      this.#sortedKeys = undefined;
    }
  }

  #checkPut(request: PutRequest, order: 'lease-first' | 'key-first'): ModelAnswer | undefined {
    const { lease, ignoreValue, ignoreLease } = request;
    const noLease = lease !== 0n && !this.leases.has(lease);
    const noKey = (ignoreValue || ignoreLease) && !this.#pairs.has(textOf(request.key));
    if (noLease && (order === 'lease-first' || !noKey)) return failed('lease-not-found');
    return noKey ? failed('key-not-found') : undefined;
  }

  #put(request: PutRequest): StepAnswer {
    const key = textOf(request.key);
    const previous = this.#pairs.get(key);
    const mod = this.revision + 1;
    this.#change(key, {
      key,
      value: request.ignoreValue && previous !== undefined ? previous.value : textOf(request.value),
      create: previous?.create ?? mod,
      mod,
      version: (previous?.version ?? 0) + 1,
      lease: request.ignoreLease && previous !== undefined ? previous.lease : request.lease,
    });
    return { type: 'put', previous: request.prevKv ? previous : undefined };
  }

  #delete(request: DeleteRangeRequest): StepAnswer {
    const gone = this.#current(textOf(request.key), textOf(request.rangeEnd));
    for (const pair of gone) this.#change(pair.key, undefined);
    return { type: 'delete', deleted: gone.length, previous: request.prevKv ? gone : none };
  }

  #transaction(request: TxnRequest): ModelAnswer {
    const branches = new Map<TxnRequest, boolean>();
    const taken: Operation[] = [];
    const choose = (txn: TxnRequest): void => {
      const holds = txn.compare.every((compare) => this.#holds(compare));
      branches.set(txn, holds);
      for (const operation of holds ? txn.success : txn.failure) {
        if (operation.type === 'txn') choose(operation.request);
        else taken.push(operation);
      }
    };
    choose(request);
    for (const operation of taken) {
      const failure = operation.type === 'put' ? this.#checkPut(operation.request, 'key-first') : undefined;
      if (failure !== undefined) return failure;
    }
    for (const operation of taken) {
      const revision = operation.type === 'range' ? operation.request.revision : 0;
      if (revision > this.revision) return failed('future-revision');
      if (revision > 0 && revision < this.compactRevision) return failed('compacted');
    }
    return this.#commit(this.#run(request, branches));
  }

  #run(request: TxnRequest, branches: ReadonlyMap<TxnRequest, boolean>): StepAnswer {
    const succeeded = branches.get(request) === true;
    const responses = (succeeded ? request.success : request.failure).map((operation): StepAnswer => {
      if (operation.type === 'put') return this.#put(operation.request);
      if (operation.type === 'deleteRange') return this.#delete(operation.request);
      if (operation.type === 'range') return this.#range(operation.request);
      return this.#run(operation.request, branches);
    });
    return { type: 'txn', succeeded, responses };
  }

  /** Bounds of revisions are not modelled: the workload uses none, and others' reads change nothing. */
  #range(request: RangeRequest): StepAnswer {
    const from = textOf(request.key);
    const end = textOf(request.rangeEnd);
    const pairs = request.revision > 0 ? this.rangeAt(from, end, request.revision) : this.#current(from, end);
    return shaped(pairs, request);
  }

  #holds(compare: Compare): boolean {
    const found = this.#current(textOf(compare.key), textOf(compare.rangeEnd));
    if (found.length > 0) return found.every((pair) => inOrder(orderOf(pair, compare), compare.result));
    return compare.target.kind !== 'value' && inOrder(orderOf(undefined, compare), compare.result);
  }

  /** All of it, or nothing where one fails; it ends at the first whose compares do not hold. */
  #sequence(requests: readonly TxnRequest[]): ModelAnswer {
    const before = this.changes.length;
    const { revision } = this;
    const answers: StepAnswer[] = [];
    for (const request of requests) {
      const answer = this.#transaction(request);
      if (answer.type === 'failed') {
        this.#takeBack(before, revision);
        return answer;
      }
      const one = answer as StepAnswer & { type: 'txn' };
      answers.push(one);
      if (!one.succeeded) break;
    }
    return { type: 'sequence', answers };
  }

  #takeBack(length: number, revision: number): void {
    while (this.changes.length > length) {
      const { key, pair, previous } = this.changes.pop() as Change;
      this.#byKey.get(key)?.pop();
      if (pair !== undefined) this.leases.get(pair.lease)?.keys.delete(key);
      if (previous === undefined) this.#pairs.delete(key);
      else {
        this.#pairs.set(key, previous);
        this.leases.get(previous.lease)?.keys.add(key);
      }
    }
    this.revision = revision;
  }

  #compact(revision: number): ModelAnswer {
    if (revision <= this.compactRevision) return failed('compacted');
    if (revision > this.revision) return failed('future-revision');
    this.compactRevision = revision;
    this.compactions.push(revision);
    return done;
  }

  #leaseCommand(command: Extract<Command, { lease: bigint } | { leases: unknown }>): ModelAnswer {
    if (command.type === 'leaseRenew') {
      return { type: 'renew', ttlsMs: command.leases.map((id) => this.#renew(id)) };
    }
    const lease = this.leases.get(command.lease);
    if (command.type === 'leaseGrant') {
      const { ttlMs } = command;
      if (!(ttlMs >= 1 && ttlMs <= 9_000_000_000_000)) return failed('ttl-out-of-range');
      if (lease !== undefined) return failed('lease-exists');
      const deadlineMs = this.timeMs + ttlMs;
      const granted = { id: command.lease, ttlMs, deadlineMs, attachment: 0, attached: false };
      this.leases.set(command.lease, { ...granted, keys: new Set() });
      return { type: 'grant', ttlMs };
    }
    if (command.type === 'detach') {
      const current = lease?.attached === true && lease.attachment === command.attachment;
      if (lease !== undefined && current) {
        lease.attached = false;
        lease.deadlineMs = Math.min(lease.deadlineMs, this.timeMs + command.graceMs);
      }
      return { type: 'detach', current };
    }
    if (lease === undefined) return failed('lease-not-found');
    if (command.type === 'leaseRevoke') {
      this.#endLease(lease);
      return done;
    }
    lease.deadlineMs = this.timeMs + lease.ttlMs;
    lease.attached = true;
    return { type: 'attach', attachment: ++lease.attachment };
  }

  #renew(id: bigint): number {
    const lease = this.leases.get(id);
    if (lease === undefined) return 0;
    lease.deadlineMs = this.timeMs + lease.ttlMs;
    return lease.ttlMs;
  }

  #endLease(lease: ModelLease): void {
    for (const key of [...lease.keys].sort((left, right) => (left < right ? -1 : 1))) {
      this.#change(key, undefined);
    }
    this.#commit(done);
    this.leases.delete(lease.id);
  }
}
