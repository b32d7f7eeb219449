import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  BatchGetItemCommand,
  CreateTableCommand,
  DeleteItemCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import { losingAnswers } from '../../src/conformance/index.ts';
import { Candidate } from '../../src/election/index.ts';
import type { Runtime } from '../../src/runtime/index.ts';
import {
  createDynamodbTable,
  type DynamodbClient,
  dynamodbDriver,
  dynamodbStore,
} from '../../src/stores/dynamodb.ts';
import { Guide } from '../guide.ts';
import {
  type DynamodbServer,
  dynamodbMissing,
  dynamodbPrograms,
  startDynamodb,
} from '../servers/dynamodb.ts';
import { losingProxy } from '../stand-ins/losing-proxy.ts';
import {
  bounds,
  crowded,
  endsByItself,
  failsWith,
  freshKey,
  opened,
  patience,
  readMany,
  readsBeside,
  registerConformance,
  session,
  withoutDriver,
  written,
} from './checks.ts';
import { leadsAgainAfter, testsOfOutages } from './outage.ts';

const quick = { pollMs: 50, timeoutMs: 300_000 };

type Send = (command: object) => Promise<object>;

const skipOwn =
  process.env.CONCLAVE_TEST_DYNAMODB_URL === undefined ? false : "the server is not this test's to stop";

/** The client, and what is to become of each of its commands. */
function through(
  client: DynamoDBClient,
  meddle: (command: object, send: Send) => Promise<object>,
): DynamodbClient {
  const send: Send = (command) => client.send(command as never);
  return { send: ((command: object) => meddle(command, send)) as DynamodbClient['send'] };
}

/** As the SDK throws it. */
function thrown(name: string, attempts = 1, httpStatusCode = 400): Error {
  return Object.assign(new Error(`${name}, as told`), { name, $metadata: { httpStatusCode, attempts } });
}

for (const program of dynamodbPrograms) {
  const skip = dynamodbMissing(program) ?? false;

  describe(`The DynamoDB store conforms on ${program}`, { concurrency: 4, skip }, () => {
    let server: DynamodbServer;
    before(async () => {
      server = await startDynamodb(program);
    });
    after(async () => {
      await server?.[Symbol.asyncDispose]();
    });
    const target = async () => {
      const { table } = server;
      const [client, other] = [server.client(), server.client()];
      let requests = 0;
      const counting = through(client, (command, send) => {
        requests += 1;
        return send(command);
      });
      const { store, loseNextAnswer } = losingAnswers(dynamodbStore({ client: counting, table, ...quick }));
      return {
        ...{ store, loseNextAnswer, requests: () => requests },
        another: async () => dynamodbStore({ client: other, table, ...quick }),
        anotherOn: async (runtime: Runtime) => dynamodbStore({ client: other, table, ...quick, runtime }),
        driver: () => dynamodbDriver({ client, table }),
        async deleteRecords(name: string) {
          const Key = { id: { S: `conclave/election/${name}` } };
          await other.send(new DeleteItemCommand({ TableName: table, Key }));
        },
        async [Symbol.asyncDispose]() {
          await store[Symbol.asyncDispose]();
          for (const one of [client, other]) one.destroy();
        },
      };
    };
    registerConformance(target);
    describe('also in a crowd', () => registerConformance(target, crowded));
  });

  describe(`The DynamoDB store outlives ${program}`, { concurrency: 2, skip: skip || skipOwn }, () => {
    testsOfOutages(async () => {
      const storage = await mkdtemp(join(tmpdir(), 'conclave-dynamodb-'));
      let running = await startDynamodb(program, { storage });
      const at = Number(new URL(running.url).port);
      const client = running.client();
      const { table } = running;
      return {
        open: () => dynamodbStore({ client, table, ...quick }),
        driver: () => dynamodbDriver({ client, table }),
        stop: async () => await running[Symbol.asyncDispose](),
        async start() {
          running = await startDynamodb(program, { storage, at });
        },
        async [Symbol.asyncDispose]() {
          client.destroy();
          await running[Symbol.asyncDispose]();
          await rm(storage, { recursive: true, force: true });
        },
      };
    });
  });

  describe(`DynamoDB has its ways, as ${program} shows`, { skip }, () => {
    let server: DynamodbServer;
    let client: DynamoDBClient;
    before(async () => {
      server = await startDynamodb(program);
      client = server.client();
    });
    after(async () => {
      client?.destroy();
      await server?.[Symbol.asyncDispose]();
    });
    const driverOf = (more: object = {}) => dynamodbDriver({ client, table: server.table, ...more });
    const itemOf = async (id: string) => {
      const get = new GetItemCommand({
        TableName: server.table,
        Key: { id: { S: id } },
        ConsistentRead: true,
      });
      return (await client.send(get)).Item;
    };

    test(
      'a write whose answer was lost, and which the SDK sent again, is known to be its own',
      patience,
      async () => {
        await using proxy = await losingProxy(Number(new URL(server.url).port));
        const retrying = server.client({ endpoint: `http://127.0.0.1:${proxy.port}` });
        const driver = await opened(driverOf({ client: retrying }));
        const key = freshKey();
        for (const [at, replaces] of [
          [1, false],
          [2, true],
        ] as const) {
          const before = replaces ? (await driver.read(key, bounds))?.version : undefined;
          const lost = proxy.loseAnswersTo('DynamoDB_20120810.PutItem');
          const version = await written(driver, key, session(at), before);
          await lost;
          assert.deepEqual(await driver.read(key, bounds), { text: session(at), version });
        }
        const { version = '' } = (await driver.read(key, bounds)) ?? {};
        const lost = proxy.loseAnswersTo('DynamoDB_20120810.DeleteItem');
        // Whoever removed it: nothing stands there.
        assert.equal(await driver.remove(key, version, bounds), false);
        await lost;
        assert.equal(await driver.read(key, bounds), undefined);
        retrying.destroy();
      },
    );

    test('a write sent again that was replaced in between is said to be unknown', async () => {
      const own = await opened(driverOf());
      const key = freshKey();
      const twice = through(client, async (command, send) => {
        if (!(command instanceof PutItemCommand)) return send(command);
        await send(command);
        const { version } = (await own.read(key, bounds)) ?? {};
        await written(own, key, session(9), version);
        return send(command).catch((error: { $metadata: { attempts: number } }) => {
          error.$metadata.attempts = 2;
          throw error;
        });
      });
      const driver = await opened(driverOf({ client: twice }));
      await assert.rejects(
        driver.write(key, session(1), { replaces: undefined }, bounds),
        failsWith('unavailable', { outcome: 'unknown', retryable: true }, /sent again/),
      );
      assert.equal((await own.read(key, bounds))?.text, session(9));
    });

    test('a write that lost a race changes nothing and is no error', async () => {
      const driver = await opened(driverOf());
      const key = freshKey();
      const first = await written(driver, key, session(1));
      assert.equal(await driver.write(key, session(2), { replaces: undefined }, bounds), undefined);
      const second = await written(driver, key, session(1), first);
      assert.notEqual(second, first);
      assert.equal(await driver.write(key, session(3), { replaces: first }, bounds), undefined);
      assert.equal(await driver.remove(key, first, bounds), false);
      assert.deepEqual(await driver.read(key, bounds), { text: session(1), version: second });
      assert.equal(await driver.remove(key, second, bounds), true);
      assert.equal(await driver.write(key, session(4), { replaces: second }, bounds), undefined);
    });

    test('what DynamoDB leaves out of an answer is asked for again', async () => {
      let asked = 0;
      const leaving = through(client, (command, send) => {
        if (!(command instanceof BatchGetItemCommand)) return send(command);
        asked += 1;
        const { Keys = [] } = command.input.RequestItems?.[server.table] ?? {};
        const [now, later] = asked === 1 ? [[], Keys] : [Keys.slice(0, 2), Keys.slice(2)];
        if (now.length === 0)
          return Promise.resolve({ UnprocessedKeys: { [server.table]: { Keys: later } } });
        const RequestItems = { [server.table]: { Keys: now, ConsistentRead: true } };
        return send(new BatchGetItemCommand({ RequestItems })).then((answer) => ({
          ...answer,
          ...(later.length > 0 && { UnprocessedKeys: { [server.table]: { Keys: later } } }),
        }));
      });
      const driver = await opened(driverOf({ client: leaving }));
      const keys = Array.from({ length: 5 }, () => freshKey('session'));
      for (const key of keys.slice(1)) await written(driver, key, key.name);
      const all = [...keys, ...keys.slice(0, 2)];
      const found = await readMany(driver, all);
      assert.deepEqual(
        found?.map((document) => document?.text),
        all.map((key) => (key === keys[0] ? undefined : key.name)),
      );
      assert.equal(asked, 4);
    });

    test('items expire late, so that a wrong clock forgets nothing, and never an election that goes on', async () => {
      const driver = await opened(driverOf());
      const key = freshKey();
      const beforeSeconds = Date.now() / 1000;
      const write = { replaces: undefined, keepMs: 60_000 };
      const version = await driver.write(key, session(1), write, bounds);
      const id = `conclave/election/${key.name}`;
      const day = 24 * 3600;
      assert(Number((await itemOf(id))?.expires?.N) >= beforeSeconds + 60 + day);
      await written(driver, key, session(2), version);
      assert.equal((await itemOf(id))?.expires, undefined);
    });

    test('what is throttled was not carried out, what got no answer may have been', async () => {
      for (const [error, outcome, code] of [
        [thrown('ProvisionedThroughputExceededException'), 'not-applied', 'unavailable'],
        [thrown('ThrottlingException'), 'not-applied', 'unavailable'],
        [thrown('TransactionConflictException'), 'not-applied', 'unavailable'],
        [thrown('ThrottlingException', 3), 'unknown', 'unavailable'],
        [thrown('InternalServerError', 1, 500), 'unknown', 'unavailable'],
        [Object.assign(new Error('socket hang up'), { name: 'TimeoutError' }), 'unknown', 'timeout'],
      ] as const) {
        const failing = through(client, async (command, send) => {
          if (command instanceof PutItemCommand) throw error;
          return send(command);
        });
        const driver = await opened(driverOf({ client: failing }));
        await assert.rejects(
          driver.write(freshKey(), session(1), { replaces: undefined }, bounds),
          failsWith(code, { outcome, retryable: true }),
        );
      }
    });

    test('a global table whose regions agree later is refused, one of strong consistency is not', async () => {
      const as = (more: object) =>
        through(client, async (command, send) => {
          const answer = (await send(command)) as { Table?: object };
          return command instanceof DescribeTableCommand ? { Table: { ...answer.Table, ...more } } : answer;
        });
      const Replicas = [{ RegionName: 'eu-west-1' }];
      const refused = failsWith('failed-precondition', {}, /global table/, /Use a table of one region/);
      for (const more of [{ Replicas }, { GlobalTableVersion: '2017.11.29' }]) {
        await assert.rejects(opened(driverOf({ client: as(more) })), refused);
      }
      await opened(driverOf({ client: as({ Replicas, MultiRegionConsistency: 'STRONG' }) }));
    });

    test('a missing table is named with what makes it, and that is enough', patience, async () => {
      const table = 'not-there-yet';
      await using store = dynamodbStore({ client, table, ...quick });
      const words = [/createDynamodbTable\(client, 'not-there-yet'\)/, /aws dynamodb create-table/];
      await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, ...words));
      await createDynamodbTable(client, table);
      await createDynamodbTable(client, table);
      assert.equal((await store.read('x')).leader, undefined);
    });

    test("a table with other keys, and another program's item, are refused and left alone", async () => {
      const other = 'orders';
      await client.send(
        new CreateTableCommand({
          ...{ TableName: other, BillingMode: 'PAY_PER_REQUEST' },
          KeySchema: [{ AttributeName: 'order', KeyType: 'HASH' }],
          AttributeDefinitions: [{ AttributeName: 'order', AttributeType: 'S' }],
        }),
      );
      await assert.rejects(
        opened(driverOf({ table: other })),
        (error) =>
          // It may still be in the making.
          /being made/.test((error as Error).message) ||
          failsWith('failed-precondition', {}, /"id" as its only key/)(error),
      );
      const Item = { id: { S: 'conclave/election/theirs' }, total: { N: '5' } };
      await client.send(new PutItemCommand({ TableName: server.table, Item }));
      await using store = dynamodbStore({ client, table: server.table, ...quick });
      await using candidate = new Candidate(store, 'theirs');
      const refused = failsWith(
        'data-incompatible',
        {},
        /not written by Conclave/,
        /another table or prefix/,
      );
      await assert.rejects(candidate.campaign(), refused);
      await assert.rejects(store.read('theirs'), refused);
      assert.deepEqual(await itemOf('conclave/election/theirs'), Item);
      await readsBeside(await opened(driverOf()), { kind: 'election', name: 'theirs' });
    });

    test('missing credentials and permissions are said, without what was signed', async () => {
      const nobody = server.client({
        credentials: async () => {
          throw Object.assign(new Error('no secret found'), { name: 'CredentialsProviderError' });
        },
      });
      const mend = (...words: RegExp[]) => failsWith('failed-precondition', {}, ...words);
      await assert.rejects(opened(driverOf({ client: nobody })), mend(/AWS_PROFILE/));
      nobody.destroy();
      const stranger = through(client, async () => {
        throw thrown('AccessDeniedException');
      });
      await assert.rejects(opened(driverOf({ client: stranger })), mend(/dynamodb:GetItem/, /DescribeTable/));
    });

    test('after an outage one leads again, and the old leader was told before', patience, async () => {
      const child = server.process;
      assert(child !== undefined);
      await leadsAgainAfter({
        open: () => dynamodbStore({ client, table: server.table, pollMs: 50 }),
        stop: async () => void child.kill('SIGSTOP'),
        start: async () => void child.kill('SIGCONT'),
      });
    });

    test('the examples of the guide run as they stand there', patience, async () => {
      await using guide = new Guide('../stores/dynamodb');
      await guide.unpack();
      await guide.typeCheck();
      const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
      const env = { ...credentials, AWS_REGION: 'eu-central-1', AWS_ENDPOINT_URL_DYNAMODB: server.url };
      assert.equal(await guide.outputOf('table.ts', { env }), 'the table is there\n');
      assert.match(await guide.outputOf('client.ts', { env }), /^leading with token \d+\n$/);
      await using running = guide.start('report.ts', { env });
      await running.wrote(/working/);
      running.signal('SIGINT');
      assert.equal(await running.ended, 0, running.output);
      guide.assertAllRun();
    });

    test('a process that has disposed of its store ends by itself', patience, async () => {
      const before = `
        Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
        const options = { endpoint: '${server.url}', region: 'eu-central-1', table: '${server.table}' };
      `;
      await endsByItself({
        ...{ module: 'dynamodb', storeName: 'dynamodbStore', before },
        make: 'dynamodbStore({ ...options, pollMs: 50 })',
      });
    });
  });
}

test('The DynamoDB store refuses options that cannot be meant', () => {
  for (const options of [
    { table: 'a b' },
    { prefix: 'a/b' },
    { client: {} },
    { tabel: 'x' },
    { pollMs: 0 },
  ]) {
    assert.throws(() => dynamodbStore(options as object), failsWith('invalid-argument'));
  }
});

test('The DynamoDB store says what to install where its driver is missing', patience, async () => {
  const script = { module: 'dynamodb', storeName: 'dynamodbStore', make: 'dynamodbStore()' };
  const said = await withoutDriver('@aws-sdk/client-dynamodb', script);
  assert.match(said, /^unsupported: .*npm install @aws-sdk\/client-dynamodb/);
});
