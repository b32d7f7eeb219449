import { type CommandResult, decodeBatch } from '../../keyspace/index.ts';
import type { Entry } from '../../raft/index.ts';
import {
  type Checker,
  type CheckerFactory,
  type LifeSight,
  type MemberSight,
  violated,
} from '../observation.ts';
import type { OneHolderOptions } from './excuses.ts';
import type { ElectionReports, ElectionWitness, Hold } from './reports.ts';

interface Lease {
  ttlMs: number;
  /** When the latest acknowledged request to grant or renew it was sent; undefined: nobody was told that it lives. */
  sentUs: number | undefined;
  /** Somebody has asked for its end. */
  revoked: boolean;
  /** The connection that it is bound to broke on its holder's side, and it is not bound to another yet. */
  ended: boolean;
  /** Its latest one; 0: it never had any. */
  attachment: number;
  /** Since when it has that one. */
  attachedUs: number;
  /** Who is bound; undefined: nobody was told so. */
  holder: Hold['process'] | undefined;
  /** When the holder last gave a binding up, or knew that one had broken. */
  unboundUs: number;
  /** Somebody asked to renew it. */
  renewed: boolean;
}

/** Cluster time as the first replica to apply an entry had it then. */
interface Stamp {
  readonly atUs: number;
  readonly timeMs: number;
}

/** After a leader lives, or a change of leader: what cluster time may stand still in all. */
const lateMs = 4000;
const stampEveryMs = 50;

/**
 * Sees what expired by comparing the first replica's leases before and after an entry. What a lease was promised
 * comes from those who hold it: the time before they sent the request that was acknowledged.
 */
class Leases implements Checker, ElectionWitness {
  readonly name = '18-leases';
  readonly claim =
    'A lease never expires before its acknowledged TTL in true time, and it does expire in the end.';
  readonly #life: LifeSight;
  readonly #reports: ElectionReports;
  readonly #oneSided: (process: object) => boolean;
  readonly #leases = new Map<bigint, Lease>();
  /** Those that the first replica has. */
  readonly #there = new Set<bigint>();
  readonly #stamps: Stamp[] = [];
  #appliedIndex = 0;

  constructor(life: LifeSight, reports: ElectionReports, options: OneHolderOptions) {
    this.#life = life;
    this.#reports = reports;
    this.#oneSided = options.oneSided ?? (() => false);
    reports.subscribe(this);
  }

  leaseAcknowledged(id: bigint, ttlMs: number, sentUs: number): void {
    const lease = this.#lease(id, ttlMs);
    lease.ttlMs = ttlMs;
    if (lease.sentUs === undefined || sentUs > lease.sentUs) lease.sentUs = sentUs;
  }

  leaseRenewing(id: bigint): void {
    this.#lease(id, 0).renewed = true;
  }

  leaseRevoked(id: bigint): void {
    this.#lease(id, 0).revoked = true;
  }

  leaseBound(id: bigint, process: Hold['process']): void {
    this.#lease(id, 0).holder = process;
  }

  leaseUnbound(id: bigint): void {
    this.#lease(id, 0).unboundUs = this.#life.nowUs;
  }

  leaseMissing(id: bigint): void {
    const lease = this.#leases.get(id);
    if (lease !== undefined) this.#checkNotEarly(id, lease, 'was said to be gone');
  }

  leaseThere(id: bigint, ttlMs: number, untouchedSinceUs: number, sentUs: number): void {
    const { writtenUs } = this.#reports;
    if (writtenUs !== undefined)
      this.#checkNotLate(id, ttlMs, sentUs - Math.max(untouchedSinceUs, writtenUs));
  }

  applied(member: MemberSight, entry: Entry, results: readonly CommandResult[]): void {
    if (entry.index <= this.#appliedIndex || member.keyspace === undefined) return;
    this.#appliedIndex = entry.index;
    const { keyspace } = member;
    const last = this.#stamps.at(-1);
    if (last === undefined || keyspace.timeMs >= last.timeMs + stampEveryMs)
      this.#stamps.push({ atUs: this.#life.nowUs, timeMs: keyspace.timeMs });
    const changed = results.some(({ outcome }) => lasting.has(outcome.type));
    if (changed) this.#noteEnds(entry, results);
    if (results.some(({ outcome }) => outcome.type === 'leaseRenew')) this.#checkRenewals(entry);
    if (!changed && keyspace.leaseCount === this.#there.size) return;
    for (const id of this.#there) {
      if (keyspace.lease(id, false) !== undefined) continue;
      this.#there.delete(id);
      const lease = this.#leases.get(id);
      if (lease === undefined || lease.ended || lease.revoked) continue;
      this.#reports.counts.leasesExpired += 1;
      this.#checkNotEarly(id, lease, `expired with entry ${entry.index} on ${member.name}`);
    }
    if (keyspace.leaseCount !== this.#there.size) for (const id of keyspace.leases()) this.#there.add(id);
  }

  /** What is still there must be young by the cluster's time, and that must have moved on. */
  ended(): void {
    let latest: MemberSight | undefined;
    for (const member of this.#life.members) {
      if (!member.running || member.keyspace === undefined) continue;
      if (latest?.keyspace === undefined || member.keyspace.appliedIndex > latest.keyspace.appliedIndex)
        latest = member;
    }
    const keyspace = latest?.keyspace;
    if (keyspace === undefined) return;
    const from = this.#reports.writtenUs ?? this.#life.nowUs;
    for (const id of keyspace.leases()) {
      const info = keyspace.lease(id, false);
      if (info === undefined) continue;
      if (info.deadlineMs < keyspace.timeMs) {
        const overMs = keyspace.timeMs - info.deadlineMs;
        violated(this, `Lease ${name(id)} is still there ${overMs} ms of cluster time after its deadline.`);
      }
      const touchedMs = info.deadlineMs - info.grantedTtlMs;
      const touched = this.#stamps.find(({ timeMs }) => timeMs >= touchedMs);
      if (touched === undefined) continue;
      this.#checkNotLate(id, info.grantedTtlMs, this.#life.nowUs - Math.max(touched.atUs, from));
    }
  }

  #lease(id: bigint, ttlMs: number): Lease {
    let lease = this.#leases.get(id);
    if (lease === undefined) {
      lease = {
        ...{ ttlMs, sentUs: undefined, revoked: false, ended: false, renewed: false, attachment: 0 },
        ...{ attachedUs: 0, holder: undefined, unboundUs: -1 },
      };
      this.#leases.set(id, lease);
    }
    return lease;
  }

  /** Which leases lost or got back their connection. A revocation or detach that nobody asked for excuses nothing. */
  #noteEnds(entry: Entry, results: readonly CommandResult[]): void {
    for (const [position, { command }] of decodeBatch(entry.data).commands.entries()) {
      const outcome = results[position]?.outcome;
      if (command.type === 'attach' && outcome?.type === 'attach') {
        // It has its whole TTL again.
        const lease = this.#lease(command.lease, 0);
        lease.ended = false;
        lease.attachment = outcome.attachment;
        lease.attachedUs = this.#life.nowUs;
      } else if (command.type === 'detach') {
        const lease = this.#lease(command.lease, 0);
        // The break of an older connection says nothing of the present one.
        if (command.attachment === lease.attachment && this.#hasLeft(lease)) lease.ended = true;
      }
    }
  }

  /** Whether the holder's side of the present binding may have ended: a detach that it has no part in excuses nothing. */
  #hasLeft({ holder, unboundUs, attachedUs }: Lease): boolean {
    return holder === undefined || !holder.alive || unboundUs >= attachedUs || this.#oneSided(holder);
  }

  /** Nobody's renewal but a client's: leases that nobody wants must go. */
  #checkRenewals(entry: Entry): void {
    for (const { command } of decodeBatch(entry.data).commands) {
      if (command.type !== 'leaseRenew') continue;
      for (const id of command.leases) {
        const lease = this.#leases.get(id);
        if (lease?.sentUs === undefined || lease.renewed) continue;
        violated(
          this,
          `Entry ${entry.index} renews lease ${name(id)}, which nobody has ever asked to renew.`,
        );
      }
    }
  }

  #checkNotEarly(id: bigint, lease: Lease, what: string): void {
    if (lease.ended || lease.revoked || lease.sentUs === undefined) return;
    const leastUs = (lease.ttlMs * 1000) / (1 + this.#life.clockDriftRate);
    const livedUs = this.#life.nowUs - lease.sentUs;
    // Half a microsecond: what is lost where large clock readings are rounded.
    if (livedUs + 0.5 >= leastUs) return;
    violated(
      this,
      `Lease ${name(id)} with a TTL of ${lease.ttlMs} ms ${what} ${ms(livedUs)} after its last acknowledged request was sent (at ${ms(lease.sentUs)}); it must live for ${ms(leastUs)}.`,
    );
  }

  #checkNotLate(id: bigint, ttlMs: number, goneUs: number): void {
    const mostUs = ttlMs * 1000 * (1 + 2 * this.#life.clockDriftRate) + lateMs * 1000;
    if (goneUs <= mostUs) return;
    violated(
      this,
      `Lease ${name(id)} with a TTL of ${ttlMs} ms is still there ${ms(goneUs)} after it was last renewed or a fresh write came through.`,
    );
  }
}

/** After these a lease may have been granted, ended, or lost its connection. */
const lasting: ReadonlySet<string> = new Set(['leaseGrant', 'leaseRevoke', 'attach', 'detach']);

function name(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16);
}

function ms(us: number): string {
  return `${(us / 1000).toFixed(3)} ms`;
}

/** Invariant 18, of all leases that the clients of `reports` were told of. */
export function leasesChecker(reports: ElectionReports, options: OneHolderOptions = {}): CheckerFactory {
  return (life) => new Leases(life, reports, options);
}
