import { after, before, describe, test } from 'node:test';
import { type ConformanceTarget, conformanceTests, losingAnswers } from '../../src/conformance/index.ts';
import { etcdStore } from '../../src/stores/etcd.ts';
import { peer } from '../peers.ts';
import { EtcdCluster } from './etcd-cluster.ts';

const etcd = peer('etcd');
const skip = etcd.missing ?? false;
const path = etcd.path ?? '';

describe('The etcd store conforms on three members', { concurrency: 4, skip }, () => {
  let cluster: EtcdCluster | undefined;
  before(async () => {
    cluster = await EtcdCluster.start(path, 3);
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });
  const open = async (): Promise<ConformanceTarget> => {
    const endpoints = (cluster as EtcdCluster).endpoints;
    const { store, loseNextAnswer } = losingAnswers(etcdStore({ endpoints }));
    return {
      store,
      another: async () => etcdStore({ endpoints }),
      loseNextAnswer,
      [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.asyncDispose]()),
    };
  };
  for (const { name, run } of conformanceTests(open, { patienceMs: 30_000 })) {
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
});
