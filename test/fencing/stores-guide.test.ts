// The examples of docs/guides/fencing-stores.md, as they stand there, against a real cluster and real stores.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Guide, guidePatience as patience } from '../guide.ts';
import { TestCluster } from '../integration/cluster.ts';
import { mongodbMissing, startMongodb } from '../servers/mongodb.ts';
import { redisMissing, startRedis } from '../servers/redis.ts';
import { s3Missing, startS3 } from '../servers/s3.ts';

const guide = new Guide('fencing-stores');

describe('the guide to fencing stores', () => {
  let cluster: TestCluster;

  before(async () => {
    cluster = await TestCluster.start(1);
    const url = cluster.members[0]?.clientUrl ?? '';
    await guide.unpack((code) => code.replaceAll('http://127.0.0.1:2379', url));
  }, patience);
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await guide[Symbol.asyncDispose]();
  });

  const outputOf = (name: string, env: Readonly<Record<string, string>>) => guide.outputOf(name, { env });

  test('its examples type-check strictly', patience, () => guide.typeCheck('dom'));

  test('the examples of S3', { ...patience, skip: s3Missing ?? false }, async () => {
    await using server = await startS3();
    const variables = {
      BUCKET: server.bucket,
      AWS_ENDPOINT_URL: server.url,
      AWS_REGION: process.env.AWS_REGION ?? 'us-east-1',
      AWS_ACCESS_KEY_ID: process.env.AWS_ACCESS_KEY_ID ?? 'test',
      AWS_SECRET_ACCESS_KEY: process.env.AWS_SECRET_ACCESS_KEY ?? 'test',
    };
    assert.match(await outputOf('s3-report.ts', variables), /^version 2, by token \d+$/m);
    assert.match(await outputOf('s3-report.ts', variables), /^version 4, by token \d+$/m);
    assert.match(await outputOf('s3-json.ts', variables), /"runs":1/);
    assert.match(await outputOf('s3-json.ts', variables), /"runs":2/);
  });

  test('the example of MongoDB', { ...patience, skip: mongodbMissing ?? false }, async () => {
    await using server = await startMongodb();
    const variables = { MONGODB_URL: server.url };
    const again = await outputOf('mongodb-report.ts', variables);
    assert.match(again, /^\d+ runs, last by token \d+\nsent$/m);
  });

  test('the example of Redis', { ...patience, skip: redisMissing ?? false }, async () => {
    await using server = await startRedis();
    const variables = { REDIS_URL: `redis://127.0.0.1:${server.port}` };
    assert.match(await outputOf('redis-report.ts', variables), /^report 1\n1 in the queue$/m);
    assert.match(await outputOf('redis-report.ts', variables), /^report 2\n2 in the queue$/m);
  });

  test('no example is left out', { skip: s3Missing ?? mongodbMissing ?? redisMissing ?? false }, () =>
    guide.assertAllRun(),
  );
});
