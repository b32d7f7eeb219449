import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBatch } from './codec-batch.ts';
import { InvariantViolation } from './errors.ts';
import { Keyspace } from './keyspace.ts';
import {
  applyAll,
  applyOne,
  deleteCommand,
  keysOf,
  putCommand,
  rangeRequest,
  text,
  watchRequest,
} from './testing/requests.ts';
import type { Command } from './types.ts';

const all = rangeRequest('\0', '\0');
const tick: Command = { type: 'tick' };

function grant(lease: bigint, ttlMs: number): Command {
  return { type: 'leaseGrant', lease, ttlMs };
}

function withLease(ttlMs = 1000, keys: readonly string[] = ['a']): Keyspace {
  const keyspace = new Keyspace();
  applyAll(keyspace, [grant(7n, ttlMs), ...keys.map((key) => putCommand(key, '', { lease: 7n }))], 100);
  return keyspace;
}

test('a lease ends when the stamp is after its deadline, and not at it', () => {
  const keyspace = withLease();
  assert.equal(keyspace.nextDeadlineMs(), 1100);
  applyOne(keyspace, tick, 1100);
  assert.deepEqual(keysOf(keyspace, all), ['a']);
  applyOne(keyspace, tick, 1101);
  assert.deepEqual(keysOf(keyspace, all), []);
  assert.equal(keyspace.lease(7n, false), undefined);
  assert.equal(keyspace.nextDeadlineMs(), Number.POSITIVE_INFINITY);
});

test('a renewal stamped at the deadline is in time, one after it finds the lease gone', () => {
  const renew: Command = { type: 'leaseRenew', leases: [7n, 8n] };
  const keyspace = withLease();
  assert.deepEqual(applyOne(keyspace, renew, 1100), { type: 'leaseRenew', ttlsMs: [1000, 0] });
  assert.equal(keyspace.nextDeadlineMs(), 2100);
  assert.deepEqual(applyOne(keyspace, renew, 2101), { type: 'leaseRenew', ttlsMs: [0, 0] });
});

test('the keys of a lease that ends go in one revision, and watchers see it', () => {
  const keyspace = withLease(1000, ['b', 'a', 'c']);
  const watcher = keyspace.watch(watchRequest('\0', '\0'), () => {});
  applyOne(keyspace, putCommand('b'));
  const before = keyspace.revision;
  applyOne(keyspace, tick, 5000);
  assert.equal(keyspace.revision, before + 1);
  const batch = watcher.next(100);
  assert.deepEqual(
    batch?.type === 'events' &&
      batch.events.map(({ type, kv }) => `${type} ${text(kv.key)}@${kv.modRevision}`),
    [`put b@${before}`, `delete a@${before + 1}`, `delete c@${before + 1}`],
  );
});

test('leases that end in one entry each take a revision, by deadline and then id', () => {
  const keyspace = new Keyspace();
  const leases = [5n, 3n, 1n, 4n, 2n, -1n];
  applyAll(
    keyspace,
    leases.flatMap((lease) => [
      grant(lease, lease === 4n ? 100 : 500),
      putCommand(`of ${lease}`, '', { lease }),
    ]),
    0,
  );
  const watcher = keyspace.watch(watchRequest('\0', '\0'), () => {});
  const before = keyspace.revision;
  applyOne(keyspace, tick, 10_000);
  const batch = watcher.next(100);
  assert.deepEqual(
    batch?.type === 'events' && batch.events.map(({ kv }) => `${text(kv.key)} at ${kv.modRevision - before}`),
    ['of 4 at 1', 'of -1 at 2', 'of 1 at 3', 'of 2 at 4', 'of 3 at 5', 'of 5 at 6'],
  );
});

test('a lease that ends without keys takes no revision', () => {
  const keyspace = withLease(1000, []);
  applyOne(keyspace, tick, 5000);
  assert.equal(keyspace.leaseCount, 0);
  assert.equal(keyspace.revision, 1);
  applyOne(keyspace, grant(7n, 1000));
  assert.deepEqual(applyOne(keyspace, { type: 'leaseRevoke', lease: 7n }), { type: 'leaseRevoke' });
  assert.equal(keyspace.revision, 1);
});

test('grants outside the range of TTLs, of a taken id, and revokes of no lease are refused', () => {
  const keyspace = withLease();
  const failure = (command: Command) => {
    const outcome = applyOne(keyspace, command);
    return outcome.type === 'failed' && outcome.failure;
  };
  for (const ttlMs of [0, -5, 9_000_000_000_001]) assert.equal(failure(grant(9n, ttlMs)), 'ttl-out-of-range');
  assert.equal(failure(grant(9n, 9_000_000_000_000)), false);
  assert.equal(failure(grant(7n, 5)), 'lease-exists');
  assert.equal(failure({ type: 'leaseRevoke', lease: 8n }), 'lease-not-found');
  assert.equal(failure({ type: 'attach', lease: 8n }), 'lease-not-found');
});

test('a key belongs to the lease of its last put alone', () => {
  const keyspace = withLease(1000, ['a', 'b', 'c']);
  applyAll(keyspace, [
    grant(8n, 5000),
    putCommand('a', '', { lease: 8n }),
    putCommand('b'),
    deleteCommand('c'),
    putCommand('c'),
  ]);
  assert.deepEqual(keyspace.lease(7n, true)?.keys, []);
  assert.deepEqual(keyspace.lease(8n, true)?.keys.map(text), ['a']);
  applyOne(keyspace, { type: 'leaseRevoke', lease: 7n });
  assert.deepEqual(keysOf(keyspace, all), ['a', 'b', 'c']);
});

test('a break shortens the lease to the grace only while its attachment is current', () => {
  const keyspace = withLease();
  const detach = (attachment: number, graceMs: number, timeMs: number) =>
    applyOne(keyspace, { type: 'detach', lease: 7n, attachment, graceMs }, timeMs);
  assert.deepEqual(detach(0, 10, 150), { type: 'detach', current: false });
  assert.deepEqual(applyOne(keyspace, { type: 'attach', lease: 7n }, 200), { type: 'attach', attachment: 1 });
  assert.deepEqual(applyOne(keyspace, { type: 'attach', lease: 7n }, 300), { type: 'attach', attachment: 2 });
  assert.deepEqual(detach(1, 10, 400), { type: 'detach', current: false });
  assert.equal(keyspace.nextDeadlineMs(), 1300);
  assert.deepEqual(detach(2, 10, 400), { type: 'detach', current: true });
  assert.equal(keyspace.nextDeadlineMs(), 410);
  assert.equal(keyspace.lease(7n, false)?.attachment, 0);
  applyOne(keyspace, tick, 411);
  assert.equal(keyspace.leaseCount, 0);
});

test('a grace never lengthens a lease, and a renewal or an attachment restores its TTL', () => {
  const keyspace = withLease();
  applyOne(keyspace, { type: 'attach', lease: 7n }, 100);
  applyOne(keyspace, { type: 'detach', lease: 7n, attachment: 1, graceMs: 99_999 }, 200);
  assert.equal(keyspace.nextDeadlineMs(), 1100);
  applyOne(keyspace, { type: 'attach', lease: 7n }, 200);
  applyOne(keyspace, { type: 'detach', lease: 7n, attachment: 2, graceMs: 0 }, 300);
  applyOne(keyspace, { type: 'leaseRenew', leases: [7n] }, 300);
  assert.equal(keyspace.nextDeadlineMs(), 1300);
  // The same break reported again finds its attachment used up.
  const again: Command = { type: 'detach', lease: 7n, attachment: 2, graceMs: 0 };
  assert.deepEqual(applyOne(keyspace, again, 310), { type: 'detach', current: false });
  assert.deepEqual(applyOne(keyspace, { type: 'attach', lease: 7n }, 400), { type: 'attach', attachment: 3 });
  assert.equal(keyspace.nextDeadlineMs(), 1400);
});

test('many renewals cost the deadlines nothing until they are asked for', () => {
  const keyspace = new Keyspace();
  const leases = Array.from({ length: 500 }, (_, i) => BigInt(i + 1));
  applyAll(
    keyspace,
    leases.map((lease) => grant(lease, 9000)),
    0,
  );
  for (let timeMs = 3000; timeMs <= 300_000; timeMs += 3000) {
    applyOne(keyspace, { type: 'leaseRenew', leases }, timeMs);
    const next = keyspace.nextDeadlineMs(timeMs);
    assert.ok(next >= timeMs && next <= timeMs + 9000);
  }
  assert.equal(keyspace.leaseCount, 500);
  assert.equal(keyspace.nextDeadlineMs(), 309_000);
  applyOne(keyspace, tick, 309_001);
  assert.equal(keyspace.leaseCount, 0);
});

test('cluster time that falls, or an index that does not rise, is an impossible state', () => {
  const keyspace = withLease();
  const hash = keyspace.stateHash();
  const earlier = encodeBatch({ timeMs: 99, commands: [] });
  assert.throws(() => keyspace.apply(2, earlier), InvariantViolation);
  assert.throws(() => keyspace.apply(1, new Uint8Array(0)), InvariantViolation);
  assert.equal(keyspace.stateHash(), hash);
  assert.deepEqual(keyspace.apply(5, new Uint8Array(0)), []);
  assert.equal(keyspace.appliedIndex, 5);
  assert.equal(keyspace.timeMs, 100);
});
