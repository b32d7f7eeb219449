/**
 * Leases: deadlines in cluster time, the keys that hang on each, and which connection each is bound to. Renewing is
 * one assignment. When they expire is said by whoever applies the log.
 */
import { compareBytes } from './bytes.ts';
import { Deadlines, type HasDeadline } from './deadlines.ts';
import { InvariantViolation } from './errors.ts';
import { type HasRow, LeaseRows } from './lease-rows.ts';
import type { Store } from './store.ts';
import { none, rowInPage } from './tables.ts';
import type { CommandFailure, LeaseInfo } from './types.ts';

/** etcd's limit: 9,000,000,000 seconds. */
export const maxTtlMs = 9_000_000_000_000;

interface LeaseState {
  readonly id: bigint;
  readonly ttlMs: number;
  readonly deadlineMs: number;
  readonly attachment: number;
  readonly attached: boolean;
}

export class Lease implements HasDeadline, HasRow {
  readonly id: bigint;
  readonly ttlMs: number;
  row = -1;
  queuedMs = 0;
  /** Number of the last attachment; 0 before the first. */
  attachment: number;
  attached: boolean;
  /** First of the keys' list, which runs through the key table. */
  firstKey = none;
  keyCount = 0;
  private readonly rows: LeaseRows<Lease>;

  constructor({ id, ttlMs, attachment, attached }: LeaseState, rows: LeaseRows<Lease>) {
    this.id = id;
    this.ttlMs = ttlMs;
    this.attachment = attachment;
    this.attached = attached;
    this.rows = rows;
  }

  get deadlineMs(): number {
    return this.rows.deadlinesMs[this.row] as number;
  }

  set deadlineMs(deadlineMs: number) {
    this.rows.deadlinesMs[this.row] = deadlineMs;
  }
}

export class LeaseTable {
  /** In the order in which they were granted. */
  private readonly leases = new Set<Lease>();
  private readonly rows = new LeaseRows<Lease>();
  private readonly deadlines = new Deadlines<Lease>();
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
    store.onLeaseChange = (key, from, to) => this.moveKey(key, from, to);
  }

  get count(): number {
    return this.leases.size;
  }

  has(id: bigint): boolean {
    return this.rows.find(id) !== undefined;
  }

  get(id: bigint): Lease | undefined {
    return this.rows.find(id);
  }

  /** In the order in which they were granted, which is the same on all replicas. */
  all(): IterableIterator<Lease> {
    return this.leases.values();
  }

  /** The failure, if any. */
  grant(id: bigint, ttlMs: number, timeMs: number): CommandFailure | undefined {
    if (!(ttlMs >= 1 && ttlMs <= maxTtlMs)) return 'ttl-out-of-range';
    if (this.has(id)) return 'lease-exists';
    this.add({ id, ttlMs, deadlineMs: timeMs + ttlMs, attachment: 0, attached: false });
    return undefined;
  }

  add(state: LeaseState): void {
    const lease = new Lease(state, this.rows);
    this.leases.add(lease);
    this.rows.add(state.id, state.ttlMs, state.deadlineMs, lease);
    this.deadlines.add(lease);
  }

  /** The lease's TTL, or 0 if it is not there. */
  renew(id: bigint, timeMs: number): number {
    return this.rows.renew(id, timeMs);
  }

  /** The attachment's number, or undefined if there is no such lease. */
  attach(id: bigint, timeMs: number): number | undefined {
    const lease = this.rows.find(id);
    if (lease === undefined) return undefined;
    lease.deadlineMs = timeMs + lease.ttlMs;
    lease.attachment++;
    lease.attached = true;
    return lease.attachment;
  }

  /** False, with no effect, unless `attachment` is current: the last one, and not detached already. */
  detach(id: bigint, attachment: number, graceMs: number, timeMs: number): boolean {
    const lease = this.rows.find(id);
    if (lease === undefined || !lease.attached || lease.attachment !== attachment) return false;
    lease.attached = false;
    const deadlineMs = timeMs + graceMs;
    if (deadlineMs < lease.deadlineMs) {
      lease.deadlineMs = deadlineMs;
      // Below what the heap knows, it must be told; above, its entry is corrected when it comes up.
      if (deadlineMs < lease.queuedMs) this.deadlines.add(lease);
    }
    return true;
  }

  /** Deletes its keys, in one revision, and takes it out. */
  end(lease: Lease): void {
    for (const row of this.keyRows(lease)) this.store.delete(row);
    this.store.commit();
    this.leases.delete(lease);
    this.deadlines.remove(lease);
    this.rows.remove(lease);
  }

  /** Takes the leases whose deadline is strictly before `timeMs`, earliest first, by id among equals. */
  takeDue(timeMs: number): Lease[] {
    const due = this.deadlines.takeDue(timeMs);
    due.sort((left, right) => left.deadlineMs - right.deadlineMs || (left.id < right.id ? -1 : 1));
    return due;
  }

  earliestDeadline(exactBelowMs: number): number {
    return this.deadlines.earliest(exactBelowMs);
  }

  /** Key rows of a lease, in key order. */
  keyRows(lease: Lease): number[] {
    const keys = this.store.keys;
    const rows: number[] = [];
    for (let row = lease.firstKey; row !== none; ) {
      rows.push(row);
      row = keys.page(row).nextOfLease[rowInPage(row)] as number;
    }
    return rows.sort((left, right) => compareBytes(keys.view(left), keys.view(right)));
  }

  info(id: bigint, withKeys: boolean): LeaseInfo | undefined {
    const lease = this.rows.find(id);
    if (lease === undefined) return undefined;
    return {
      lease: lease.id,
      grantedTtlMs: lease.ttlMs,
      deadlineMs: lease.deadlineMs,
      attachment: lease.attached ? lease.attachment : 0,
      keys: withKeys ? this.keyRows(lease).map((row) => this.store.keys.copy(row)) : [],
    };
  }

  /** Takes a key from one lease's list to another's; 0n is no lease. */
  moveKey(key: number, from: bigint, to: bigint): void {
    const { nextOfLease, previousOfLease } = this.store.keys.page(key);
    const i = rowInPage(key);
    if (from !== 0n) {
      const lease = this.need(from);
      const next = nextOfLease[i] as number;
      const previous = previousOfLease[i] as number;
      if (previous === none) lease.firstKey = next;
      else this.store.keys.page(previous).nextOfLease[rowInPage(previous)] = next;
      if (next !== none) this.store.keys.page(next).previousOfLease[rowInPage(next)] = previous;
      lease.keyCount--;
      nextOfLease[i] = none;
      previousOfLease[i] = none;
    }
    if (to !== 0n) {
      const lease = this.need(to);
      const first = lease.firstKey;
      nextOfLease[i] = first;
      previousOfLease[i] = none;
      if (first !== none) this.store.keys.page(first).previousOfLease[rowInPage(first)] = key;
      lease.firstKey = key;
      lease.keyCount++;
    }
  }

  private need(id: bigint): Lease {
    const lease = this.rows.find(id);
    if (lease === undefined) throw new InvariantViolation(`A key hangs on lease ${id}, which is not there.`);
    return lease;
  }
}
