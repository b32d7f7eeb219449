import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TransportFactory } from '../../client/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { type RangeRequest, services } from '../../wire/index.ts';
import { simulatedTransport } from '../calls/index.ts';
import { nameOf } from './testing/bench.ts';
import { TestingCluster, type TestingClusterOptions } from './testing.ts';

/** Members and clients die and come back, a member is cut off, all connections break. */
async function live(seed: number, options: TestingClusterOptions = {}): Promise<TestingCluster> {
  const cluster = new TestingCluster(seed, options);
  await cluster.run(1500);
  for (let round = 0; round < 3; round++) {
    cluster.killMember((seed + round) % 3);
    cluster.workload.kill((seed + round) % 8);
    await cluster.run(700);
    cluster.startMember((seed + round) % 3);
    cluster.network.isolate(cluster.host(round), 'both');
    await cluster.run(300);
    cluster.network.breakConnections({ seenBy: 'one' });
    cluster.network.heal();
    cluster.workload.restart((seed + round) % 8);
    await cluster.run(900);
  }
  await cluster.finish();
  return cluster;
}

/** A client that forgets to say that it wants to read what is new. */
function lazyTransport(runtime: Runtime): TransportFactory {
  const factory = simulatedTransport(runtime);
  return (endpoint) => {
    const transport = factory(endpoint);
    const unary: typeof transport.unary = (method, request, options) => {
      if (method.path === services.KV.range.path) (request as RangeRequest).serializable = true;
      return transport.unary(method, request, options);
    };
    return {
      endpoint,
      unary,
      stream: (method, options) => transport.stream(method, options),
      onBreak: (listener) => transport.onBreak(listener),
      close: (cause) => transport.close(cause),
    };
  };
}

describe('Clients of a simulated cluster', () => {
  test('leave a history that holds in every respect, while members and clients are killed and cut off', async () => {
    const { history, workload } = await live(3);
    const ok = history.operations.filter(({ outcome }) => outcome === 'ok');
    assert.ok(ok.length > 150, `${ok.length} operations succeeded`);
    const kinds = new Set(ok.map(({ call }) => call.type));
    for (const kind of ['range', 'put', 'delete', 'txn', 'grant', 'renew'] as const)
      assert.ok(kinds.has(kind), kind);
    assert.ok(history.operations.some(({ outcome }) => outcome === 'unknown'));
    assert.ok(history.watchCount > 0);
    assert.equal(workload.pending, 0);
  });

  test('do the same again with the same seed', async () => {
    const [one, two] = [await live(5), await live(5)];
    assert.equal(one.world.trace.hash, two.world.trace.hash);
    assert.deepEqual(one.history.operations, two.history.operations);
  });

  test('that send several at once share entries, and hold in every respect', async () => {
    const { history } = await live(3, { burst: 8 });
    assert.ok(history.sharedEntries > 20, `${history.sharedEntries} entries of several commands`);
    const atOnce = Map.groupBy(history.operations, ({ client, invokedUs }) => `${client} ${invokedUs}`);
    assert.equal(Math.max(...[...atOnce.values()].map(({ length }) => length)), 8);
  });

  test('are found out where they read without asking the leader', async () => {
    let found: unknown;
    for (let seed = 3; seed < 9 && found === undefined; seed++) {
      found = await live(seed, { transport: lazyTransport }).then(
        () => undefined,
        (error: unknown) => error,
      );
    }
    assert.ok(['15-linearizable-reads', 'log-witness'].includes(nameOf(found)), String(found));
  });
});
