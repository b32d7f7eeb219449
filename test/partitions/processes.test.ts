import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  boundOf,
  type PartitionRouter,
  type PartitionsStatus,
  partitionRouter,
} from '../../src/partitions/index.ts';
import { conclaveStore } from '../../src/stores/conclave.ts';
import { TestCluster } from '../integration/cluster.ts';

const script = fileURLToPath(new URL('member.ts', import.meta.url));
const count = 64;

/** Resolves with the first status that fits; the test's own time is the limit. */
async function until(router: PartitionRouter, fits: (status: PartitionsStatus) => boolean) {
  for (;;) {
    const status = await router.status();
    if (fits(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('processes on a real cluster share partitions; those of a killed one are led again, one that stops hands over', {
  timeout: 300_000,
}, async (context) => {
  await using cluster = await TestCluster.start(3);
  const endpoints = cluster.members.map(({ clientUrl }) => clientUrl);
  const children = new Map<string, ChildProcess>();
  context.after(() => {
    for (const child of children.values()) child.kill('SIGKILL');
  });
  const start = (holder: string) => {
    const args = [script, endpoints.join(','), 'work', holder, String(count)];
    children.set(holder, spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] }));
  };
  await using store = conclaveStore({ endpoints });
  await using router = partitionRouter(store, 'work');
  for (const holder of ['a', 'b', 'c']) start(holder);
  const settled = (members: number) => (status: PartitionsStatus) =>
    status.members.length === members &&
    status.members.every(({ assigned }) => assigned > 0) &&
    status.totals.led === count;
  const before = await until(router, settled(3));
  for (const { leading } of before.members) assert(leading <= boundOf(count, 1, 3));

  const ofB = before.partitions.filter(({ leader }) => leader?.holder === 'b');
  assert(ofB.length > 0);
  children.get('b')?.kill('SIGKILL');
  const after = await until(router, settled(2));
  for (const { partition, leader } of ofB) {
    const now = after.partitions.find((other) => other.partition === partition);
    assert((now?.leader?.token ?? 0) > (leader?.token ?? 0));
  }
  const stayed = after.partitions.filter(({ partition, leader }) => {
    return before.partitions.some(
      (was) => was.partition === partition && was.leader?.token === leader?.token,
    );
  });
  assert.equal(stayed.length, count - ofB.length, 'the others were not disturbed');
  const route = await router.route('some key');
  assert.equal(route.metadata, `pid ${children.get(route.holder ?? '')?.pid}`);

  start('d');
  await until(router, settled(3));
  const a = children.get('a') as ChildProcess;
  a.stdin?.end();
  const [code] = await once(a, 'exit');
  assert.equal(code, 0);
  const last = await until(router, settled(2));
  assert.deepEqual(last.members.map(({ holder }) => holder).sort(), ['c', 'd']);
});
