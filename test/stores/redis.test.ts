// The store on Redis: the suite, what is peculiar to Redis, and the examples of docs/stores/redis.md.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Cluster, type Redis } from 'ioredis';
import { createCluster } from 'redis';
import { losingAnswers } from '../../src/conformance/index.ts';
import { Candidate } from '../../src/election/index.ts';
import type { LeaseStore, StoreSession } from '../../src/election/store.ts';
import { type RedisClient, redisDriver, redisStore } from '../../src/stores/redis.ts';
import { Guide } from '../guide.ts';
import type { ChildServer } from '../servers/child-server.ts';
import { connectIoredis, connectNodeRedis, redisMissing, startRedis } from '../servers/redis.ts';
import { losingProxy } from '../stand-ins/losing-proxy.ts';
import {
  endsByItself,
  failsWith,
  opened,
  patience,
  readsBeside,
  registerConformance,
  renewsTogether,
  said,
  withoutDriver,
} from './checks.ts';
import { testsOfOutages } from './outage.ts';

const skip = redisMissing ?? false;
/** This machine may be busy. */
const timeoutMs = 30_000;
/** So seldom that nothing but the channel tells. */
const pollMs = 600_000;
const asked = { metadata: '', priority: 0 };

async function win(session: StoreSession, name: string): Promise<number> {
  const outcome = await session.acquire(name, asked);
  assert(outcome.status === 'acquired', `${session.holder} waits`);
  return outcome.token;
}

/** For what does not ask whether it may be advisory. */
function accepted(store: LeaseStore): LeaseStore {
  const { watchAll } = store;
  return {
    description: store.description,
    capabilities: { ...store.capabilities, consistency: 'linearizable' },
    openSession: (options) => store.openSession(options),
    read: (name, options) => store.read(name, options),
    watch: (name, options) => store.watch(name, options),
    ...(watchAll && { watchAll: watchAll.bind(store) }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** Sends each script twice, and hears the second answer: as a client does that loses its connection. */
function twice(client: Redis, sent: string[] = []): RedisClient {
  const once = async (...args: Parameters<Redis['evalsha']>) => {
    sent.push(String(args[0]));
    return await client.evalsha(...args);
  };
  return {
    async evalsha(...args: Parameters<Redis['evalsha']>) {
      await once(...args);
      return await once(...args);
    },
    eval: (...args: Parameters<Redis['eval']>) => client.eval(...args),
    duplicate: (...args: Parameters<Redis['duplicate']>) => client.duplicate(...args),
  } as unknown as RedisClient;
}

describe('The Redis store conforms, by ioredis and by redis at once', { concurrency: 4, skip }, () => {
  let server: ChildServer;
  before(async () => {
    server = await startRedis();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  registerConformance(async () => {
    const ioredis = connectIoredis(server.port);
    let drivers = 0;
    let sent = 0;
    const send = ioredis.sendCommand.bind(ioredis);
    ioredis.sendCommand = (...command) => {
      sent += 1;
      return send(...command);
    };
    const nodeRedis = await connectNodeRedis(server.port);
    const { store, loseNextAnswer } = losingAnswers(redisStore({ client: ioredis, timeoutMs }));
    const stores = [store];
    return {
      ...{ store, loseNextAnswer, requests: () => sent },
      async another() {
        const second = redisStore({ client: nodeRedis, timeoutMs });
        stores.push(second);
        return second;
      },
      anotherOn: async (runtime) => redisStore({ client: nodeRedis, timeoutMs, runtime }),
      driver: () => redisDriver({ client: drivers++ % 2 === 0 ? ioredis : nodeRedis }),
      async deleteRecords(name) {
        await ioredis.del(`{conclave}:election:${name}`);
      },
      async [Symbol.asyncDispose]() {
        await Promise.all(stores.map((one) => one[Symbol.asyncDispose]()));
        ioredis.disconnect();
        nodeRedis.destroy();
      },
    };
  });
});

/** A server that goes and comes back with what it kept, which is all that it answered. */
async function restartable() {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-redis-'));
  const kept = ['--dir', folder, '--appendonly', 'yes', '--appendfsync', 'always'];
  let running = await startRedis(kept);
  const { port } = running;
  return {
    open: () => redisStore({ url: `redis://127.0.0.1:${port}`, timeoutMs }),
    driver: () => redisDriver({ url: `redis://127.0.0.1:${port}` }),
    stop: async () => await running[Symbol.asyncDispose](),
    async start() {
      running = await startRedis(kept, port);
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

describe('The Redis store outlives its server', { concurrency: 3, skip }, () => {
  testsOfOutages(restartable, accepted);
});

describe('The Redis store', { skip }, () => {
  let server: ChildServer;
  let client: Redis;
  before(async () => {
    server = await startRedis();
    client = connectIoredis(server.port);
  });
  after(async () => {
    client?.disconnect();
    await server?.[Symbol.asyncDispose]();
  });
  const url = (login = '') => `redis://${login}127.0.0.1:${server.port}`;

  test('is refused by who was not told that it is advisory', async () => {
    await using store = redisStore({ client });
    assert.equal(store.capabilities.consistency, 'advisory');
    assert.throws(() => new Candidate(store, 'x'), {
      code: 'unsupported',
      message: /advisory.*acceptAdvisory/,
    });
    await using candidate = new Candidate(store, 'x', { acceptAdvisory: 'it saves double work only' });
    assert((await candidate.campaign()).token > 0);
  });

  test('loses leader and token at a failover to a replica that lacks the last writes', patience, async () => {
    await using master = await startRedis();
    await using link = await losingProxy(master.port);
    await using replica = await startRedis(['--replicaof', '127.0.0.1', String(link.port)]);
    const onMaster = connectIoredis(master.port);
    const onReplica = connectIoredis(replica.port);
    {
      await using before = redisStore({ client: onMaster });
      const early = await before.openSession({ ttlMs: 600_000, holder: 'early' });
      await before.read('state');
      const earlyToken = await win(early, 'state');
      await early.release('state', earlyToken);
      const copied = await onMaster.hget('{conclave}:election:state', 'writes');
      while ((await onReplica.hget('{conclave}:election:state', 'writes')) !== copied) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      link.freeze();
      const lost = await before.openSession({ ttlMs: 600_000, holder: 'lost' });
      const lostToken = await win(lost, 'state');

      await onReplica.replicaof('NO', 'ONE');
      await using afterwards = redisStore({ client: onReplica });
      const next = await afterwards.openSession({ ttlMs: 600_000, holder: 'next' });
      // Two lead at once, by one token: that is what `advisory` means.
      assert.equal(await win(next, 'state'), lostToken);
      assert.equal((await before.read('state')).leader?.holder, 'lost');
    }
    onMaster.disconnect();
    onReplica.disconnect();
  });

  test('names a replica, at once or when a failover made it one', patience, async () => {
    await using replica = await startRedis(['--replicaof', '127.0.0.1', String(server.port)]);
    const onReplica = connectIoredis(replica.port);
    {
      await using store = redisStore({ client: onReplica });
      await assert.rejects(
        store.read('x'),
        failsWith('failed-precondition', {}, /replica.*connect to the primary/),
      );
      await onReplica.replicaof('NO', 'ONE');
      await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
      await onReplica.replicaof('127.0.0.1', server.port);
      await assert.rejects(
        session.acquire('x', asked),
        failsWith('unavailable', { retryable: true }, /replica.*connect to the primary/),
      );
      await onReplica.replicaof('NO', 'ONE');
    }
    onReplica.disconnect();
  });

  test('names wrong credentials and missing permissions, and changes nothing then', patience, async () => {
    const text = await readFile(join(import.meta.dirname, '../../docs/stores/redis.md'), 'utf8');
    const granted = /^ACL SETUSER worker (.*)$/m.exec(text)?.[1]?.split(' ') ?? [];
    const allow = (...rules: readonly string[]) => client.call('ACL', 'SETUSER', 'worker', ...rules);
    for (const [missing, told] of [
      ['+publish', /for the command publish\./],
      ['+zadd', /for the command zadd\./],
      ['+evalsha', /for the command evalsha\./],
      ['&{conclave}:*', /for the channel \{conclave\}:changes\./],
      ['~{conclave}:*', /for the keys \{conclave\}:\*\./],
    ] as const) {
      await client.call('ACL', 'DELUSER', 'worker');
      await allow(
        ...granted.filter((rule) => rule !== missing).map((rule) => rule.replace(/^>.*/, '>secret')),
      );
      await using store = redisStore({ url: url('worker:secret@') });
      const open = store.openSession({ ttlMs: 60_000, holder: 'first' });
      await assert.rejects(
        open,
        failsWith('failed-precondition', {}, told, /^Redis at .* ACL SETUSER its-user ~/),
      );
    }
    assert.deepEqual(await client.keys('*session*'), []);
    await using nowhere = redisStore({ url: 'redis://127.0.0.1:1' });
    const unreachable = failsWith(
      'unavailable',
      { retryable: true },
      /Cannot connect to Redis at 127.0.0.1:1: .*ECONNREFUSED/,
    );
    await assert.rejects(nowhere.read('x'), unreachable);
    await using wrong = redisStore({ url: url('worker:not-secret@') });
    const refused = await wrong.read('x').catch((error: unknown) => error);
    assert(failsWith('failed-precondition', {}, /Check user and password/)(refused));
    // The client hangs its login on it.
    assert.doesNotMatch(inspect(refused, { depth: 9, showHidden: true }), /not-secret/);
    await allow('reset', ...granted.map((rule) => rule.replace(/^>.*/, '>secret')));
    await using store = redisStore({ url: url('worker:secret@') });
    await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
    const token = await win(session, 'granted');
    assert.equal(
      await session.release('granted', token, { record: new Uint8Array(3), recordTtlMs: 60_000 }),
      true,
    );
    for await (const all of store.watchAll?.('grant', { signal: AbortSignal.timeout(30_000) }) ?? []) {
      assert.deepEqual([...all.keys()], ['granted']);
      break;
    }
  });

  test('is refused by a server that forgets any key when its memory is full', async () => {
    await client.config('SET', 'maxmemory', '100mb', 'maxmemory-policy', 'allkeys-lru');
    await using store = redisStore({ client });
    await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, /allkeys-lru.*noeviction/));
    await client.config('SET', 'maxmemory-policy', 'volatile-lru');
    assert.equal((await store.read('x')).leader, undefined);
    await client.config('SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction');
  });

  test('leaves what another program wrote as it is', async () => {
    await client.set('{conclave}:election:theirs', 'a string');
    await client.hset('{conclave}:election:theirs too', 'field', 'a hash');
    await using store = redisStore({ client });
    await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
    for (const name of ['theirs', 'theirs too']) {
      await assert.rejects(
        session.acquire(name, asked),
        failsWith('data-incompatible', {}, /another prefix/),
      );
    }
    assert.equal(await client.get('{conclave}:election:theirs'), 'a string');
    assert.deepEqual(await client.hgetall('{conclave}:election:theirs too'), { field: 'a hash' });
  });

  test('reads what is beside something that another program wrote', async () => {
    await client.set('{conclave}:session:beside', 'a string');
    await readsBeside(await opened(redisDriver({ client })), { kind: 'session', name: 'beside' });
  });

  test('renews many sessions in few commands, and tells each its own fate', patience, async () => {
    const sent: string[] = [];
    const counting = twice(client, sent);
    await using store = redisStore({ client: counting, timeoutMs });
    await renewsTogether(store, {
      // Each is sent twice here, so what is counted once must be renewed once.
      requests: () => sent.length / 2,
      end: (id) => client.del(`{conclave}:session:${id}`),
    });
  });

  test('tells who listens of elections, not of every renewal', patience, async () => {
    const told: string[] = [];
    const listening = connectIoredis(server.port);
    await using _ = { [Symbol.asyncDispose]: async () => listening.disconnect() };
    // Opening a store tries whether it may publish.
    listening.on('message', (_: string, message: string) => message !== '' && told.push(message));
    await listening.subscribe('{conclave}:changes');
    await using store = redisStore({ client });
    await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
    await session.renew();
    await win(session, 'told');
    await session.renew();
    while (!told.includes('election:told')) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(new Set(told), new Set(['election:told']));
  });

  test('counts a command once that the client sent twice, also when the server forgot its scripts', async () => {
    await using store = redisStore({ client: twice(client) });
    await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
    const token = await win(session, 'sent twice');
    await client.script('FLUSH');
    await session.renew();
    assert.equal(await session.proclaim('sent twice', token, 'm'), true);
    assert.equal((await store.read('sent twice')).leader?.metadata, 'm');
    assert.equal(await session.release('sent twice', token), true);
    assert((await win(session, 'sent twice')) > token);
  });

  test('keeps to one slot of a cluster, whatever names hold, by both clients', patience, async () => {
    await using node = await startRedis(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']);
    const closing: (() => void)[] = [];
    await using _ = { [Symbol.asyncDispose]: async () => closing.forEach((close) => void close()) };
    const admin = connectIoredis(node.port);
    closing.push(() => admin.disconnect());
    await admin.cluster('ADDSLOTSRANGE', 0, 16383);
    while (!(await admin.cluster('INFO')).includes('cluster_state:ok')) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const cluster = new Cluster([{ host: '127.0.0.1', port: node.port }]);
    closing.push(() => cluster.disconnect());
    const other = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${node.port}` }] });
    await other.connect();
    closing.push(() => other.destroy());
    {
      await using one = redisStore({ client: cluster });
      await using two = redisStore({ client: other, pollMs });
      for (const name of ['plain', '{tagged}:name', '}{', 'ü%']) {
        const ending = new AbortController();
        const states = two.watch(name, { signal: ending.signal })[Symbol.asyncIterator]();
        assert.equal((await states.next()).value?.leader, undefined);
        await using session = await one.openSession({ ttlMs: 600_000, holder: 'first' });
        await win(session, name);
        assert.equal((await states.next()).value?.leader?.holder, 'first');
        ending.abort();
        await states.next();
      }
    }
  });

  test('hears of changes again after its channel broke', patience, async () => {
    await using store = redisStore({ client, pollMs });
    await using session = await store.openSession({ ttlMs: 600_000, holder: 'first' });
    const ending = new AbortController();
    const states = store.watch('broken', { signal: ending.signal })[Symbol.asyncIterator]();
    assert.equal((await states.next()).value?.leader, undefined);
    while ((await client.pubsub('NUMSUB', '{conclave}:changes'))[1] === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await win(session, 'broken');
    assert.equal((await states.next()).value?.leader?.holder, 'first');
    ending.abort();
    await states.next();
  });

  test('says what is wrong with its options, before anything is sent', () => {
    const invalid = { code: 'invalid-argument' };
    for (const options of [
      ...[undefined, {}, { client, url: url() }, { client: {} }, { url: 'http://127.0.0.1' }, { url: 7 }],
      ...['abc', '-1', '1.5', '01', '2/', '1/2', '1e1', '?db=2', '?prefix=a', '1?family=6'].map((rest) => ({
        url: `${url()}/${rest}`,
      })),
      ...[
        { client, prefix: '' },
        { client, prefix: '{a}' },
        { client, prefx: 'a' },
        { client, pollMs: 0 },
      ],
    ]) {
      assert.throws(() => redisStore(options as never), invalid, JSON.stringify(Object.keys(options ?? {})));
    }
    assert.throws(
      () => redisStore({ url: 'rediss://u:secret@' }),
      (error) => !/secret/.test(String(error)),
    );
  });

  test('names a client that is closed, and a package that is missing', patience, async () => {
    const ioredis = connectIoredis(server.port);
    const nodeRedis = await connectNodeRedis(server.port);
    for (const [closed, close] of [
      [ioredis, () => ioredis.quit()],
      [nodeRedis, () => nodeRedis.close()],
    ] as const) {
      await using store = redisStore({ client: closed });
      await store.read('x');
      await close();
      await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, /keep it open/));
    }
    const script = { module: 'redis', storeName: 'redisStore', make: `redisStore({ url: '${url()}' })` };
    // Blocks whatever begins so: ioredis, and the store's own file is loaded by its path.
    const { make, ...rest } = script;
    const both = `(registerHooks({ resolve(one, context, next) { if (one !== 'redis') return next(one, context); throw Object.assign(new Error(one), { code: 'ERR_MODULE_NOT_FOUND' }); } }), ${make})`;
    assert.match(
      await withoutDriver('ioredis', { ...rest, make: both }),
      /^unsupported: .*npm install ioredis/,
    );
  });

  test('is refused by a server that has no such database, before anything is written', patience, async () => {
    await client.flushall();
    await using last = redisStore({ url: `${url()}/15` });
    await using session = await last.openSession({ ttlMs: 60_000, holder: 'first' });
    await win(session, 'in-the-last');
    await using none = redisStore({ url: `${url()}/99` });
    const said = /Cannot connect to Redis at 127\.0\.0\.1:\d+: database 99 was refused.*in the url/;
    await assert.rejects(none.read('x'), failsWith('failed-precondition', {}, said));
    await assert.rejects(
      none.openSession({ ttlMs: 60_000, holder: 'first' }),
      failsWith('failed-precondition', {}, said),
    );
    const make = `({ read: async (name) => { await using store = redisStore({ url: '${url()}/99' }); return await store.read(name); } })`;
    const byRedis = await withoutDriver('ioredis', { module: 'redis', storeName: 'redisStore', make });
    assert.match(byRedis, /^failed-precondition: Cannot connect .* database 99 was refused/);
    assert.deepEqual(await client.keys('*'), []);
  });

  test(
    'is refused by a client of the user that went on in database 0 of such a server',
    patience,
    async () => {
      await client.flushall();
      for (const lazyConnect of [false, true]) {
        const lost = connectIoredis(server.port, { db: 99, lazyConnect });
        await using store = redisStore({ client: lost });
        const said = /Cannot connect to Redis: database 99 was refused.*in the options of the client/;
        await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, said));
        lost.disconnect();
      }
      assert.deepEqual(await client.keys('*'), []);
      const third = connectIoredis(server.port, { db: 3 });
      {
        await using store = redisStore({ client: third });
        await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
        const token = await win(session, 'in-the-third');
        // Where the elections are does not change under those who hold them.
        await third.select(4);
        assert.equal((await store.read('in-the-third')).leader?.token, token);
        await using byUrl = redisStore({ url: `${url()}/3` });
        assert.equal((await byUrl.read('in-the-third')).leader?.token, token);
      }
      third.disconnect();
      assert.deepEqual(await client.keys('*'), []);
    },
  );

  test('does not go on in database 0 of a server that came back with fewer', patience, async () => {
    const first = await startRedis();
    await using store = redisStore({ url: `redis://127.0.0.1:${first.port}/5`, timeoutMs });
    {
      await using _whole = first;
      await store.read('x');
    }
    {
      await using _fewer = await startRedis(['--databases', '1'], first.port);
      await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, /database 5 was refused/));
    }
    await using _whole = await startRedis([], first.port);
    assert.equal((await store.read('x')).leader, undefined);
  });

  test(
    'says why while a login that worked is refused, and goes on when it is taken again',
    patience,
    async () => {
      const rules = '~{conclave}:* &{conclave}:* +@all'.split(' ');
      const setPassword = async (password: string) => {
        await client.call('ACL', 'SETUSER', 'changing', 'reset', 'on', `>${password}`, ...rules);
        await client.call('CLIENT', 'KILL', 'USER', 'changing');
      };
      await setPassword('one');
      await using store = redisStore({ url: url('changing:one@'), timeoutMs: 500 });
      await store.read('x');
      await setPassword('two');
      while ((await said(store)) === 'answered') await sleep(50);
      for (let times = 0; times < 30; times++) {
        assert.match(await said(store), /WRONGPASS.*Check user and password|the server closed it/);
        await sleep(50);
      }
      await setPassword('one');
      while ((await said(store)) !== 'answered') await sleep(50);
      await client.call('ACL', 'DELUSER', 'changing');
    },
  );

  test('by the package redis says why it got no connection, as by ioredis', patience, async () => {
    const said = (url: string) =>
      withoutDriver('ioredis', {
        module: 'redis',
        storeName: 'redisStore',
        make: `redisStore({ url: '${url}' })`,
      });
    assert.match(
      await said('redis://127.0.0.1:1'),
      /^unavailable: Cannot connect to Redis at 127\.0\.0\.1:1: no connection \(.*ECONNREFUSED/,
    );
    assert.match(await said(url('nobody:wrong@')), /^failed-precondition: .*Check user and password/);
  });

  test('takes redis where ioredis is not installed, and leaves nothing open', patience, async () => {
    const make = `((store) => Object.create(store, { capabilities: { value: { ...store.capabilities, consistency: 'linearizable' } }, openSession: { value: (o) => store.openSession(o) }, read: { value: (n, o) => store.read(n, o) }, watch: { value: (n, o) => store.watch(n, o) }, [Symbol.asyncDispose]: { value: () => store[Symbol.asyncDispose]() } }))(redisStore({ url: '${url()}' }))`;
    const script = { module: 'redis', storeName: 'redisStore', make };
    await endsByItself(script);
    const before = `(await import('node:module')).registerHooks({ resolve(one, context, next) { if (one !== 'ioredis') return next(one, context); throw Object.assign(new Error(one), { code: 'ERR_MODULE_NOT_FOUND' }); } });`;
    await endsByItself({ ...script, before });
  });

  describe('by its guide', () => {
    const guide = new Guide('../stores/redis');
    before(async () => guide.unpack((code) => code.replaceAll('127.0.0.1:6379', `127.0.0.1:${server.port}`)));
    after(() => guide[Symbol.asyncDispose]());
    test('type-checks strictly', patience, () => guide.typeCheck());
    test('leads, hands over, and takes both clients', patience, async () => {
      await using first = guide.start('report.ts');
      await first.wrote(/leading with token \d+/, /working/);
      first.signal('SIGINT');
      assert.equal(await first.ended, 0, first.output);
      assert.match(await guide.outputOf('clients.ts'), /^(leading with token \d+\n){2}$/);
      guide.assertAllRun();
    });
  });
});
