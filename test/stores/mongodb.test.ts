import { after, before, describe, test } from 'node:test';
import { type ConformanceTarget, conformanceTests, losingAnswers } from '../../src/conformance/index.ts';
import { mongodbStore } from '../../src/stores/mongodb.ts';
import { type MongoServer, mongodbMissing, startMongodb } from '../servers/mongodb.ts';

/** This machine may be busy. */
const timeoutMs = 60_000;
const skip = mongodbMissing ?? false;

function register(open: () => Promise<ConformanceTarget>): void {
  for (const { name, run } of conformanceTests(open, { ttlMs: 1500, patienceMs: 120_000 })) {
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
}

describe('The MongoDB store conforms', { concurrency: 4, skip }, () => {
  let server: MongoServer;
  before(async () => {
    server = await startMongodb();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  register(async () => {
    const client = server.client();
    const options = { database: 'conformance', timeoutMs };
    const { store, loseNextAnswer } = losingAnswers(mongodbStore({ client, ...options }));
    const stores = [store];
    return {
      ...{ store, loseNextAnswer },
      async another() {
        const second = mongodbStore({ url: server.url, ...options });
        stores.push(second);
        return second;
      },
      async [Symbol.asyncDispose]() {
        await Promise.all(stores.map((one) => one[Symbol.asyncDispose]()));
        await client.close();
      },
    };
  });
});
