import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import { Member } from '../../member/index.ts';
import type { MemberObserver } from '../../member/observer.ts';
import { type MemberOptions, setUp } from '../../member/options.ts';
import type { Network } from '../../runtime/types.ts';
import { DurableReader } from './durable-reader.ts';
import { DiskBench } from './testing.ts';

/** A member without others needs none. */
const nobody: Network = {
  listen: async (address) => ({ address, close: async () => {}, [Symbol.asyncDispose]: async () => {} }),
  connect: async () => {
    throw new ConclaveError('unavailable', 'Nobody is there.', { retryable: true });
  },
};

function optionsOf(bench: DiskBench, observer: MemberObserver = {}): MemberOptions {
  bench.process.attach({ disk: bench.view, network: nobody });
  return {
    name: 'm0',
    dataDir: '/data',
    peerListenUrls: ['http://127.0.0.1:3000'],
    clientAdvertiseUrls: ['http://127.0.0.1:2000'],
    initialCluster: [{ name: 'm0', peerUrls: ['http://127.0.0.1:3000'] }],
    snapshotCount: 15,
    observer,
    runtime: bench.process.runtime,
  };
}

function put(number: number) {
  const [key, value] = [Uint8Array.of(number), new Uint8Array(300).fill(number)];
  const flags = { prevKv: false, ignoreValue: false, ignoreLease: false };
  return { type: 'put', request: { key, value, lease: 0n, ...flags } } as const;
}

test('a real member keeps all it acknowledged through deaths and power failures, and the reader follows it', async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const bench = new DiskBench(seed);
    const random = bench.world.random('test');
    const { clusterId, memberId } = setUp(optionsOf(bench));
    const reader = new DurableReader({ disk: bench.disk, folder: '/data', clusterId, memberId, group: 1 });
    let acknowledged = 0;
    for (let life = 0; life < 6; life++) {
      bench.restart({ powerFails: random.chance(0.6) });
      assert.equal(reader.refusal, undefined);
      const found = reader.lastIndex;
      assert.ok(found >= acknowledged, `found ${found}, acknowledged ${acknowledged}`);
      const observer: MemberObserver = {
        applied(entry) {
          acknowledged = entry.index;
          assert.ok(reader.lastIndex >= entry.index);
        },
      };
      const member = await bench.during(Member.start(optionsOf(bench, observer)));
      for (let count = 0; count < 20; count++) await bench.during(member.propose(put(count)));
      for (let count = 0; count < 3; count++) member.propose(put(count)).catch(() => {});
      await bench.passes(random.tailed(0, 500));
    }
    assert.ok(reader.snapshotIndex > 0 && reader.term > 0);
  }
});
