import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Command, encodeBatch } from '../../keyspace/index.ts';
import { leasesChecker } from './18-leases.ts';
import type { Hold } from './reports.ts';
import { HandMadeLife } from './testing.ts';

const found = (text: RegExp) => ({ name: 'Violation', checker: '18-leases', message: text });

/** A cluster of one whose clock the test sets: cluster time may be wrong. */
class Cluster extends HandMadeLife {
  #index = 0;

  constructor(clockDriftRate = 0) {
    super(leasesChecker, clockDriftRate);
  }

  /** Applies it at this cluster time; the life's own where it is left out. */
  apply(command: Command, timeMs = Math.floor(this.world.nowUs / 1000)): void {
    this.#index += 1;
    const data = encodeBatch({ timeMs, commands: [{ command, identity: undefined }] });
    const results = this.keyspace.apply(this.#index, data);
    const entry = { index: this.#index, term: 1, kind: 'command' as const, data };
    this.checker.applied?.(this.member, entry, results);
  }

  grant(ttlMs: number): void {
    const sentUs = this.world.nowUs;
    this.apply({ type: 'leaseGrant', lease: 7n, ttlMs });
    this.reports.tell('leaseAcknowledged', 7n, ttlMs, sentUs);
  }

  tick(timeMs?: number): void {
    this.apply({ type: 'tick' }, timeMs);
  }
}

test('a lease that expires after its TTL is counted, and no violation', () => {
  const cluster = new Cluster();
  cluster.grant(500);
  cluster.passMs(501);
  cluster.tick();
  cluster.settle();
  assert.equal(cluster.reports.counts.leasesExpired, 1);
});

test('a lease that expires before its TTL in true time is found', () => {
  const cluster = new Cluster();
  cluster.grant(500);
  cluster.passMs(400);
  assert.throws(
    () => cluster.tick(501),
    found(/TTL of 500 ms expired with entry 2 on member-1 400.000 ms after/),
  );
});

test('a renewal counts from when it was sent, and only if it was acknowledged', () => {
  const unanswered = new Cluster();
  unanswered.grant(500);
  unanswered.passMs(501);
  unanswered.tick();
  const answered = new Cluster();
  answered.grant(500);
  answered.passMs(300);
  answered.reports.tell('leaseAcknowledged', 7n, 500, answered.nowUs);
  answered.passMs(300);
  // The cluster acknowledged it, and did not carry it out.
  assert.throws(() => answered.tick(), found(/300.000 ms after its last acknowledged request was sent/));
});

test('clocks may run wrong by as much as they are allowed to', () => {
  const within = new Cluster(0.1);
  within.grant(1000);
  within.passMs(910);
  within.tick(1001);
  const beyond = new Cluster(0.1);
  beyond.grant(1000);
  beyond.passMs(900);
  assert.throws(() => beyond.tick(1001), found(/expired/));
});

test('a lease that was revoked, or detached from its connection, has not expired early', () => {
  const revoked = new Cluster();
  revoked.grant(500);
  revoked.reports.tell('leaseRevoked', 7n);
  revoked.apply({ type: 'leaseRevoke', lease: 7n });
  const detached = new Cluster();
  detached.grant(500);
  detached.apply({ type: 'attach', lease: 7n });
  detached.apply({ type: 'detach', lease: 7n, attachment: 1, graceMs: 10 });
  detached.passMs(11);
  detached.tick();
  assert.equal(revoked.reports.counts.leasesExpired + detached.reports.counts.leasesExpired, 0);
});

test('a detach excuses nothing while its holder is bound, and does when that was told of a break or is gone', () => {
  const expiresDetached = (before: (cluster: Cluster, holder: Hold['process']) => void): void => {
    const cluster = new Cluster();
    cluster.grant(500);
    cluster.reports.tell('leaseUnbound', 7n);
    cluster.passMs(1);
    cluster.apply({ type: 'attach', lease: 7n });
    const { process } = cluster.hold({ token: 1, forMs: 500, bound: true });
    cluster.reports.tell('leaseBound', 7n, process);
    before(cluster, process);
    cluster.apply({ type: 'detach', lease: 7n, attachment: 1, graceMs: 10 });
    cluster.passMs(11);
    cluster.tick();
  };
  assert.throws(() => expiresDetached(() => {}), found(/expired with entry 4/));
  expiresDetached(({ reports }) => reports.tell('leaseUnbound', 7n));
  expiresDetached((_, holder) => Object.assign(holder, { alive: false }));
});

test('a revocation that no client asked for is found', () => {
  const cluster = new Cluster();
  cluster.grant(500);
  cluster.passMs(400);
  assert.throws(
    () => cluster.apply({ type: 'leaseRevoke', lease: 7n }),
    found(/expired with entry 2 on member-1 400.000 ms after/),
  );
});

test('a renewal that no client asked for is found', () => {
  const asked = new Cluster();
  asked.grant(500);
  asked.reports.tell('leaseRenewing', 7n);
  asked.apply({ type: 'leaseRenew', leases: [7n] });
  const notAsked = new Cluster();
  notAsked.grant(500);
  assert.throws(
    () => notAsked.apply({ type: 'leaseRenew', leases: [7n] }),
    found(/nobody has ever asked to renew/),
  );
});

test('a late detach of an older attachment ends nothing', () => {
  const cluster = new Cluster();
  cluster.grant(500);
  cluster.apply({ type: 'attach', lease: 7n });
  cluster.apply({ type: 'attach', lease: 7n });
  cluster.apply({ type: 'detach', lease: 7n, attachment: 1, graceMs: 0 });
  cluster.passMs(100);
  assert.throws(() => cluster.tick(501), found(/expired/));
});

test('a lease that is said to be gone before its time is found', () => {
  const cluster = new Cluster();
  cluster.grant(500);
  cluster.passMs(100);
  cluster.reports.tell('leaseMissing', 7n);
  assert.throws(() => cluster.settle(), found(/was said to be gone/));
});

test('a lease that is still there long after it was last renewed is found', () => {
  const cluster = new Cluster();
  cluster.grant(500);
  cluster.reports.writtenUs = cluster.nowUs;
  cluster.passMs(4000);
  cluster.checker.ended?.();
  cluster.passMs(1000);
  assert.throws(() => cluster.checker.ended?.(), found(/is still there 5000.000 ms after/));
  const seen = new Cluster();
  seen.reports.writtenUs = 0;
  seen.passMs(5000);
  seen.reports.tell('leaseThere', 7n, 500, 0, seen.nowUs);
  assert.throws(() => seen.settle(), found(/is still there/));
});

test('what hangs on before a fresh write came through is not late', () => {
  const cluster = new Cluster();
  cluster.grant(500);
  cluster.passMs(60_000);
  cluster.reports.writtenUs = cluster.nowUs;
  cluster.checker.ended?.();
});
