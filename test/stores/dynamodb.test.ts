import { after, before, describe, test } from 'node:test';
import { type ConformanceTarget, conformanceTests, losingAnswers } from '../../src/conformance/index.ts';
import { dynamodbStore } from '../../src/stores/dynamodb.ts';
import {
  type DynamodbServer,
  dynamodbMissing,
  dynamodbPrograms,
  startDynamodb,
} from '../servers/dynamodb.ts';

const pollMs = 50;

function register(open: () => Promise<ConformanceTarget>): void {
  for (const { name, run } of conformanceTests(open, { patienceMs: 60_000 })) {
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
}

for (const program of dynamodbPrograms) {
  describe(`The DynamoDB store conforms on ${program}`, {
    concurrency: 4,
    skip: dynamodbMissing(program) ?? false,
  }, () => {
    let server: DynamodbServer;
    before(async () => {
      server = await startDynamodb(program);
    });
    after(async () => {
      await server?.[Symbol.asyncDispose]();
    });
    const open = () => {
      const { table } = server;
      const client = server.client();
      const store = dynamodbStore({ client, table, pollMs });
      return { store, client };
    };
    register(async () => {
      const { store: own, client } = open();
      const { store, loseNextAnswer } = losingAnswers(own);
      const clients = [client];
      return {
        ...{ store, loseNextAnswer },
        another: async () => {
          const second = open();
          clients.push(second.client);
          return second.store;
        },
        async [Symbol.asyncDispose]() {
          await store[Symbol.asyncDispose]();
          for (const one of clients) one.destroy();
        },
      };
    });
  });
}
