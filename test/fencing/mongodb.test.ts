import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { ClientSession, Collection, Document, MongoClient } from 'mongodb';
import { ConclaveError } from '../../src/errors/index.ts';
import type { FencedLeadership } from '../../src/fencing/index.ts';
import { type DocumentCollection, fenced, fencedDocument } from '../../src/fencing/mongodb/index.ts';
import { type MongoServer, mongodbMissing, startMongodb } from '../servers/mongodb.ts';
import { losingProxy } from '../stand-ins/losing-proxy.ts';
import { assertTokensRose } from './first-use.ts';
import { type GuardedResource, testTwoLeaders } from './two-leaders.ts';

interface Report {
  readonly _id: string;
  readonly lines?: string[];
}

let server: MongoServer;
let client: MongoClient;
let documents: Collection<Report>;
const database = `conclave_${randomUUID().replaceAll('-', '')}`;

const leader = (token: number, name = 'jobs'): FencedLeadership => ({ name, token, assertHeld: () => {} });
const appending =
  (value: string) =>
  ({ document }: { readonly document: Document }): Document => ({
    lines: [...(document.lines ?? []), value],
  });

/** Awaits `step` ahead of every command. */
function stepping<T extends object>(target: T, step: (command: string) => Promise<void>): T {
  return new Proxy(target, {
    get(_, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        await step(String(property));
        return await value.apply(target, args);
      };
    },
  });
}

/** A client whose sessions await `step` before they commit. */
function steppingClient(step: () => Promise<void>): Pick<MongoClient, 'startSession'> {
  return {
    startSession(...args) {
      const session = client.startSession(...args);
      const commit = session.commitTransaction.bind(session);
      session.commitTransaction = async (options) => {
        await step();
        await commit(options);
      };
      return session;
    },
  };
}

/** Runs `action` once, right before the first of these commands. */
function interrupting(
  commands: readonly string[],
  action: () => Promise<unknown>,
  on: DocumentCollection = documents,
): DocumentCollection {
  let done = false;
  return stepping(on, async (command) => {
    if (done || !commands.includes(command)) return;
    done = true;
    await action();
  });
}

const writes = ['insertOne', 'replaceOne', 'updateOne'];

async function linesOf(id: string): Promise<readonly string[]> {
  return (await documents.findOne({ _id: id }))?.lines ?? [];
}

function resource(
  append: (id: string, ...args: Parameters<GuardedResource['append']>) => Promise<unknown>,
): () => Promise<GuardedResource> {
  return async () => {
    const id = randomUUID();
    return {
      async append(leadership, value, step) {
        await append(id, leadership, value, step);
        await step();
      },
      values: () => linesOf(id),
      async [Symbol.asyncDispose]() {},
    };
  };
}

describe('documents of MongoDB', { skip: mongodbMissing ?? false }, () => {
  before(async () => {
    server = await startMongodb();
    client = server.client();
    documents = client.db(database).collection<Report>('documents');
  });
  after(async () => {
    await client?.db(database).dropDatabase();
    await client?.close();
    await server?.[Symbol.asyncDispose]();
  });

  testTwoLeaders(
    'a document, replaced',
    resource((id, leadership, value, step) =>
      fencedDocument(stepping(documents, step), { id }).update(leadership, appending(value)),
    ),
  );

  testTwoLeaders(
    'a document, changed by operators',
    resource((id, leadership, value, step) =>
      fencedDocument(stepping(documents, step), { id }).apply(leadership, { $push: { lines: value } }),
    ),
  );

  testTwoLeaders(
    'a transaction',
    resource(async (id, leadership, value, step) => {
      const fences = stepping(client.db(database).collection('fences'), step);
      const work = async (session: ClientSession) => {
        await stepping(documents, step).updateOne(
          { _id: id },
          { $push: { lines: value } },
          { session, upsert: true },
        );
      };
      await fenced(steppingClient(step), leadership, work, { fences, resource: id });
    }),
  );

  test('what was written is read, with its token, and without the fence', async () => {
    const document = fencedDocument(documents, { id: randomUUID() });
    assert.deepEqual(await document.read(), {
      exists: false,
      version: 0,
      token: 0,
      election: '',
      document: {},
    });
    assert.deepEqual(await document.write(leader(5), { state: 'one' }), { version: 1, token: 5 });
    assert.deepEqual(await document.write(leader(6), { state: '$two' }), { version: 2, token: 6 });
    await document.apply(leader(2 ** 52), { $set: { more: [1] } });
    assert.deepEqual(await document.read(), {
      exists: true,
      version: 3,
      token: 2 ** 52,
      election: 'jobs',
      document: { state: '$two', more: [1] },
    });
  });

  test('a newer leader that only claimed shuts an older one out that has read the same', async () => {
    const id = randomUUID();
    const document = fencedDocument(documents, { id });
    await document.write(leader(1), { state: 'the same' });
    for (const [index, write] of [
      (on: DocumentCollection) => fencedDocument(on, { id }).write(leader(1), { state: 'late' }),
      (on: DocumentCollection) => fencedDocument(on, { id }).apply(leader(1), { $set: { state: 'late' } }),
    ].entries()) {
      const late = interrupting(writes, () => document.claim(leader(2 + index)));
      await assert.rejects(write(late), { code: 'stale-token', outcome: 'not-applied' });
    }
    assert.deepEqual((await document.read()).document, { state: 'the same' });
  });

  test('of many who write first, by tokens of any order, the highest token is the last', async () => {
    for (const kind of ['update', 'apply'] as const) {
      const id = randomUUID();
      const tokens = Array.from({ length: 12 }, (_, index) => index + 1);
      const results = await Promise.allSettled(
        tokens.map((token) => {
          const document = fencedDocument(documents, { id });
          return kind === 'apply'
            ? document.apply(leader(token), { $push: { lines: String(token) } })
            : document.update(leader(token), appending(String(token)));
        }),
      );
      const lines = (await linesOf(id)).map(Number);
      assertTokensRose(lines, results);
    }
  });

  test('writers of one leadership lose nothing of each other', async () => {
    const id = randomUUID();
    const values = Array.from({ length: 8 }, (_, index) => String(index));
    const document = fencedDocument(documents, { id });
    await Promise.all(values.map((value) => document.update(leader(3), appending(value))));
    assert.deepEqual([...(await linesOf(id))].sort(), values);
    await Promise.all(values.map((value) => document.apply(leader(3), { $push: { lines: value } })));
    assert.equal((await linesOf(id)).length, 16);
    assert.equal((await document.read()).version, 17);
  });

  test('a write whose answer was lost counts once', async () => {
    const id = randomUUID();
    await using proxy = await losingProxy(server.port);
    // Without the driver's own repetition, so that the guard must find out.
    const through = server.client(proxy.port, { retryWrites: false, retryReads: true });
    const document = fencedDocument(through.db(database).collection('documents'), { id });
    await document.update(leader(3), appending('first'));
    for (const [value, write] of [
      ['second', (line: string) => document.update(leader(3), appending(line))],
      ['third', (line: string) => document.apply(leader(3), { $push: { lines: line } })],
    ] as const) {
      const lost = proxy.loseAnswersTo(value);
      await write(value);
      await lost;
    }
    assert.deepEqual(await linesOf(id), ['first', 'second', 'third']);
    await through.close();
  });

  test('a write whose answer was lost, and which was overwritten since, is said to be unknown', async () => {
    const id = randomUUID();
    const document = fencedDocument(documents, { id });
    await document.write(leader(1), {});
    for (const [token, code] of [
      [1, 'unavailable'],
      [2, 'stale-token'],
    ] as const) {
      const lost = Object.assign(new Error('connection closed'), { name: 'MongoNetworkError' });
      const losing = new Proxy<DocumentCollection>(documents, {
        get(target, property) {
          const value = Reflect.get(target, property, target);
          if (!writes.includes(String(property))) {
            return typeof value === 'function' ? value.bind(target) : value;
          }
          return async (...args: unknown[]) => {
            await (value as (...args: unknown[]) => Promise<unknown>).apply(target, args);
            await document.write(leader(token), { state: 'later' });
            throw lost;
          };
        },
      });
      const write = token === 1 ? 'write' : 'apply';
      await assert.rejects(
        fencedDocument(losing, { id })[write](leader(1), write === 'apply' ? { $set: { a: 1 } } : {}),
        {
          code,
          outcome: 'unknown',
        },
      );
      assert.deepEqual((await document.read()).document, { state: 'later' });
    }
  });

  test('a document deleted between a read and a write is not made anew', async () => {
    const id = randomUUID();
    await fencedDocument(documents, { id }).write(leader(2), {});
    const deleting = interrupting(writes, () => documents.deleteOne({ _id: id }));
    await assert.rejects(fencedDocument(deleting, { id }).write(leader(2), {}), {
      code: 'failed-precondition',
    });
    assert.equal((await fencedDocument(documents, { id }).read()).exists, false);
  });

  test('a document of others is taken over only when told to', async () => {
    for (const kind of ['update', 'apply'] as const) {
      const id = randomUUID();
      await documents.insertOne({ _id: id, lines: ['theirs'] });
      const write = (adopt: boolean) => {
        const document = fencedDocument(documents, { id, adopt });
        return kind === 'apply'
          ? document.apply(leader(1), { $push: { lines: 'ours' } })
          : document.update(leader(1), appending('ours'));
      };
      await assert.rejects(write(false), { code: 'failed-precondition' });
      await write(true);
      assert.deepEqual(await linesOf(id), ['theirs', 'ours']);
    }
  });

  test('tokens of another election, and stale ones, are refused', async () => {
    const document = fencedDocument(documents, { id: randomUUID() });
    await document.write(leader(5), {});
    for (const write of [
      (by: FencedLeadership) => document.write(by, {}),
      (by: FencedLeadership) => document.claim(by),
      (by: FencedLeadership) => document.apply(by, { $set: { a: 1 } }),
    ]) {
      await assert.rejects(write(leader(50, 'reports')), { code: 'failed-precondition' });
      await assert.rejects(write(leader(4)), { code: 'stale-token' });
    }
    await assert.rejects(document.write(leader(5), {}, { expectedVersion: 2 }), { code: 'version-conflict' });
    await document.write(leader(5), {}, { expectedVersion: 1 });
    assert.equal((await document.read()).version, 2);
    await assert.rejects(
      fencedDocument(documents, { id: randomUUID() }).apply(leader(1), { $set: { a: 1 } }, { upsert: false }),
      { code: 'not-found' },
    );
  });

  test('a leadership that names no election writes, and takes over', async () => {
    for (const adopt of [false, true]) {
      const id = randomUUID();
      if (adopt) await documents.insertOne({ _id: id });
      const document = fencedDocument(documents, { id, adopt });
      await document.apply(leader(1, ''), { $set: { a: 1 } });
      assert.deepEqual((await document.read()).election, '');
      await document.apply(leader(2), { $set: { a: 2 } });
      await document.update(leader(3, ''), ({ document: { a } }) => ({ a: a + 1 }));
      const { election, token, document: content } = await document.read();
      assert.deepEqual([election, token, content], ['jobs', 3, { a: 3 }]);
      await assert.rejects(document.apply(leader(2, ''), { $set: { a: 9 } }), { code: 'stale-token' });
    }
  });

  test('a rule of another unique index is not taken for a race', async () => {
    const unique = client.db(database).collection<Document & { _id: string }>('unique');
    await unique.createIndex({ owner: 1 }, { unique: true });
    await fencedDocument(unique, { id: 'a' }).write(leader(1), { owner: 'x' });
    await assert.rejects(fencedDocument(unique, { id: 'b' }).write(leader(1), { owner: 'x' }), {
      code: 'already-exists',
    });
    await assert.rejects(fencedDocument(unique, { id: 'b' }).apply(leader(1), { $set: { owner: 'x' } }), {
      code: 'already-exists',
    });
  });

  test('bad input is refused before anything is sent', async () => {
    let sent = 0;
    const counting = stepping<DocumentCollection>(documents, async () => {
      sent += 1;
    });
    assert.throws(() => fencedDocument({} as never, { id: 1 }), { code: 'invalid-argument' });
    for (const id of [undefined, null, [], /a/]) {
      assert.throws(() => fencedDocument(counting, { id }), { code: 'invalid-argument' });
    }
    assert.throws(() => fencedDocument(counting, { id: 1, fenceField: 'a.b' }), { code: 'invalid-argument' });
    const document = fencedDocument(counting, { id: randomUUID() });
    const refused: readonly [() => Promise<unknown>, string][] = [
      [() => document.write(leader(-1), {}), 'invalid-argument'],
      [() => document.write(leader(1), [] as never), 'invalid-argument'],
      [() => document.write(leader(1), { fence: 1 }), 'invalid-argument'],
      [() => document.write(leader(1), { $set: {} }), 'invalid-argument'],
      [() => document.write(leader(1), {}, { expectedVersion: 0.5 }), 'invalid-argument'],
      [() => document.apply(leader(1), { a: 1 }), 'invalid-argument'],
      [() => document.apply(leader(1), [{ $set: {} }]), 'invalid-argument'],
      [() => document.apply(leader(1), { $set: { 'fence.token': 9 } }), 'invalid-argument'],
      [() => document.apply(leader(1), { $rename: { a: 'fence' } }), 'invalid-argument'],
      [() => document.write({ ...leader(1), tokenSurvivesDeletion: false }, {}), 'unsupported'],
      [() => document.claim(leader(1), { signal: AbortSignal.abort() }), 'aborted'],
      [() => fenced(client, leader(1), async () => {}, {} as never), 'invalid-argument'],
      [
        () => fenced(client, leader(1), async () => {}, { fences: counting, resource: '' }),
        'invalid-argument',
      ],
    ];
    for (const [run, code] of refused) await assert.rejects(run(), { code });
    assert.equal(sent, 0);
  });

  test('a damaged fence is refused', async () => {
    const id = randomUUID();
    const sound = { election: 'jobs', token: 5, version: 1, writeId: 'x' };
    // Types that compare with no token: nothing would ever match.
    for (const damage of [{ token: 'x' }, { token: '5' }, { token: null }]) {
      await documents.replaceOne({ _id: id }, { fence: { ...sound, ...damage } } as never, { upsert: true });
      const document = fencedDocument(documents, { id, adopt: true });
      const signal = AbortSignal.timeout(30_000);
      await assert.rejects(document.read(), { code: 'data-damaged' });
      await assert.rejects(document.write(leader(9), {}, { signal }), { code: 'data-damaged' });
      await assert.rejects(document.apply(leader(9), { $set: { a: 1 } }, { signal }), {
        code: 'data-damaged',
      });
    }
  });

  test('a fenced transaction is all or nothing, and returns what its work returned', async () => {
    const id = randomUUID();
    const fences = client.db(database).collection('fences');
    const write = (token: number, value: string, fail?: Error) =>
      fenced(
        client,
        leader(token),
        async (session) => {
          await documents.updateOne({ _id: id }, { $push: { lines: value } }, { session, upsert: true });
          if (fail) throw fail;
          return value;
        },
        { fences, resource: id },
      );
    assert.equal(await write(3, 'three'), 'three');
    const failure = new Error('no');
    await assert.rejects(write(4, 'four', failure), (error) => error === failure);
    assert.equal(await write(3, 'three again'), 'three again');
    await write(5, 'five');
    await assert.rejects(write(3, 'late'), { code: 'stale-token', outcome: 'not-applied' });
    assert.deepEqual(await linesOf(id), ['three', 'three again', 'five']);
    await assert.rejects(
      fenced(client, leader(9, 'reports'), async () => {}, { fences, resource: id }),
      { code: 'failed-precondition' },
    );
  });

  test('of many transactions that use a resource first, none is lost and the highest token is the last', async () => {
    const id = randomUUID();
    const fences = client.db(database).collection('fences');
    const tokens = [1, 2, 3, 4, 5];
    const results = await Promise.allSettled(
      tokens.map((token) =>
        fenced(
          client,
          leader(token),
          (session) =>
            documents.updateOne({ _id: id }, { $push: { lines: String(token) } }, { session, upsert: true }),
          { fences, resource: id },
        ),
      ),
    );
    const lines = (await linesOf(id)).map(Number);
    assert.equal(lines.at(-1), 5);
    for (const [index, result] of results.entries()) {
      assert.equal(result.status === 'fulfilled', lines.includes(index + 1));
      if (result.status === 'rejected') assert.equal(result.reason.code, 'stale-token', result.reason);
    }
  });

  test('a commit whose answer was lost is looked up in the fence', async () => {
    const id = randomUUID();
    const fences = client.db(database).collection('fences');
    let carriedOut = true;
    const losing: Pick<MongoClient, 'startSession'> = {
      startSession() {
        const session = client.startSession();
        const commit = session.commitTransaction.bind(session);
        session.commitTransaction = async () => {
          if (carriedOut) await commit();
          throw Object.assign(new Error('connection closed'), { name: 'MongoNetworkError' });
        };
        return session;
      },
    };
    const work = (session: ClientSession) => documents.insertOne({ _id: id, lines: ['once'] }, { session });
    await fenced(client, leader(1), async () => {}, { fences, resource: id });
    const { insertedId } = await fenced(losing, leader(1), work, { fences, resource: id });
    assert.equal(insertedId, id);
    assert.deepEqual(await linesOf(id), ['once']);
    carriedOut = false;
    const other = randomUUID();
    const lost = fenced(losing, leader(1), (session) => documents.insertOne({ _id: other }, { session }), {
      ...{ fences, resource: id },
    });
    await assert.rejects(lost, { code: 'unavailable', outcome: 'unknown' });
    assert.equal(await documents.findOne({ _id: other }), null);
  });

  test('a transaction that the work itself ended is not taken for committed', async () => {
    const fences = client.db(database).collection('fences');
    for (const end of ['abortTransaction', 'commitTransaction'] as const) {
      const id = randomUUID();
      const work = async (session: ClientSession) => {
        await documents.insertOne({ _id: id }, { session });
        await session[end]();
      };
      await assert.rejects(fenced(client, leader(1), work, { fences, resource: id }), {
        code: 'failed-precondition',
        outcome: 'unknown',
        message: /ended by the work/,
      });
    }
  });

  test('a leader that lost its leadership while the work ran does not commit', async () => {
    const id = randomUUID();
    const fences = client.db(database).collection('fences');
    let held = true;
    const losing: FencedLeadership = {
      ...leader(1),
      assertHeld() {
        if (!held) throw new ConclaveError('not-leading', 'It is over.');
      },
    };
    const work = async (session: ClientSession) => {
      await documents.insertOne({ _id: id }, { session });
      held = false;
    };
    await assert.rejects(fenced(client, losing, work, { fences, resource: id }), { code: 'not-leading' });
    assert.equal(await documents.findOne({ _id: id }), null);
  });
});
