import { after, before, describe, test } from 'node:test';
import { type ConformanceTarget, conformanceTests, losingAnswers } from '../../src/conformance/index.ts';
import { zookeeperStore } from '../../src/stores/zookeeper.ts';
import { startZookeeper, type ZookeeperEnsemble, zookeeperMissing } from '../servers/zookeeper.ts';

const skip = zookeeperMissing ?? false;

function register(open: () => Promise<ConformanceTarget>): void {
  for (const { name, run } of conformanceTests(open, { patienceMs: 60_000 })) {
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
}

describe('The ZooKeeper store conforms on three servers', { concurrency: 8, skip }, () => {
  let ensemble: ZookeeperEnsemble;
  before(async () => {
    ensemble = await startZookeeper(3);
  });
  after(async () => {
    await ensemble?.[Symbol.asyncDispose]();
  });
  register(async () => {
    const { servers } = ensemble;
    const { store, loseNextAnswer } = losingAnswers(zookeeperStore({ servers }));
    return {
      ...{ store, loseNextAnswer },
      another: async () => zookeeperStore({ servers }),
      [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.asyncDispose]()),
    };
  });
});
