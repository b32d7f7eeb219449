import { after, before, describe, test } from 'node:test';
import { type ConformanceTarget, conformanceTests, losingAnswers } from '../../src/conformance/index.ts';
import { createNatsBucket, natsStore } from '../../src/stores/nats.ts';
import type { ChildServer } from '../servers/child-server.ts';
import { connectNats, natsMissing, startNats } from '../servers/nats.ts';

/** This machine may be busy. */
const timeoutMs = 30_000;
const skip = natsMissing ?? false;

function register(open: () => Promise<ConformanceTarget>): void {
  for (const { name, run } of conformanceTests(open, { ttlMs: 1500, patienceMs: 60_000 })) {
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
}

describe('The NATS store conforms', { concurrency: 4, skip }, () => {
  let server: ChildServer;
  before(async () => {
    server = await startNats();
    const connection = await connectNats(server.port);
    await createNatsBucket(connection, { replicas: 1 });
    await connection.close();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  register(async () => {
    const connection = await connectNats(server.port);
    const { store, loseNextAnswer } = losingAnswers(natsStore({ connection, timeoutMs }));
    const stores = [store];
    return {
      ...{ store, loseNextAnswer },
      async another() {
        const second = natsStore({ url: `nats://127.0.0.1:${server.port}`, timeoutMs });
        stores.push(second);
        return second;
      },
      async [Symbol.asyncDispose]() {
        await Promise.all(stores.map((one) => one[Symbol.asyncDispose]()));
        await connection.close();
      },
    };
  });
});
