// The store on NATS: the suite, what is peculiar to NATS, and the examples of docs/stores/nats.md.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { losingAnswers } from '../../src/conformance/index.ts';
import type { StoreSession } from '../../src/election/store.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';
import { checkConfig, sweep } from '../../src/stores/nats/bucket.ts';
import { createNatsBucket, natsDriver, natsStore } from '../../src/stores/nats.ts';
import { schemaOfStore } from '../../src/stores/urls.ts';
import { Guide } from '../guide.ts';
import type { ChildServer } from '../servers/child-server.ts';
import { connectNats, natsMissing, startNats } from '../servers/nats.ts';
import {
  endsByItself,
  failsWith,
  findsOutAboutCutWrites,
  patience,
  registerConformance,
  withoutDriver,
} from './checks.ts';
import { testsOfOutages } from './outage.ts';

const skip = natsMissing ?? false;
/** This machine may be busy. */
const timeoutMs = 30_000;
const asked = { metadata: '', priority: 0 };

async function win(session: StoreSession, name: string): Promise<number> {
  const outcome = await session.acquire(name, asked);
  assert(outcome.status === 'acquired', `${session.holder} waits`);
  return outcome.token;
}

async function withBucket(more?: readonly string[]): Promise<ChildServer> {
  const server = await startNats(more);
  const connection = await connectNats(server.port);
  await createNatsBucket(connection, { replicas: 1 });
  await connection.close();
  return server;
}

describe('The NATS store conforms', { concurrency: 4, skip }, () => {
  let server: ChildServer;
  before(async () => {
    server = await withBucket();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  registerConformance(async () => {
    const connection = await connectNats(server.port);
    const { store, loseNextAnswer } = losingAnswers(natsStore({ connection, timeoutMs }));
    const kv = await new Kvm(connection).open('conclave');
    const stores = [store];
    return {
      ...{ store, loseNextAnswer },
      async another() {
        const second = natsStore({ url: `nats://127.0.0.1:${server.port}`, timeoutMs });
        stores.push(second);
        return second;
      },
      anotherOn: async (runtime) => natsStore({ connection, timeoutMs, runtime }),
      driver: () => natsDriver({ url: `nats://127.0.0.1:${server.port}` }),
      deleteRecords: (name) => kv.delete(`election.${name}`),
      requests: () => Number(connection.stats().outMsgs),
      async [Symbol.asyncDispose]() {
        await Promise.all(stores.map((one) => one[Symbol.asyncDispose]()));
        await connection.close();
      },
    };
  });
});

/** A server that goes and comes back with what it kept. */
async function restartable() {
  const storage = await mkdtemp(join(tmpdir(), 'conclave-nats-'));
  let running = await startNats(['--jetstream'], { storage });
  const { port } = running;
  const making = await connectNats(port);
  await createNatsBucket(making, { replicas: 1 });
  await making.close();
  return {
    // What was asked of a server that went is answered by no other: it takes all of its time.
    open: () => natsStore({ url: `nats://127.0.0.1:${port}`, timeoutMs: 3000 }),
    driver: () => natsDriver({ url: `nats://127.0.0.1:${port}` }),
    stop: async () => await running[Symbol.asyncDispose](),
    async start() {
      running = await startNats(['--jetstream'], { storage, port });
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await rm(storage, { recursive: true, force: true });
    },
  };
}

describe('The NATS store outlives its server', { concurrency: 3, skip }, () => {
  testsOfOutages(restartable);
});

describe('The NATS store', { skip }, () => {
  let server: ChildServer;
  let connection: NatsConnection;
  let kv: KV;
  before(async () => {
    server = await withBucket();
    connection = await connectNats(server.port);
    kv = await new Kvm(connection).open('conclave', { allow_direct: false });
  });
  after(async () => {
    await connection?.close();
    await server?.[Symbol.asyncDispose]();
  });

  test('keeps names of any text in keys of the small alphabet', patience, async () => {
    await using store = natsStore({ connection });
    await using session = await store.openSession({ ttlMs: 600_000, holder: 'first' });
    const names = ['a.b', 'a=2Eb', '*', '>', 'ü/選 %', '.', 'A', 'a', '選'.repeat(341)];
    for (const name of names) await win(session, `any ${name}`);
    for await (const all of store.watchAll?.('any ', { signal: AbortSignal.timeout(60_000) }) ?? []) {
      assert.deepEqual([...all.keys()].sort(), names.map((name) => `any ${name}`).sort());
      break;
    }
    assert.equal((await kv.get('election.any=20a=2Eb'))?.operation, 'PUT');
  });

  test('takes marks of deletion for what they are, with revisions of their own', patience, async () => {
    await using store = natsStore({ connection });
    await using session = await store.openSession({ ttlMs: 600_000, holder: 'first' });
    let last = 0;
    for (const remove of ['delete', 'purge'] as const) {
      const token = await win(session, 'marked');
      assert(token > last);
      last = token;
      await kv[remove]('election.marked');
      assert.equal((await store.read('marked')).leader, undefined);
      // The old token has no say over what is made anew.
      assert.equal(await session.proclaim('marked', token, 'x'), false);
    }
    assert((await win(session, 'marked')) > last);
  });

  test('finds out what became of writes whose connection was cut', patience, () =>
    findsOutAboutCutWrites(server.port, (port) =>
      natsStore({ url: `nats://127.0.0.1:${port}`, timeoutMs: 3000 }),
    ),
  );

  test('goes on where a bucket keeps a history', patience, async () => {
    const long = await new Kvm(connection).create('with-history', { history: 5, replicas: 1 });
    await using store = natsStore({ connection, bucket: 'with-history' });
    await using first = await store.openSession({ ttlMs: 600_000, holder: 'first' });
    const token = await win(first, 'x');
    for (let times = 0; times < 7; times++) await first.renew();
    assert.equal(await first.release('x', token), true);
    assert.equal((await store.read('x')).leader, undefined);
    assert((await long.status()).values > 5);
  });

  test('clears away what sessions left behind, and nothing that is alive or recent', patience, async () => {
    const kvm = new Kvm(connection);
    const { random } = nodeRuntime();
    const { signal } = new AbortController();
    await using store = natsStore({ connection });
    const ended = await store.openSession({ ttlMs: 600_000, holder: 'ended' });
    await ended[Symbol.asyncDispose]();
    await using forgotten = await store.openSession({ ttlMs: 600_000, holder: 'forgotten' });
    await kv.put('session.newest', 'x');
    const operationOf = async ({ id }: StoreSession) => (await kv.get(`session.${id}`))?.operation;
    await sweep(kv, kvm, 'conclave', random, signal);
    assert.deepEqual([await operationOf(ended), await operationOf(forgotten)], ['DEL', 'PUT']);
    await sweep(kv, kvm, 'conclave', random, signal, { deadAfterMs: 600_000, markerMs: -1 });
    assert.deepEqual([await operationOf(ended), await operationOf(forgotten)], [undefined, 'PUT']);
    await sweep(kv, kvm, 'conclave', random, signal, { deadAfterMs: -1, markerMs: 600_000 });
    assert.deepEqual([await operationOf(ended), await operationOf(forgotten)], [undefined, 'DEL']);
    await assert.rejects(forgotten.renew(), { code: 'lease-lost' });
  });

  test('listens anew where its consumer is gone', patience, async () => {
    await using watching = natsStore({ connection });
    await using store = natsStore({ url: `nats://127.0.0.1:${server.port}` });
    await using session = await store.openSession({ ttlMs: 600_000, holder: 'first' });
    const ending = new AbortController();
    const states = watching.watch('broken', { signal: ending.signal })[Symbol.asyncIterator]();
    assert.equal((await states.next()).value?.leader, undefined);
    const { consumers } = await new Kvm(connection).js.jetstreamManager();
    const names = async () => {
      const found: string[] = [];
      for await (const { name } of consumers.list('KV_conclave')) found.push(name);
      return found;
    };
    const until = async (what: (found: readonly string[]) => boolean) => {
      while (!what(await names())) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await until((found) => found.length > 0);
    const before = await names();
    // As when the server that had it is gone: nothing tells, but that it is silent.
    for (const name of before) await consumers.delete('KV_conclave', name);
    await until((found) => found.some((name) => !before.includes(name)));
    await win(session, 'broken');
    assert.equal((await states.next()).value?.leader?.holder, 'first');
    ending.abort();
    await states.next();
  });

  test('says what a bucket lacks, and makes none by itself', patience, async () => {
    const kvm = new Kvm(connection);
    await kvm.create('in-memory', { storage: 'memory', replicas: 1 });
    await kvm.create('forgetful', { ttl: 60_000, replicas: 1 });
    await kvm.create('mirrored', { mirror: { name: 'conclave' }, replicas: 1 });
    for (const [bucket, told] of [
      ['none', /Make the bucket: conclave migrate, createNatsBucket, or "nats kv add none/],
      ['in-memory', /in memory only/],
      ['forgetful', /has a ttl/],
      ['mirrored', /is a mirror/],
    ] as const) {
      await using store = natsStore({ connection, bucket });
      await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, told));
    }
    const names: string[] = [];
    for await (const { bucket } of kvm.list()) names.push(bucket);
    assert(!names.includes('none'));
    await assert.rejects(
      createNatsBucket(connection, { bucket: 'too-many', replicas: 3 }),
      failsWith('failed-precondition', {}, /A single server keeps one replica: replicas: 1/),
    );
    // One that is there stays as it is.
    await createNatsBucket(connection, { bucket: 'with-history', replicas: 1 });
  });

  test('is refused by servers on which several updates of one revision pass', () => {
    const config = { storage: 'file', max_age: 0, discard: 'new', max_msgs: -1, num_replicas: 3 };
    for (const version of ['2.9.10', '2.9.20', '2.8.4', '1.4.1']) {
      assert.throws(
        () => checkConfig('B', config, version),
        failsWith('unsupported', {}, /2\.9\.21 or later/),
      );
      checkConfig('B', { ...config, num_replicas: 1 }, version);
    }
    for (const version of ['2.9.21', '2.10.0', '2.15.1-RC.1', '3.0.0', '']) checkConfig('B', config, version);
  });

  test('leaves what another program wrote as it is', async () => {
    await kv.put('election.theirs', 'a text');
    await using store = natsStore({ connection });
    await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
    await assert.rejects(
      session.acquire('theirs', asked),
      failsWith('data-incompatible', {}, /left as it is/),
    );
    assert.equal((await kv.get('election.theirs'))?.string(), 'a text');
  });

  test(
    'says that no server can be reached, by its address, also to a client of the user',
    patience,
    async () => {
      const stopped = await startNats();
      const lost = await connectNats(stopped.port, { maxReconnectAttempts: -1 });
      await createNatsBucket(lost, { replicas: 1 });
      const url = `nats://127.0.0.1:${stopped.port}`;
      {
        await using ours = natsStore({ url, timeoutMs: 1000 });
        await using theirs = natsStore({ connection: lost, timeoutMs: 1000 });
        await using opening = natsStore({ connection: lost, timeoutMs: 1000 });
        for (const store of [ours, theirs]) await store.read('x');
        await stopped[Symbol.asyncDispose]();
        const told = new RegExp(`no server can be reached \\(last tried: 127\\.0\\.0\\.1:${stopped.port}\\)`);
        for (const store of [ours, theirs, opening]) {
          await assert.rejects(store.read('x'), failsWith('timeout', { retryable: true }, told));
        }
      }
      await lost.close();
    },
  );

  test(
    'says of a bucket that was deleted under it that it may be gone, and goes on with another',
    patience,
    async () => {
      const bucket = 'deleted-meanwhile';
      await createNatsBucket(connection, { bucket, replicas: 1 });
      await using store = natsStore({ connection, bucket });
      const open = () => store.openSession({ ttlMs: 60_000, holder: 'first' });
      await using before = await open();
      const { streams } = await new Kvm(connection).js.jetstreamManager();
      await streams.delete(`KV_${bucket}`);
      const told = /no server answers for it.*was deleted \(make it: conclave migrate\)/;
      await assert.rejects(open(), failsWith('unavailable', { retryable: true }, told));
      await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, /Make the bucket/));
      await createNatsBucket(connection, { bucket, replicas: 1 });
      await assert.rejects(before.renew(), failsWith('lease-lost', {}));
      await using after = await open();
      await win(after, 'x');
    },
  );

  test('sends nothing to a server without TLS where the url asks for it', patience, async () => {
    const { port } = server;
    await using store = natsStore({ url: `tls://worker:secret@127.0.0.1:${port}` });
    await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, /does not support 'tls'/));
  });

  test('names a server without JetStream, and a connection that is closed', patience, async () => {
    await using plain = await startNats([]);
    const closing = await connectNats(plain.port);
    await using store = natsStore({ connection: closing });
    await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, /nats-server -js/));
    await assert.rejects(createNatsBucket(closing), failsWith('failed-precondition', {}, /nats-server -js/));
    await closing.close();
    await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, /keep it open/));
  });

  test('names wrong credentials and missing permissions; what is granted is enough', patience, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'conclave-nats-'));
    const page = await readFile(join(import.meta.dirname, '../../docs/stores/nats.md'), 'utf8');
    const granted = /^```conf\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? '';
    const admin = '{ user: admin, password: "admin-secret" }';
    const poor = '{ user: poor, password: "poor-secret", permissions: { publish: ["$JS.API.INFO"] } }';
    const reads = '"$JS.API.STREAM.INFO.KV_conclave", "$JS.API.STREAM.MSG.GET.KV_conclave"';
    const reader = `{ user: reader, password: "reader-secret", permissions: { publish: [${reads}] } }`;
    const creates = '"$JS.API.INFO", "$JS.API.STREAM.CREATE.KV_conclave"';
    const maker = `{ user: maker, password: "maker-secret", permissions: { publish: [${creates}, ${reads}] } }`;
    const file = join(folder, 'nats.conf');
    await writeFile(file, granted.replace('users: [', `users: [\n${admin}\n${poor}\n${reader}\n${maker}\n`));
    const login = { user: 'admin', pass: 'admin-secret' };
    await using strict = await startNats(['--jetstream', '--config', file], { login });
    const urlOf = (user: string) => `nats://${user}@127.0.0.1:${strict.port}`;
    // What `conclave migrate` does.
    const schema = await schemaOfStore(urlOf('maker:maker-secret'), { replicas: 1 });
    assert.equal(await schema?.make?.(), true);
    assert.equal(await schema?.make?.(), false);
    await using made = natsStore({ url: urlOf('maker:maker-secret') });
    assert.equal((await made.read('x')).leader, undefined);

    await using wrong = natsStore({ url: urlOf('worker:no-secret') });
    await assert.rejects(wrong.read('x'), failsWith('failed-precondition', {}, /Check user and password/));
    await using lacking = natsStore({ url: urlOf('poor:poor-secret') });
    const told = /right to publish to \$JS\.API\.STREAM\.INFO\.KV_conclave/;
    await assert.rejects(lacking.read('x'), failsWith('failed-precondition', {}, told));
    await using reading = natsStore({ url: urlOf('reader:reader-secret') });
    await assert.rejects(
      reading.openSession({ ttlMs: 60_000, holder: 'reader' }),
      failsWith('failed-precondition', {}, /right to publish to \$KV\.conclave\.>\./),
    );
    await using store = natsStore({ url: urlOf('worker:worker-secret') });
    await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
    const ending = new AbortController();
    const states = store.watch('granted', { signal: ending.signal })[Symbol.asyncIterator]();
    assert.equal((await states.next()).value?.leader, undefined);
    const token = await win(session, 'granted');
    assert.equal((await states.next()).value?.leader?.token, token);
    ending.abort();
    await states.next();
    for await (const all of store.watchAll?.('', { signal: AbortSignal.timeout(30_000) }) ?? []) {
      assert.deepEqual([...all.keys()], ['granted']);
      break;
    }
    await session[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test('says what is wrong with its options, before anything is sent', () => {
    const url = 'nats://127.0.0.1:4222';
    for (const options of [
      ...[undefined, {}, { connection, url }, { connection: 7 }, { url: 'http://127.0.0.1' }, { url: 7 }],
      ...[
        { url, bucket: 'a.b' },
        { url, bucket: '' },
        { url, buckt: 'a' },
        { url, pollMs: 0 },
        { url, credsFile: 'a', nkeyFile: 'b' },
        { url: 'nats://token@a', nkeyFile: 'b' },
        { url, credsFile: '' },
        { connection, credsFile: 'a' },
      ],
      ...[{ url: 'nats://a,,b' }, { url: 'nats://a?bucket=b' }, { url: 'nats://%ZZ@a' }, { url: 'nats://' }],
    ]) {
      assert.throws(
        () => natsStore(options as never),
        { code: 'invalid-argument' },
        JSON.stringify(Object.keys(options ?? {})),
      );
    }
    assert.throws(
      () => natsStore({ url: 'nats://u:secret@' }),
      (error) => !/secret/.test(String(error)),
    );
    const { description } = natsStore({ url: 'tls://u:secret@one:4222,two' });
    assert.equal(description, 'the bucket conclave of NATS at tls://one:4222, tls://two');
  });

  test('names a package that is missing, and leaves nothing open', patience, async () => {
    const make = `natsStore({ url: 'nats://127.0.0.1:${server.port}' })`;
    const script = { module: 'nats', storeName: 'natsStore', make };
    assert.match(await withoutDriver('@nats-io', script), /^unsupported: .*npm install @nats-io\/kv/);
    await endsByItself(script);
  });

  describe('by its guide', () => {
    const guide = new Guide('../stores/nats');
    before(async () =>
      guide.unpack((code) =>
        code.replaceAll('127.0.0.1:4222', `127.0.0.1:${server.port}`).replace('replicas: 3', 'replicas: 1'),
      ),
    );
    after(() => guide[Symbol.asyncDispose]());
    test('type-checks strictly', patience, () => guide.typeCheck());
    test('makes the bucket, leads, and takes a connection', patience, async () => {
      assert.equal(await guide.outputOf('bucket.ts'), 'the bucket is there\n');
      await using first = guide.start('report.ts');
      await first.wrote(/leading with token \d+/, /working/);
      first.signal('SIGINT');
      assert.equal(await first.ended, 0, first.output);
      assert.match(await guide.outputOf('connection.ts'), /^leading with token \d+\n$/);
      guide.assertAllRun();
    });
  });
});
