import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AuthChange, encodeBatch, Keyspace, type SubmittedCommand } from '../keyspace/index.ts';
import { type Entry, Raft, type SnapshotMeta } from '../raft/index.ts';
import { LeaderTime } from './leader-time.ts';

const heartbeatIntervalMs = 100;
const configuration = { voters: [1] };
const hardState = { term: 3, votedFor: 0, commitIndex: 0 };

function batch(timeMs: number, ...commands: SubmittedCommand['command'][]): Uint8Array {
  return encodeBatch({ timeMs, commands: commands.map((command) => ({ command, identity: undefined })) });
}

function raft(snapshot: SnapshotMeta | undefined, entries: readonly Entry[]): Raft {
  const options = { groupId: 1, memberId: 1, configuration, random: () => 0.5 };
  return new Raft(options, { hardState, snapshot, entries }, 0);
}

test("time goes on from the last stamp in the leader's own log, committed or not", () => {
  const entries: Entry[] = [
    { index: 1, term: 2, kind: 'command', data: batch(700) },
    { index: 2, term: 3, kind: 'empty', data: new Uint8Array(0) },
  ];
  const time = new LeaderTime(new Keyspace(), raft(undefined, entries), heartbeatIntervalMs);
  time.start(50);
  assert.equal(time.read(60), 710);
});

test('there is no time until the snapshot that the log builds on is loaded, and then it does not fall behind it', () => {
  const behind = new Keyspace();
  const snapshot = { index: 5, term: 3, configuration };
  const time = new LeaderTime(behind, raft(snapshot, []), heartbeatIntervalMs);
  time.start(50);
  assert.equal(time.read(60), undefined);
  assert.equal(time.dueMs(60), Number.POSITIVE_INFINITY);
  const source = new Keyspace();
  source.apply(5, batch(9000));
  const writer = behind.restore();
  const reader = source.snapshot();
  for (let chunk = reader.next(); chunk; chunk = reader.next()) writer.write(chunk);
  writer.finish();
  assert.equal(time.read(70), 9000);
  assert.equal(time.read(75), 9005);
});

test('while auth is enabled, and tokens may be about, the leader logs the time now and then', () => {
  const keyspace = new Keyspace();
  const time = new LeaderTime(keyspace, raft(undefined, []), heartbeatIntervalMs);
  time.start(0);
  assert.equal(time.stampDueMs(0), Number.POSITIVE_INFINITY);
  const user = 'root';
  const changes: AuthChange[] = [
    { kind: 'userAdd', user, passwordHash: '', noPassword: false },
    { kind: 'userGrantRole', user, role: 'root' },
    { kind: 'enable', tokenKey: new Uint8Array(32) },
  ];
  keyspace.apply(1, batch(0, ...changes.map((change) => ({ type: 'auth', change }) as const)));
  assert.equal(time.dueMs(0), heartbeatIntervalMs);
  assert.equal(time.stampDueMs(0), 10_000);
  time.stamped(7000);
  assert.equal(time.stampDueMs(7000), 17_000);
});

test('while there are leases the leader looks at the clock as often as time may pass', () => {
  const keyspace = new Keyspace();
  keyspace.apply(1, batch(0, { type: 'leaseGrant', lease: 7n, ttlMs: 60_000 }));
  const time = new LeaderTime(keyspace, raft(undefined, []), heartbeatIntervalMs);
  time.start(0);
  assert.equal(time.dueMs(0), heartbeatIntervalMs);
});
