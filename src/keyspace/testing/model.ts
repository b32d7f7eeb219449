/**
 * The keyspace again, as naively as can be: a whole map for each revision, events in a list, everything by search.
 * The property tests hold the real one against it.
 */
import { compareBytes, equalBytes, isUnboundedEnd, rangeContains } from '../bytes.ts';
import { maxTtlMs } from '../leases.ts';
import type {
  Alarm,
  AlarmCommand,
  AlarmKind,
  Command,
  CommandBatch,
  CommandFailure,
  CommandOutcome,
  CommandResult,
  Compare,
  DeleteRangeRequest,
  KeyValue,
  LeaseInfo,
  Operation,
  OperationResult,
  PutRequest,
  RangeRequest,
  RangeResult,
  SubmittedCommand,
  TxnRequest,
  TxnResult,
  WatchEvent,
} from '../types.ts';
import { text } from './requests.ts';

type Keys = Map<string, KeyValue>;
interface ModelLease {
  ttlMs: number;
  deadlineMs: number;
  attachment: number;
  attached: boolean;
}
interface ModelClient {
  floor: number;
  results: Map<number, CommandResult>;
}
class Failure extends Error {
  readonly failure: CommandFailure;
  constructor(failure: CommandFailure) {
    super(failure);
    this.failure = failure;
  }
}

const nothing = new Uint8Array(0);

export class Model {
  revision = 1;
  compactRevision = 0;
  timeMs = 0;
  leases = new Map<bigint, ModelLease>();
  events: WatchEvent[] = [];
  private states = new Map<number, Keys>([[1, new Map()]]);
  private clients = new Map<number, ModelClient>();
  private incarnations = 0;
  /** The state that the current transaction writes to, and its events. */
  readonly alarms = new Map<string, Alarm>();
  private draft: Keys = new Map();
  private drafted: WatchEvent[] = [];

  apply(batch: CommandBatch): CommandResult[] {
    this.timeMs = batch.timeMs;
    const due = [...this.leases]
      .filter(([, lease]) => lease.deadlineMs < this.timeMs)
      .sort(([a, left], [b, right]) => left.deadlineMs - right.deadlineMs || (a < b ? -1 : 1));
    for (const [id] of due) this.end(id);
    return batch.commands.map((submitted) => this.submit(submitted));
  }

  range(request: RangeRequest): RangeResult | CommandFailure {
    try {
      return this.readRange(request, this.at(this.revision), this.revision);
    } catch (error) {
      if (error instanceof Failure) return error.failure;
      throw error;
    }
  }

  info(id: bigint): LeaseInfo | undefined {
    const lease = this.leases.get(id);
    if (lease === undefined) return undefined;
    const keys = this.sorted(this.at(this.revision)).filter((kv) => kv.lease === id);
    return {
      lease: id,
      grantedTtlMs: lease.ttlMs,
      deadlineMs: lease.deadlineMs,
      attachment: lease.attached ? lease.attachment : 0,
      keys: keys.map((kv) => kv.key),
    };
  }

  at(revision: number): Keys {
    return this.states.get(revision) as Keys;
  }

  private sorted(keys: Keys): KeyValue[] {
    return [...keys.values()].sort((left, right) => compareBytes(left.key, right.key));
  }

  private submit({ command, identity }: SubmittedCommand): CommandResult {
    const client = identity === undefined ? undefined : this.clients.get(identity.incarnation);
    if (identity !== undefined) {
      if (client === undefined) return this.result({ type: 'failed', failure: 'unknown-incarnation' });
      client.floor = Math.max(client.floor, identity.acknowledgedBelow);
      for (const sequence of [...client.results.keys()]) {
        if (sequence < client.floor) client.results.delete(sequence);
      }
      if (identity.sequence < client.floor) {
        return this.result({ type: 'failed', failure: 'sequence-forgotten' });
      }
      const kept = client.results.get(identity.sequence);
      if (kept !== undefined) return kept;
    }
    const result = this.result(this.execute(command));
    if (identity !== undefined) client?.results.set(identity.sequence, result);
    return result;
  }

  private result(outcome: CommandOutcome): CommandResult {
    return { revision: this.revision, outcome };
  }

  private execute(command: Command): CommandOutcome {
    const before = { revision: this.revision, events: this.events.length };
    try {
      return this.tryExecute(command);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.revision = before.revision;
      this.events.length = before.events;
      return { type: 'failed', failure: error.failure };
    }
  }

  private checkAlarms(command: Command): void {
    const raised = (kind: AlarmKind) => [...this.alarms.values()].some((alarm) => alarm.kind === kind);
    const free = ['leaseRenew', 'attach', 'detach', 'tick', 'registerClient', 'alarm'];
    const onlyReads =
      command.type === 'txn' &&
      [...command.request.success, ...command.request.failure].every(({ type }) => type === 'range');
    if (raised('corrupt') && !onlyReads && !free.includes(command.type)) throw new Failure('corrupt');
    const writes = ({ success, failure }: TxnRequest): boolean =>
      [...success, ...failure].some(
        ({ type, request }) => type === 'put' || (type === 'txn' && writes(request)),
      );
    const costs =
      command.type === 'put' ||
      command.type === 'leaseGrant' ||
      (command.type === 'txn' && writes(command.request)) ||
      (command.type === 'txnSequence' && command.requests.some(writes));
    if (raised('no-space') && costs) throw new Failure('no-space');
  }

  private alarm({ member, kind, raise }: AlarmCommand): CommandOutcome {
    const name = `${kind} ${member}`;
    if (!raise && !this.alarms.delete(name)) return { type: 'alarm', alarms: [] };
    if (raise) this.alarms.set(name, { member, kind });
    return { type: 'alarm', alarms: [{ member, kind }] };
  }

  private tryExecute(command: Command): CommandOutcome {
    this.checkAlarms(command);
    switch (command.type) {
      case 'put':
        return this.transact(() => {
          const { request } = command;
          if (request.lease !== 0n && !this.leases.has(request.lease)) throw new Failure('lease-not-found');
          if ((request.ignoreValue || request.ignoreLease) && !this.draft.has(text(request.key))) {
            throw new Failure('key-not-found');
          }
          return { type: 'put', result: { prevKv: this.put(request) } };
        });
      case 'deleteRange':
        return this.transact(() => ({ type: 'deleteRange', result: this.delete(command.request) }));
      case 'txn':
        return { type: 'txn', result: this.txn(command.request) };
      case 'txnSequence': {
        const results: { result: TxnResult; revision: number }[] = [];
        for (const request of command.requests) {
          const result = this.txn(request);
          results.push({ result, revision: this.revision });
          if (!result.succeeded) break;
        }
        return { type: 'txnSequence', results };
      }
      case 'compact':
        if (command.revision <= this.compactRevision) throw new Failure('compacted');
        if (command.revision > this.revision) throw new Failure('future-revision');
        this.compactRevision = command.revision;
        return { type: 'compact' };
      case 'tick':
        return { type: 'tick' };
      case 'registerClient':
        this.clients.set(++this.incarnations, { floor: 0, results: new Map() });
        return { type: 'registerClient', incarnation: this.incarnations };
      case 'alarm':
        return this.alarm(command);
      case 'auth':
      case 'authenticate':
      case 'extendToken':
        throw new Error('The model knows no users.');
      default:
        return this.lease(command);
    }
  }

  private lease(command: Extract<Command, { lease: bigint } | { leases: unknown }>): CommandOutcome {
    const lease = command.type === 'leaseRenew' ? undefined : this.leases.get(command.lease);
    switch (command.type) {
      case 'leaseGrant': {
        const { ttlMs } = command;
        if (ttlMs < 1 || ttlMs > maxTtlMs) throw new Failure('ttl-out-of-range');
        if (lease !== undefined) throw new Failure('lease-exists');
        const fresh = { ttlMs, deadlineMs: this.timeMs + ttlMs, attachment: 0, attached: false };
        this.leases.set(command.lease, fresh);
        return { type: 'leaseGrant', lease: command.lease, ttlMs };
      }
      case 'leaseRevoke':
        if (lease === undefined) throw new Failure('lease-not-found');
        this.end(command.lease);
        return { type: 'leaseRevoke' };
      case 'leaseRenew':
        return { type: 'leaseRenew', ttlsMs: command.leases.map((id) => this.renew(id)) };
      case 'attach':
        if (lease === undefined) throw new Failure('lease-not-found');
        this.renew(command.lease);
        lease.attached = true;
        return { type: 'attach', attachment: ++lease.attachment };
      case 'detach': {
        const current = lease?.attached === true && lease.attachment === command.attachment;
        if (current) {
          lease.attached = false;
          lease.deadlineMs = Math.min(lease.deadlineMs, this.timeMs + command.graceMs);
        }
        return { type: 'detach', current };
      }
    }
  }

  private renew(id: bigint): number {
    const lease = this.leases.get(id);
    if (lease === undefined) return 0;
    lease.deadlineMs = this.timeMs + lease.ttlMs;
    return lease.ttlMs;
  }

  private end(id: bigint): void {
    this.transact(() => {
      for (const kv of this.sorted(this.draft)) if (kv.lease === id) this.remove(kv);
    });
    this.leases.delete(id);
  }

  private transact<T>(run: () => T): T {
    this.draft = new Map(this.at(this.revision));
    this.drafted = [];
    const result = run();
    if (this.drafted.length > 0) {
      this.states.set(++this.revision, this.draft);
      this.events.push(...this.drafted);
    }
    return result;
  }

  private put(request: PutRequest): KeyValue | undefined {
    const name = text(request.key);
    const old = this.draft.get(name);
    const kv = {
      key: request.key,
      createRevision: old?.createRevision ?? this.revision + 1,
      modRevision: this.revision + 1,
      version: (old?.version ?? 0) + 1,
      value: request.ignoreValue && old !== undefined ? old.value : request.value,
      lease: request.ignoreLease && old !== undefined ? old.lease : request.lease,
    };
    this.draft.set(name, kv);
    const created = kv.createRevision === kv.modRevision;
    const prevKv = created ? undefined : this.at(this.revision).get(name);
    this.drafted.push({ type: 'put', kv, prevKv });
    return request.prevKv ? old : undefined;
  }

  private remove(old: KeyValue): void {
    const name = text(old.key);
    this.draft.delete(name);
    const { key } = old;
    const kv = {
      key,
      createRevision: 0,
      modRevision: this.revision + 1,
      version: 0,
      value: nothing,
      lease: 0n,
    };
    this.drafted.push({ type: 'delete', kv, prevKv: this.at(this.revision).get(name) });
  }

  private delete(request: DeleteRangeRequest) {
    const found = this.inRange(this.draft, request.key, request.rangeEnd);
    for (const kv of found) this.remove(kv);
    return { deleted: found.length, prevKvs: request.prevKv ? found : [] };
  }

  private inRange(keys: Keys, key: Uint8Array, rangeEnd: Uint8Array): KeyValue[] {
    return this.sorted(keys).filter((kv) => rangeContains(key, rangeEnd, kv.key));
  }

  private txn(request: TxnRequest): TxnResult {
    const before = this.at(this.revision);
    const branches = new Map<TxnRequest, readonly Operation[]>();
    const choose = (from: TxnRequest): void => {
      const branch = from.compare.every((one) => this.holds(before, one)) ? from.success : from.failure;
      branches.set(from, branch);
      for (const operation of branch) if (operation.type === 'txn') choose(operation.request);
    };
    choose(request);
    const flatten = (from: TxnRequest): Operation[] =>
      (branches.get(from) ?? []).flatMap((one) => (one.type === 'txn' ? flatten(one.request) : [one]));
    this.check(flatten(request), before);
    const run = (from: TxnRequest): TxnResult => {
      const branch = branches.get(from) ?? [];
      return { succeeded: branch === from.success, responses: branch.map((one) => this.operate(one, run)) };
    };
    return this.transact(() => run(request));
  }

  private check(operations: readonly Operation[], before: Keys): void {
    for (const { type, request } of operations) {
      if (type !== 'put') continue;
      if ((request.ignoreValue || request.ignoreLease) && !before.has(text(request.key))) {
        throw new Failure('key-not-found');
      }
      if (request.lease !== 0n && !this.leases.has(request.lease)) throw new Failure('lease-not-found');
    }
    for (const { type, request } of operations) {
      if (type !== 'range' || request.revision === 0) continue;
      if (request.revision > this.revision) throw new Failure('future-revision');
      if (request.revision < (this.compactRevision || -1)) throw new Failure('compacted');
    }
  }

  private operate(operation: Operation, run: (request: TxnRequest) => TxnResult): OperationResult {
    switch (operation.type) {
      case 'put':
        return { type: 'put', result: { prevKv: this.put(operation.request) } };
      case 'deleteRange':
        return { type: 'deleteRange', result: this.delete(operation.request) };
      case 'range':
        return { type: 'range', result: this.readRange(operation.request, this.draft, this.revision) };
      case 'txn':
        return { type: 'txn', result: run(operation.request) };
    }
  }

  private holds(keys: Keys, { key, rangeEnd, target, result }: Compare): boolean {
    const missing = { key, createRevision: 0, modRevision: 0, version: 0, value: nothing, lease: 0n };
    const found = this.inRange(keys, key, rangeEnd);
    if (found.length === 0 && target.kind === 'value') return false;
    return (found.length === 0 ? [missing] : found).every((kv) => {
      let order: number;
      if (target.kind === 'value') order = compareBytes(kv.value, target.value);
      else if (target.kind === 'lease')
        order = Number(kv.lease > target.lease) - Number(kv.lease < target.lease);
      else if (target.kind === 'version') order = kv.version - target.revision;
      else order = (target.kind === 'create' ? kv.createRevision : kv.modRevision) - target.revision;
      if (result === 'equal') return order === 0;
      if (result === 'not-equal') return order !== 0;
      return result === 'greater' ? order > 0 : order < 0;
    });
  }

  private readRange(request: RangeRequest, latest: Keys, ceiling: number): RangeResult {
    const { revision, sortTarget, sortOrder } = request;
    if (revision > ceiling) throw new Failure('future-revision');
    if (revision > 0 && revision < this.compactRevision) throw new Failure('compacted');
    const all = this.inRange(revision > 0 ? this.at(revision) : latest, request.key, request.rangeEnd);
    const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
    const limit = Math.max(0, request.limit);
    const bounds = [minModRevision, maxModRevision, minCreateRevision, maxCreateRevision];
    const early = limit > 0 && sortOrder === 'none' && bounds.every((bound) => bound === 0);
    let kvs = (request.countOnly ? [] : early ? all.slice(0, limit + 1) : all).filter(
      (kv) =>
        (minModRevision === 0 || kv.modRevision >= minModRevision) &&
        (maxModRevision === 0 || kv.modRevision <= maxModRevision) &&
        (minCreateRevision === 0 || kv.createRevision >= minCreateRevision) &&
        (maxCreateRevision === 0 || kv.createRevision <= maxCreateRevision),
    );
    const order: Record<typeof sortTarget, (left: KeyValue, right: KeyValue) => number> = {
      key: (left, right) => compareBytes(left.key, right.key),
      version: (left, right) => left.version - right.version,
      create: (left, right) => left.createRevision - right.createRevision,
      mod: (left, right) => left.modRevision - right.modRevision,
      value: (left, right) => compareBytes(left.value, right.value),
    };
    const sign = sortOrder === 'descend' ? -1 : 1;
    kvs.sort((left, right) => sign * order[sortTarget](left, right));
    const more = limit > 0 && kvs.length > limit;
    if (more) kvs = kvs.slice(0, limit);
    if (request.keysOnly) kvs = kvs.map((kv) => ({ ...kv, value: nothing }));
    return { kvs, more, count: all.length };
  }

  /** What a watcher from `startRevision` has to see. */
  watched(key: Uint8Array, rangeEnd: Uint8Array, startRevision: number): WatchEvent[] {
    return this.events.filter(
      ({ kv }) =>
        kv.modRevision >= startRevision &&
        (rangeEnd.length === 0
          ? equalBytes(key, kv.key)
          : compareBytes(kv.key, key) >= 0 &&
            (isUnboundedEnd(rangeEnd) || compareBytes(kv.key, rangeEnd) < 0)),
    );
  }
}
