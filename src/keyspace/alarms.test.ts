import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mostAlarms } from './alarms.ts';
import { Keyspace } from './keyspace.ts';
import { applyOne } from './testing/requests.ts';

test('alarms of members that nobody knows are few, and can be disarmed', () => {
  const keyspace = new Keyspace();
  const alarm = (member: number, raise: boolean) =>
    applyOne(keyspace, { type: 'alarm', raise, kind: 'no-space', member: BigInt(member) });
  for (let member = 1; member <= mostAlarms * 4; member++) {
    const alarms = [{ kind: 'no-space', member: BigInt(member) }];
    assert.deepEqual(alarm(member, true), { type: 'alarm', alarms });
  }
  assert.equal(keyspace.alarms().length, mostAlarms);
  // One that stands already may be raised again.
  alarm(1, true);
  assert.equal(keyspace.alarms().length, mostAlarms);
  // They keep nobody from saying that a member's data differ.
  applyOne(keyspace, { type: 'alarm', raise: true, kind: 'corrupt-member', member: 5n });
  assert.deepEqual(keyspace.alarms().at(-1), { kind: 'corrupt-member', member: 5n });
  applyOne(keyspace, { type: 'alarm', raise: false, kind: 'corrupt-member', member: 5n });
  for (const { member } of keyspace.alarms()) alarm(Number(member), false);
  assert.deepEqual(keyspace.alarms(), []);
});
