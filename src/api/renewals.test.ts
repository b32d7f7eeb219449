import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import type { Command } from '../keyspace/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { RenewalBatch } from './renewals.ts';
import { TestingMember } from './testing.ts';

async function open() {
  const runtime = manualRuntime();
  const member = new TestingMember(runtime);
  for (const lease of [1n, 2n, 3n]) {
    await member.propose({ type: 'leaseGrant', lease, ttlMs: Number(lease) * 1000 });
  }
  member.proposed.length = 0;
  return { runtime, member, batch: new RenewalBatch(member, runtime) };
}

const leasesOf = (command: Command | undefined): readonly bigint[] =>
  command?.type === 'leaseRenew' ? command.leases : [];

test('all keep-alives of one turn go into one command, and each caller gets its own answer', async () => {
  const { runtime, member, batch } = await open();
  const answers = Promise.all([batch.renew([1n]), batch.renew([3n, 9n]), batch.renew([2n])]);
  await runtime.advance(0);
  assert.deepEqual(
    (await answers).map(({ ttlsMs }) => ttlsMs),
    [[1000], [3000, 0], [2000]],
  );
  assert.deepEqual(member.proposed, [{ type: 'leaseRenew', leases: [1n, 3n, 9n, 2n] }]);
});

test('keep-alives of two turns are two commands', async () => {
  const { runtime, member, batch } = await open();
  for (const lease of [1n, 2n]) {
    const answer = batch.renew([lease]);
    await runtime.advance(0);
    await answer;
  }
  assert.equal(member.proposed.length, 2);
});

test('a failed command fails every keep-alive in it, and the next turn works', async () => {
  const { runtime, member, batch } = await open();
  member.failure = new ConclaveError('timeout', 'late', { outcome: 'unknown' });
  const answers = Promise.allSettled([batch.renew([1n]), batch.renew([2n])]);
  await runtime.advance(0);
  assert.deepEqual(
    (await answers).map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  member.failure = undefined;
  const next = batch.renew([1n]);
  await runtime.advance(0);
  assert.deepEqual((await next).ttlsMs, [1000]);
});

test('more leases than one command should carry are split between callers', async () => {
  const { runtime, member, batch } = await open();
  const many = Array.from({ length: 40_000 }, (_, at) => BigInt(at + 1));
  const answers = Promise.all([batch.renew(many), batch.renew(many), batch.renew([2n])]);
  await runtime.advance(0);
  const [, , last] = await answers;
  assert.deepEqual(last.ttlsMs, [2000]);
  assert.deepEqual(
    member.proposed.map((command) => leasesOf(command).length),
    [40_000, 40_001],
  );
});
