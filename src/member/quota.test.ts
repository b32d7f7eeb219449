import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Alarm, type Command, type CommandResult, Keyspace } from '../keyspace/index.ts';
import { Quota } from './quota.ts';

const put = (bytes: number): Command => ({
  type: 'put',
  request: {
    ...{ key: new Uint8Array(0), value: new Uint8Array(bytes), lease: 0n },
    ...{ prevKv: false, ignoreValue: false, ignoreLease: false },
  },
});

function setUp(quotaBytes: number, sizeBytes: number) {
  const raised: Alarm[] = [];
  const proposed: Command[] = [];
  const keyspace = Object.defineProperties(new Keyspace(), {
    sizeBytes: { value: sizeBytes },
    alarms: { value: () => raised },
  });
  const propose = async (command: Command): Promise<CommandResult> => {
    proposed.push(command);
    await Promise.resolve();
    if (command.type === 'alarm') raised.push({ member: command.member, kind: command.kind });
    return { revision: 1, outcome: { type: 'alarm', alarms: raised } };
  };
  const quota = new Quota({ quotaBytes, memberId: 5, keyspace: () => keyspace, propose });
  return { quota, proposed };
}

test('what would reach the quota has no room, and what adds nothing always has', () => {
  const { quota } = setUp(10_000, 9000);
  assert.equal(quota.hasRoomFor(put(700)), true);
  assert.equal(quota.hasRoomFor(put(744)), false);
  assert.equal(quota.hasRoomFor({ type: 'leaseGrant', lease: 1n, ttlMs: 1 }), true);
  const full = setUp(10_000, 10_000).quota;
  assert.equal(full.hasRoomFor({ type: 'leaseGrant', lease: 1n, ttlMs: 1 }), false);
  for (const command of [
    { type: 'compact', revision: 1 },
    { type: 'leaseRevoke', lease: 1n },
  ] as const) {
    assert.equal(full.hasRoomFor(command), true);
  }
  assert.equal(setUp(-1, 10_000).quota.hasRoomFor(put(700)), true);
});

test('the alarm is raised once for all that is refused, and not again while it stands', async () => {
  const { quota, proposed } = setUp(10, 10);
  const results = await Promise.all([quota.refuse(), quota.refuse()]);
  results.push(await quota.refuse());
  assert.deepEqual(proposed, [{ type: 'alarm', raise: true, kind: 'no-space', member: 5n }]);
  for (const { outcome } of results) assert.deepEqual(outcome, { type: 'failed', failure: 'no-space' });
});
