// The store on MongoDB: the suite, what is peculiar to MongoDB, and the examples of docs/stores/mongodb.md.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Document, MongoClient } from 'mongodb';
import { losingAnswers } from '../../src/conformance/index.ts';
import type { StoreSession } from '../../src/election/store.ts';
import { mongodbDriver, mongodbStore } from '../../src/stores/mongodb.ts';
import { Guide } from '../guide.ts';
import { type MongoServer, mongodbMissing, startMongodb } from '../servers/mongodb.ts';
import {
  endsByItself,
  failsWith,
  findsOutAboutCutWrites,
  patience,
  registerConformance,
  renewsTogether,
  said,
  withoutDriver,
} from './checks.ts';
import { testsOfOutages } from './outage.ts';

const skip = mongodbMissing ?? false;
/** Not for a server that the environment names: with flags of its own. */
const skipOwn = mongodbMissing ?? (process.env.CONCLAVE_TEST_MONGODB_URL !== undefined && 'needs flags');
/** This machine may be busy, and this server is no fast one. */
const timeoutMs = 60_000;
const asked = { metadata: '', priority: 0 };
const database = 'elections';

async function win(session: StoreSession, name: string): Promise<number> {
  const outcome = await session.acquire(name, asked);
  assert(outcome.status === 'acquired', `${session.holder} waits`);
  return outcome.token;
}

/** The client of a server that says something else of itself. */
function saying(client: MongoClient, change: Document): MongoClient {
  const db = (name?: string) => {
    const own = client.db(name);
    const command = async (...args: Parameters<typeof own.command>) => ({
      ...(await own.command(...args)),
      ...change,
    });
    return Object.create(own, { command: { value: command } });
  };
  return Object.create(client, { db: { value: db } });
}

describe('The MongoDB store conforms', { concurrency: 4, skip }, () => {
  let server: MongoServer;
  before(async () => {
    server = await startMongodb();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  registerConformance(async () => {
    const client = new MongoClient(server.url, { monitorCommands: true });
    let sent = 0;
    client.on('commandStarted', () => {
      sent += 1;
    });
    const options = { database, timeoutMs };
    const { store, loseNextAnswer } = losingAnswers(mongodbStore({ client, ...options }));
    const stores = [store];
    return {
      ...{ store, loseNextAnswer },
      async another() {
        const second = mongodbStore({ url: server.url, ...options });
        stores.push(second);
        return second;
      },
      anotherOn: async (runtime) => mongodbStore({ client, ...options, runtime }),
      driver: () => mongodbDriver({ client, database }),
      requests: () => sent,
      async deleteRecords(name) {
        await client
          .db(database)
          .collection<{ _id: string }>('conclave')
          .deleteOne({ _id: `election:${name}` });
      },
      async [Symbol.asyncDispose]() {
        await Promise.all(stores.map((one) => one[Symbol.asyncDispose]()));
        await client.close();
      },
    };
  });
});

/** A server that goes and comes back with what it kept. */
async function restartable() {
  const storage = await mkdtemp(join(tmpdir(), 'conclave-mongodb-'));
  const more = ['--sync-on-commit'];
  let running = await startMongodb({ storage, more });
  const { port, url } = running;
  return {
    open: () => mongodbStore({ url, database, timeoutMs }),
    driver: () => mongodbDriver({ url, database }),
    stop: async () => await running[Symbol.asyncDispose](),
    async start() {
      running = await startMongodb({ storage, more, at: port });
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await rm(storage, { recursive: true, force: true });
    },
  };
}

describe('The MongoDB store outlives its server', { concurrency: 3, skip: skipOwn }, () => {
  testsOfOutages(restartable);
});

describe('The MongoDB store', { skip }, () => {
  let server: MongoServer;
  let client: MongoClient;
  before(async () => {
    server = await startMongodb();
    client = server.client();
  });
  after(async () => {
    await client?.close();
    await server?.[Symbol.asyncDispose]();
  });
  const documents = (collection = 'conclave') =>
    client.db(database).collection<Document & { _id: string }>(collection);

  test('takes a duplicate key among first writers for a lost race', patience, async () => {
    await using store = mongodbStore({ client, database, timeoutMs });
    const sessions = await Promise.all(
      Array.from({ length: 12 }, (_, at) => store.openSession({ ttlMs: 600_000, holder: `h${at}` })),
    );
    const outcomes = await Promise.all(sessions.map((session) => session.acquire('raced for', asked)));
    assert.equal(outcomes.filter(({ status }) => status === 'acquired').length, 1);
    assert.equal((await store.read('raced for')).waiting.length, 11);
  });

  test('finds out what became of writes whose connection was cut', { ...patience, skip: skipOwn }, () =>
    findsOutAboutCutWrites(server.port, (port) =>
      mongodbStore({ url: `mongodb://127.0.0.1:${port}/?directConnection=true`, database, timeoutMs }),
    ),
  );

  test('writes to the disks of a majority, and reads what a majority has', patience, async () => {
    await using watched = server.client(undefined, { monitorCommands: true });
    const commands: Document[] = [];
    watched.on('commandStarted', ({ command }) => void commands.push(command));
    await using store = mongodbStore({ client: watched, database, timeoutMs });
    await using session = await store.openSession({ ttlMs: 600_000, holder: 'first' });
    const token = await win(session, 'by a majority');
    await store.read('by a majority');
    assert.equal(await session.release('by a majority', token), true);
    await session[Symbol.asyncDispose]();
    const reads = commands.filter(({ find, filter }) => find === 'conclave' && filter?._id !== undefined);
    const writes = commands.filter((command) => 'update' in command || 'delete' in command);
    assert(reads.length > 0 && writes.length > 2);
    for (const { readConcern } of reads) assert.equal(readConcern?.level, 'linearizable');
    for (const { writeConcern } of writes) {
      assert.equal(writeConcern?.w, 'majority');
      assert.equal(writeConcern?.j, true);
    }
  });

  test('renews many sessions in few commands, and tells each its own fate', patience, async () => {
    await using watched = server.client(undefined, { monitorCommands: true });
    let sent = 0;
    watched.on('commandStarted', ({ commandName }) => {
      if (['update', 'find'].includes(commandName)) sent += 1;
    });
    await using store = mongodbStore({ client: watched, database, timeoutMs });
    await renewsTogether(store, {
      requests: () => sent,
      end: (id) => documents().deleteOne({ _id: `session:${id}` }),
    });
  });

  test('keeps texts that look like expressions as they are', patience, async () => {
    await using store = mongodbStore({ client, database, timeoutMs });
    await using session = await store.openSession({ ttlMs: 600_000, holder: '$$NOW' });
    const token = await win(session, '$text.$[]');
    await session.proclaim('$text.$[]', token, '$version');
    assert.deepEqual((await store.read('$text.$[]')).leader, {
      holder: '$$NOW',
      token,
      metadata: '$version',
    });
  });

  test('ends no lease by the index, which clears away only what is long over', patience, async () => {
    await using store = mongodbStore({ client, database, timeoutMs });
    await using session = await store.openSession({ ttlMs: 1000, holder: 'first' });
    const [index] = (await documents().indexes()).filter(({ name }) => name === 'forgetAt');
    assert.deepEqual([index?.key, index?.expireAfterSeconds], [{ forgetAt: 1 }, 0]);
    const { localTime } = await client.db(database).command({ hello: 1 });
    const kept = await documents().findOne({ _id: `session:${session.id}` });
    // An hour at least, however short the lease; by the clock of the server, to a minute.
    assert(kept?.forgetAt.getTime() - localTime.getTime() > 3_540_000, `${kept?.forgetAt} at ${localTime}`);
    // By one that a slow server does not outlast between the beginning of the document and the leadership.
    await using lasting = await store.openSession({ ttlMs: 600_000, holder: 'second' });
    await win(lasting, 'kept');
    const election = await documents().findOne({ _id: 'election:kept' });
    assert(election !== null && !('forgetAt' in election), JSON.stringify(election));
  });

  test('names a secondary, and a server that is too old', patience, async () => {
    for (const [change, code, told] of [
      [
        { isWritablePrimary: false, secondary: true },
        'failed-precondition',
        /is a secondary.*whole replica set/,
      ],
      [{ maxWireVersion: 7 }, 'unsupported', /4\.2 or later/],
    ] as const) {
      await using store = mongodbStore({ client: saying(client, change), database });
      await assert.rejects(store.read('x'), failsWith(code, {}, told));
    }
  });

  test('is refused by a collection that is none, compares loosely or forgets', patience, async () => {
    const db = client.db(database);
    await db.createCollection('loose', { collation: { locale: 'en', strength: 2 } });
    await db.createCollection('seen', { viewOn: 'conclave', pipeline: [] });
    await db.createCollection('capped', { capped: true, size: 10_000 });
    for (const [collection, told] of [
      ['loose', /has a collation/],
      ['seen', /is a view/],
      ['capped', /is capped/],
    ] as const) {
      await using store = mongodbStore({ client, database, collection });
      await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, told, /of its own/));
    }
  });

  test('leaves what another program wrote as it is', patience, async () => {
    await documents('shared').insertMany([
      { _id: 'election:theirs', value: 7 },
      { _id: 'election:theirs too', text: 'a text', version: 'v' },
    ]);
    await using store = mongodbStore({ client, database, collection: 'shared', timeoutMs });
    await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
    for (const name of ['theirs', 'theirs too']) {
      await assert.rejects(session.acquire(name, asked), failsWith('data-incompatible', {}, /left as it is/));
    }
    assert.deepEqual(await documents('shared').findOne({ _id: 'election:theirs' }), {
      ...{ _id: 'election:theirs', value: 7 },
    });
    assert.equal((await documents('shared').findOne({ _id: 'election:theirs too' }))?.text, 'a text');
  });

  test('polls a standalone server', { ...patience, skip: skipOwn }, async () => {
    await using alone = await startMongodb({ more: ['--standalone'] });
    await using watching = mongodbStore({ url: alone.url, database, pollMs: 50, timeoutMs });
    await using store = mongodbStore({ url: alone.url, database, timeoutMs });
    await using session = await store.openSession({ ttlMs: 600_000, holder: 'first' });
    const ending = new AbortController();
    const states = watching.watch('alone', { signal: ending.signal })[Symbol.asyncIterator]();
    assert.equal((await states.next()).value?.leader, undefined);
    await win(session, 'alone');
    assert.equal((await states.next()).value?.leader?.holder, 'first');
    ending.abort();
    await states.next();
  });

  test('says why it gets no answer while the server is down', { ...patience, skip: skipOwn }, async () => {
    const own = await startMongodb();
    await using store = mongodbStore({ url: own.url, database, timeoutMs: 700 });
    await store.read('x');
    await own[Symbol.asyncDispose]();
    // At first it may be a connection that breaks.
    const why = /gave no answer within \d+ ms: no primary is in reach \(.*ECONNREFUSED/;
    while (!why.test(await said(store)));
  });

  test('names wrong credentials and missing permissions; what is granted is enough', {
    ...patience,
    skip: skipOwn,
  }, async () => {
    const storage = await mkdtemp(join(tmpdir(), 'conclave-mongodb-'));
    const page = await readFile(join(import.meta.dirname, '../../docs/stores/mongodb.md'), 'utf8');
    const actions = /actions: \[([^\]]*)\]/.exec(page)?.[1]?.match(/\w+/g) ?? [];
    assert(actions.length > 5);
    {
      await using open = await startMongodb({ storage, more: ['--sync-on-commit'] });
      const admin = open.client();
      const resource = { db: database, collection: 'conclave' };
      for (const [user, own] of [
        ['worker', actions],
        ['poor', ['find']],
      ] as const) {
        const db = admin.db(database);
        await db.command({ createRole: user, privileges: [{ resource, actions: own }], roles: [] });
        await db.command({ createUser: user, pwd: `${user}-secret`, roles: [user] });
      }
      await admin.close();
    }
    {
      await using strict = await startMongodb({ storage, more: ['--sync-on-commit', '--auth'] });
      const urlOf = (login: string) =>
        `mongodb://${login}@127.0.0.1:${strict.port}/${database}?directConnection=true`;
      await using wrong = mongodbStore({ url: urlOf('worker:no-secret') });
      await assert.rejects(wrong.read('x'), failsWith('failed-precondition', {}, /Check user, password/));
      await using lacking = mongodbStore({ url: urlOf('poor:poor-secret') });
      await assert.rejects(
        lacking.read('x'),
        failsWith('failed-precondition', {}, /Grant the user the actions/),
      );
      await using store = mongodbStore({ url: urlOf('worker:worker-secret'), timeoutMs });
      await using session = await store.openSession({ ttlMs: 600_000, holder: 'first' });
      const token = await win(session, 'granted');
      assert.equal(await session.release('granted', token), true);
      for await (const all of store.watchAll?.('', { signal: AbortSignal.timeout(60_000) }) ?? []) {
        assert.deepEqual([...all.keys()], ['granted']);
        break;
      }
    }
    await rm(storage, { recursive: true, force: true });
  });

  test('says what is wrong with its options, before anything is sent', () => {
    const { url } = server;
    for (const options of [
      ...[undefined, {}, { client, url }, { client: {} }, { url: 'http://127.0.0.1' }, { url: 7 }],
      ...[
        { url, collection: '' },
        { url, collection: 'a$b' },
        { url, database: 'a/b' },
        { url, pollMs: 0 },
      ],
      ...[{ url, colection: 'a' }, { url: 'mongodb://u:secret@' }],
    ]) {
      assert.throws(
        () => mongodbStore(options as never),
        (error) => (error as { code?: string }).code === 'invalid-argument' && !/secret/.test(String(error)),
        JSON.stringify(Object.keys(options ?? {})),
      );
    }
    const { description } = mongodbStore({ url: 'mongodb://u:secret@one:27017,two/app?tls=true' });
    assert.equal(description, 'the collection conclave of MongoDB at one:27017,two');
  });

  test('names a client that is closed, and a package that is missing', patience, async () => {
    const closing = server.client();
    await using store = mongodbStore({ client: closing, database, timeoutMs });
    await store.read('x');
    await closing.close();
    await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, /keep it open/));
    const make = `mongodbStore({ url: '${server.url}', database: '${database}' })`;
    const script = { module: 'mongodb', storeName: 'mongodbStore', make };
    assert.match(await withoutDriver('mongodb', script), /^unsupported: .*npm install mongodb/);
  });

  test('leaves nothing open', patience, async () => {
    const make = `mongodbStore({ url: '${server.url}', database: '${database}' })`;
    await endsByItself({ module: 'mongodb', storeName: 'mongodbStore', make });
  });

  describe('by its guide', () => {
    const guide = new Guide('../stores/mongodb');
    before(async () => guide.unpack());
    after(() => guide[Symbol.asyncDispose]());
    test('type-checks strictly', patience, () => guide.typeCheck());
    test('leads, and takes a client', patience, async () => {
      const env = { MONGODB_URL: server.url };
      await using first = guide.start('report.ts', { env });
      await first.wrote(/leading with token \d+/, /working/);
      first.signal('SIGINT');
      assert.equal(await first.ended, 0, first.output);
      assert.match(await guide.outputOf('client.ts', { env }), /^leading with token \d+\n$/);
      guide.assertAllRun();
    });
  });
});
