import { after, before, describe, test } from 'node:test';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { type ConformanceTarget, conformanceTests, losingAnswers } from '../../src/conformance/index.ts';
import { escapeName } from '../../src/stores/escaped-names.ts';
import { s3Store } from '../../src/stores/s3.ts';
import { type S3Server, s3Missing, startS3 } from '../servers/s3.ts';

// moto is slow, and the machine may be busy.
const patient = { pollMs: 50, timeoutMs: 60_000 };
const skip = s3Missing ?? false;

function register(open: () => Promise<ConformanceTarget>): void {
  for (const { name, run } of conformanceTests(open, { patienceMs: 60_000 })) {
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
}

describe('The S3 store conforms', { concurrency: 3, skip }, () => {
  let server: S3Server;
  before(async () => {
    server = await startS3();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  register(async () => {
    const { bucket } = server;
    const [client, other] = [server.client(), server.client()];
    const { store, loseNextAnswer } = losingAnswers(s3Store({ client, bucket, ...patient }));
    return {
      ...{ store, loseNextAnswer },
      deleteRecords: async (name) => {
        await other.send(
          new DeleteObjectCommand({ Bucket: bucket, Key: `conclave/elections/${escapeName(name)}.json` }),
        );
      },
      another: async () => s3Store({ client: other, bucket, ...patient }),
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]();
        for (const one of [client, other]) one.destroy();
      },
    };
  });
});
