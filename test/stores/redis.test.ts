import { after, before, describe, test } from 'node:test';
import { type ConformanceTarget, conformanceTests, losingAnswers } from '../../src/conformance/index.ts';
import { redisStore } from '../../src/stores/redis.ts';
import type { ChildServer } from '../servers/child-server.ts';
import { connectIoredis, connectNodeRedis, redisMissing, startRedis } from '../servers/redis.ts';

const skip = redisMissing ?? false;

function register(open: () => Promise<ConformanceTarget>): void {
  for (const { name, run } of conformanceTests(open, { patienceMs: 30_000 })) {
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
}

describe('The Redis store conforms, by ioredis and by redis at once', { concurrency: 8, skip }, () => {
  let server: ChildServer;
  before(async () => {
    server = await startRedis();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  register(async () => {
    const ioredis = connectIoredis(server.port);
    const nodeRedis = await connectNodeRedis(server.port);
    const { store, loseNextAnswer } = losingAnswers(redisStore({ client: ioredis }));
    return {
      store,
      another: async () => redisStore({ client: nodeRedis }),
      loseNextAnswer,
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]();
        ioredis.disconnect();
        nodeRedis.destroy();
      },
    };
  });
});
