import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { losingAnswers } from '../../src/conformance/index.ts';
import { Candidate } from '../../src/election/index.ts';
import type { Runtime } from '../../src/runtime/index.ts';
import { escapeName } from '../../src/stores/escaped-names.ts';
import { type S3StoreOptions, s3Driver, s3Store } from '../../src/stores/s3.ts';
import { Guide } from '../guide.ts';
import { type S3Server, s3Missing, startS3 } from '../servers/s3.ts';
import { cuttingProxy } from '../stand-ins/cutting-proxy.ts';
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
  registerConformance,
  session,
  withoutDriver,
  written,
} from './checks.ts';
import { leadsAgainAfter, testsOfOutages } from './outage.ts';

const skip = s3Missing ?? false;
// The server is slow, and the machine may be busy.
const quick = { pollMs: 50, timeoutMs: 300_000 };

type ObjectClient = NonNullable<S3StoreOptions['client']>;
type Send = (command: object) => Promise<object>;

/** The client, and what is to become of each of its commands. */
function through(
  client: ObjectClient,
  meddle: (command: object, send: Send) => Promise<object>,
): ObjectClient {
  const send: Send = (command) => client.send(command as never);
  return { send: ((command: object) => meddle(command, send)) as ObjectClient['send'] };
}

/** As the SDK throws it. */
function thrown(name: string, httpStatusCode: number, attempts = 1): Error {
  return Object.assign(new Error(`${name}, as told`), { name, $metadata: { httpStatusCode, attempts } });
}

/** A server that does not look at this condition. */
function ignoring(
  client: ObjectClient,
  header: 'IfMatch' | 'IfNoneMatch',
  of: typeof PutObjectCommand | typeof DeleteObjectCommand,
) {
  return through(client, (command, send) => {
    if (command instanceof of) Reflect.deleteProperty(command.input, header);
    return send(command);
  });
}

// moto keeps nothing through a stop of its own, so it goes on, and nobody reaches it.
describe('The S3 store outlives a cut from its service', { concurrency: 2, skip }, () => {
  testsOfOutages(async () => {
    const server = await startS3();
    const proxy = await cuttingProxy(Number(new URL(server.url).port || 80));
    const client = server.client(`http://127.0.0.1:${proxy.port}`);
    return {
      open: () => s3Store({ client, bucket: server.bucket, ...quick }),
      driver: () => s3Driver({ client, bucket: server.bucket }),
      stop: () => proxy.cut(),
      start: () => proxy.mend(),
      async [Symbol.asyncDispose]() {
        client.destroy();
        await proxy[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  });
});

describe('The S3 store conforms', { concurrency: 3, skip }, () => {
  let server: S3Server;
  before(async () => {
    server = await startS3();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  const target = async () => {
    const { bucket } = server;
    const [client, other] = [server.client(), server.client()];
    let requests = 0;
    const counting = through(client, (command, send) => {
      requests += 1;
      return send(command);
    });
    const { store, loseNextAnswer } = losingAnswers(s3Store({ client: counting, bucket, ...quick }));
    return {
      ...{ store, loseNextAnswer, requests: () => requests },
      another: async () => s3Store({ client: other, bucket, ...quick }),
      anotherOn: async (runtime: Runtime) => s3Store({ client: other, bucket, ...quick, runtime }),
      driver: () => s3Driver({ client, bucket }),
      async deleteRecords(name: string) {
        const Key = `conclave/elections/${escapeName(name)}.json`;
        await other.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
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

describe('The S3 store conforms on a server that deletes under no condition', {
  concurrency: 3,
  skip,
}, () => {
  let server: S3Server;
  before(async () => {
    server = await startS3();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  registerConformance(async () => {
    const { bucket } = server;
    const client = server.client();
    const options = {
      client: ignoring(client, 'IfMatch', DeleteObjectCommand),
      ...{ bucket, prefix: 'marks/', ...quick },
    };
    const store = s3Store(options);
    return {
      store,
      another: async () => s3Store(options),
      driver: () => s3Driver(options),
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]();
        client.destroy();
      },
    };
  }, /first to come|token rises after|ran out|closing frees|driver: .*(removed|removals)/);
});

describe('S3 has its ways', { skip }, () => {
  let server: S3Server;
  let client: S3Client;
  before(async () => {
    server = await startS3();
    client = server.client();
  });
  after(async () => {
    client?.destroy();
    await server?.[Symbol.asyncDispose]();
  });
  const driverOf = (more: object = {}) => s3Driver({ client, bucket: server.bucket, ...more });
  const keysUnder = async (Prefix: string) => {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: server.bucket, Prefix }));
    return Contents.map(({ Key = '' }) => Key);
  };

  test(
    'a write whose answer was lost, and which the SDK sent again, is known to be its own',
    patience,
    async () => {
      await using proxy = await losingProxy(Number(new URL(server.url).port));
      const retrying = server.client(`http://127.0.0.1:${proxy.port}`);
      const driver = await opened(driverOf({ client: retrying }));
      const key = freshKey();
      let version: string | undefined;
      for (const at of [1, 2]) {
        const lost = proxy.loseAnswersTo('PUT /');
        version = await written(driver, key, session(at), version);
        await lost;
        assert.deepEqual(await driver.read(key, bounds), { text: session(at), version });
      }
      const lost = proxy.loseAnswersTo('DELETE /');
      assert.equal(await driver.remove(key, version ?? '', bounds), false);
      await lost;
      assert.equal(await driver.read(key, bounds), undefined);
      retrying.destroy();
    },
  );

  test('a write sent again that was replaced in between is said to be unknown', async () => {
    const own = await opened(driverOf());
    const key = freshKey();
    const first = await written(own, key, session(0));
    const twice = through(client, async (command, send) => {
      if (!(command instanceof PutObjectCommand) || !command.input.Key?.includes(key.name))
        return send(command);
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
      driver.write(key, session(1), { replaces: first }, bounds),
      failsWith('unavailable', { outcome: 'unknown', retryable: true }, /sent again/),
    );
    assert.equal((await own.read(key, bounds))?.text, session(9));
  });

  test('a write that lost a race changes nothing and is no error', async () => {
    const driver = await opened(driverOf());
    const key = freshKey();
    const first = await written(driver, key, session(1));
    assert.equal(await driver.write(key, session(2), { replaces: undefined }, bounds), undefined);
    const second = await written(driver, key, session(3), first);
    assert.equal(await driver.write(key, session(4), { replaces: first }, bounds), undefined);
    assert.equal(await driver.remove(key, first, bounds), false);
    assert.deepEqual(await driver.read(key, bounds), { text: session(3), version: second });
    assert.equal(await driver.remove(key, second, bounds), true);
    assert.equal(await driver.remove(key, second, bounds), false);
    // A renewal that comes late raises nobody from the dead.
    assert.equal(await driver.write(key, session(5), { replaces: second }, bounds), undefined);
  });

  test('a conflict with a write under way (409) is tried again, a refusal (412) is not', async () => {
    let conflicts = 2;
    let puts = 0;
    const busy = through(client, async (command, send) => {
      if (!(command instanceof PutObjectCommand) || command.input.Key?.includes('/probe/'))
        return send(command);
      puts += 1;
      if (conflicts > 0) {
        conflicts -= 1;
        throw thrown('ConditionalRequestConflict', 409);
      }
      return send(command);
    });
    const driver = await opened(driverOf({ client: busy }));
    const key = freshKey();
    await written(driver, key, session(1));
    assert.equal(puts, 3);
    assert.equal(await driver.write(key, session(2), { replaces: '"other"' }, bounds), undefined);
    assert.equal(puts, 4);
  });

  test('a server that ignores a condition is refused before it holds anything', async () => {
    const servers: ObjectClient[] = [
      ignoring(client, 'IfNoneMatch', PutObjectCommand),
      ignoring(client, 'IfMatch', PutObjectCommand),
    ];
    for (const [at, careless] of servers.entries()) {
      await using store = s3Store({
        client: careless,
        bucket: server.bucket,
        prefix: `careless-${at}/`,
        ...quick,
      });
      await using candidate = new Candidate(store, 'unsafe');
      await assert.rejects(
        candidate.campaign(),
        failsWith('unsupported', {}, /two could lead/, /use Amazon S3/),
      );
      assert.deepEqual(
        (await keysUnder(`careless-${at}/`)).filter((key) => !key.includes('/probe/')),
        [],
      );
    }
    const none = through(client, async (command, send) => {
      if (command instanceof PutObjectCommand) throw thrown('NotImplemented', 501);
      return send(command);
    });
    await assert.rejects(
      opened(driverOf({ client: none })),
      failsWith('unsupported', {}, /conditional writes/),
    );
  });

  test('the look at a server leaves nothing behind', async () => {
    await opened(driverOf({ prefix: 'tidy/' }));
    assert.deepEqual(await keysUnder('tidy/'), []);
    await opened(driverOf({ prefix: 'tidy/', client: ignoring(client, 'IfMatch', DeleteObjectCommand) }));
    assert.deepEqual(await keysUnder('tidy/'), []);
  });

  test('where deleting takes no condition, a mark takes the place of what was removed', async () => {
    const refusing = through(client, async (command, send) => {
      if (command instanceof DeleteObjectCommand && command.input.IfMatch)
        throw thrown('NotImplemented', 501);
      return send(command);
    });
    for (const careless of [refusing, ignoring(client, 'IfMatch', DeleteObjectCommand)]) {
      const driver = await opened(driverOf({ client: careless }));
      const others = await opened(driverOf());
      const key = freshKey();
      const first = await written(driver, key, session(1));
      const second = await written(driver, key, session(2), first);
      assert.equal(await driver.remove(key, first, bounds), false);
      assert.equal((await driver.read(key, bounds))?.version, second);
      assert.equal(await driver.remove(key, second, bounds), true);
      for (const one of [driver, others]) assert.equal(await one.read(key, bounds), undefined);
      assert.equal(await driver.write(key, session(3), { replaces: second }, bounds), undefined);
      await written(others, key, session(4));
      assert.equal(await driver.write(key, session(5), { replaces: undefined }, bounds), undefined);
      const ended = freshKey('session');
      assert.equal(await driver.remove(ended, await written(driver, ended, session(1)), bounds), true);
      assert.deepEqual(await keysUnder(`conclave/sessions/${ended.name}`), []);
    }
  });

  test('in a bucket with versions the current one counts', async () => {
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await client.send(new PutBucketVersioningCommand({ Bucket: server.bucket, VersioningConfiguration }));
    const driver = await opened(driverOf({ prefix: 'versions/' }));
    const key = freshKey('session');
    const first = await written(driver, key, session(1));
    const second = await written(driver, key, session(2), first);
    assert.equal(await driver.write(key, session(3), { replaces: first }, bounds), undefined);
    assert.equal(await driver.remove(key, second, bounds), true);
    assert.equal(await driver.read(key, bounds), undefined);
    await written(driver, key, session(4));
    const Status = 'Suspended';
    await client.send(
      new PutBucketVersioningCommand({ Bucket: server.bucket, VersioningConfiguration: { Status } }),
    );
  });

  test('elections of long and odd names are kept apart, and listed', async () => {
    const driver = await opened(driverOf({ prefix: 'names/' }));
    const names = ['.', '..', 'a', 'a/b', 'a/../b', 'ä', `a${'ä'.repeat(500)}`, `a${'ä'.repeat(499)}b`, ''];
    for (const name of names) await written(driver, { kind: 'election', name }, session(names.indexOf(name)));
    for (const [at, name] of names.entries()) {
      assert.equal((await driver.read({ kind: 'election', name }, bounds))?.text, session(at));
    }
    const listed = async (prefix: string) => [...((await driver.list?.(prefix, bounds)) ?? [])].sort();
    assert.deepEqual(await listed(''), [...names].sort());
    assert.deepEqual(await listed('a'), names.filter((name) => name.startsWith('a')).sort());
    assert.deepEqual(await listed('a/'), ['a/../b', 'a/b']);
  });

  for (const kind of ['session', 'election'] as const) {
    test(`many documents come in one list, and those that changed in a read each: ${kind}`, async () => {
      let [lists, gets] = [0, 0];
      const counting = through(client, (command, send) => {
        lists += command instanceof ListObjectsV2Command ? 1 : 0;
        gets += command instanceof GetObjectCommand ? 1 : 0;
        return send(command);
      });
      const driver = await opened(driverOf({ client: counting, prefix: `many-${kind}/` }));
      const keys = Array.from({ length: 20 }, () => freshKey(kind));
      const versions = new Map<string, string>();
      for (const [at, key] of keys.entries()) {
        if (at > 0) versions.set(key.name, await written(driver, key, `${key.name} ${session(1)}`));
      }
      const look = async () => {
        [lists, gets] = [0, 0];
        const found = await readMany(driver, keys);
        assert.deepEqual(
          found?.map((document) => document?.version),
          keys.map(({ name }) => versions.get(name)),
        );
        assert.equal(found?.[0], undefined);
        return { lists, gets, last: found?.at(-1)?.text };
      };
      const last = keys.at(-1);
      assert(last !== undefined);
      assert.deepEqual(await look(), { lists: 1, gets: 19, last: `${last.name} ${session(1)}` });
      versions.set(
        last.name,
        await written(driver, last, `${last.name} ${session(2)}`, versions.get(last.name)),
      );
      assert.deepEqual(await look(), { lists: 1, gets: 1, last: `${last.name} ${session(2)}` });
      await driver.remove(last, versions.get(last.name) ?? '', bounds);
      versions.delete(last.name);
      assert.deepEqual(await look(), { lists: 1, gets: 0, last: undefined });
    });
  }

  test("another program's object is refused and left alone", async () => {
    const place = { Bucket: server.bucket, Key: 'conclave/elections/theirs.json' };
    await client.send(new PutObjectCommand({ ...place, Body: 'a poem' }));
    await using store = s3Store({ client, bucket: server.bucket, ...quick });
    await using candidate = new Candidate(store, 'theirs');
    const refused = failsWith('data-incompatible', {}, /not written by Conclave/, /prefix/);
    await assert.rejects(candidate.campaign(), refused);
    await assert.rejects(store.read('theirs'), refused);
    const { Body } = await client.send(new GetObjectCommand(place));
    assert.equal(await Body?.transformToString(), 'a poem');
  });

  test('what an administrator must mend is said, with the remedy', async () => {
    const mend = (...words: RegExp[]) => failsWith('failed-precondition', {}, ...words);
    await assert.rejects(
      opened(driverOf({ bucket: 'not-there' })),
      mend(/aws s3api create-bucket --bucket not-there/),
    );
    for (const [error, word] of [
      [thrown('AccessDenied', 403), /s3:GetObject, s3:PutObject and s3:DeleteObject.*s3:ListBucket/],
      [thrown('InvalidAccessKeyId', 403), /AWS_PROFILE/],
      [thrown('PermanentRedirect', 301), /region/],
    ] as const) {
      const failing = through(client, async () => {
        throw error;
      });
      await assert.rejects(opened(driverOf({ client: failing })), mend(word));
    }
    const slow = through(client, async () => {
      throw thrown('SlowDown', 503);
    });
    await assert.rejects(opened(driverOf({ client: slow })), failsWith('unavailable', { retryable: true }));
  });

  test('after an outage one leads again, and the old leader was told before', patience, async () => {
    const child = server.process;
    assert(child !== undefined);
    await leadsAgainAfter({
      open: () => s3Store({ client, bucket: server.bucket, pollMs: 50 }),
      stop: async () => void child.kill('SIGSTOP'),
      start: async () => void child.kill('SIGCONT'),
    });
  });

  test('the examples of the guide run as they stand there', patience, async () => {
    await using guide = new Guide('../stores/s3');
    // The server knows buckets by the path alone.
    const place = `bucket: '${server.bucket}', endpoint: '${server.url}'`;
    await guide.unpack((code) =>
      code
        .replace("{ bucket: 'my-bucket' }", `{ ${place} }`)
        .replace("'my-bucket'", `'${server.bucket}'`)
        .replace('maxAttempts: 5', `maxAttempts: 5, forcePathStyle: true, endpoint: '${server.url}'`),
    );
    await guide.typeCheck();
    const env = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };
    assert.match(await guide.outputOf('client.ts', { env }), /^leading with token \d+\n$/);
    await using running = guide.start('compact.ts', { env });
    await running.wrote(/working/);
    running.signal('SIGINT');
    assert.equal(await running.ended, 0, running.output);
    guide.assertAllRun();
  });

  test('a process that has disposed of its store ends by itself', patience, async () => {
    const before = `
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
      const options = { endpoint: '${server.url}', region: 'us-east-1', bucket: '${server.bucket}' };
    `;
    await endsByItself({
      ...{ module: 's3', storeName: 's3Store', before },
      make: 's3Store({ ...options, pollMs: 50, timeoutMs: 60_000 })',
    });
  });
});

test('The S3 store refuses options that cannot be meant', () => {
  for (const options of [{}, { bucket: '' }, { bucket: 'b', prefix: 'a//b' }, { bucket: 'b', prefx: 'a' }]) {
    assert.throws(() => s3Store(options as S3StoreOptions), failsWith('invalid-argument'));
  }
});

test('The S3 store says what to install where its driver is missing', patience, async () => {
  const make = "s3Store({ bucket: 'b' })";
  const said = await withoutDriver('@aws-sdk/client-s3', { module: 's3', storeName: 's3Store', make });
  assert.match(said, /^unsupported: .*npm install @aws-sdk\/client-s3/);
});
