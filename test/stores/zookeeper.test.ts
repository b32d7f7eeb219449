import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type ConformanceTarget, conformanceTests, losingAnswers } from '../../src/conformance/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import { nodeRuntime, type Runtime } from '../../src/runtime/index.ts';
import type { DocumentChange, DocumentDriver } from '../../src/stores/documents/driver.ts';
import { escapeName } from '../../src/stores/escaped-names.ts';
import { Ensemble, parseServers } from '../../src/stores/zookeeper/ensemble.ts';
import { Nodes } from '../../src/stores/zookeeper/nodes.ts';
import { sweepSessions } from '../../src/stores/zookeeper/sweeping.ts';
import { type ZookeeperStoreOptions, zookeeperDriver, zookeeperStore } from '../../src/stores/zookeeper.ts';
import { Guide } from '../guide.ts';
import { startZookeeper, type ZookeeperEnsemble, zookeeperMissing } from '../servers/zookeeper.ts';
import { dataAt, deleteAll, putNode } from '../servers/zookeeper-outsider.ts';
import { losingProxy } from '../stand-ins/losing-proxy.ts';
import { leadsAgainAfter } from './outage.ts';

const skip = zookeeperMissing ?? false;
const patience = { timeout: 300_000 };
const never = new AbortController().signal;
const bounds = { signal: never, timeoutMs: 10_000 };
const election = { kind: 'election', name: 'report' } as const;

function register(open: () => Promise<ConformanceTarget>, wanted: RegExp): void {
  for (const { name, run } of conformanceTests(open, { patienceMs: 60_000 })) {
    if (!wanted.test(name)) continue;
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
}

/** Counts what is sent: a connection writes once for each request. */
function counting(): { readonly runtime: Runtime; readonly operations: readonly number[]; sent: number } {
  const own = nodeRuntime();
  const operations: number[] = [];
  const counter = {
    operations,
    sent: 0,
    runtime: {
      ...own,
      network: {
        listen: own.network.listen.bind(own.network),
        async connect(...given: Parameters<Runtime['network']['connect']>) {
          const connection = await own.network.connect(...given);
          const write = connection.write.bind(connection);
          connection.write = (chunks) => {
            counter.sent += 1;
            // After the frame's length and the request's number.
            operations.push(Buffer.from(chunks[0] ?? []).readInt32BE(8));
            write(chunks);
          };
          return connection;
        },
      },
    },
  };
  return counter;
}

async function opened(options: ZookeeperStoreOptions): Promise<DocumentDriver> {
  const driver = zookeeperDriver(options);
  await driver.open?.(bounds);
  return driver;
}

async function written(driver: DocumentDriver, text: string, replaces?: string): Promise<string> {
  const version = await driver.write(election, text, { replaces }, bounds);
  assert(version !== undefined, `${text} was not written`);
  return version;
}

function failsWith(code: string, ...words: readonly RegExp[]) {
  return (error: unknown) => {
    assert(ConclaveError.is(error), String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.match(error.message, word);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  };
}

async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!ConclaveError.is(error) || !error.retryable) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

describe('The ZooKeeper store conforms on three servers', { concurrency: 8, skip }, () => {
  let ensemble: ZookeeperEnsemble;
  before(async () => {
    ensemble = await startZookeeper(3);
  }, patience);
  after(async () => {
    await ensemble?.[Symbol.asyncDispose]();
  });
  register(async () => {
    const { servers } = ensemble;
    const counter = counting();
    const { runtime } = counter;
    // A crowd that comes at once takes its time on a machine that is busy with other things.
    const options = { servers, timeoutMs: 60_000 };
    const { store, loseNextAnswer } = losingAnswers(zookeeperStore({ ...options, runtime }));
    return {
      ...{ store, loseNextAnswer },
      another: async () => zookeeperStore(options),
      anotherOn: async (runtime) => zookeeperStore({ ...options, runtime }),
      driver: () => zookeeperDriver({ servers }),
      deleteRecords: (name) => deleteAll(servers, `/conclave/elections/${escapeName(name)}`),
      requests: () => counter.sent,
      [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.asyncDispose]()),
    };
  }, /./);
});

describe('The ZooKeeper store outlives its service', { skip }, () => {
  let ensemble: ZookeeperEnsemble;
  before(async () => {
    ensemble = await startZookeeper(1);
  }, patience);
  after(async () => {
    await ensemble?.[Symbol.asyncDispose]();
  });
  const open = () => zookeeperStore({ servers: ensemble.servers });
  register(async () => {
    const store = open();
    return {
      store,
      another: async () => open(),
      driver: () => zookeeperDriver({ servers: ensemble.servers }),
      stopService: () => ensemble.kill(0),
      startService: () => ensemble.start(0),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  }, /service|outage/);

  test('after an outage one leads again, and the old leader was told before', patience, () =>
    leadsAgainAfter({ open, stop: () => ensemble.kill(0), start: () => ensemble.start(0) }),
  );
});

describe('The ZooKeeper store', { skip }, () => {
  let ensemble: ZookeeperEnsemble;
  let folders = 0;
  /** A folder that no other test has. */
  const fresh = (path?: string) => {
    folders += 1;
    return { servers: ensemble.servers, path: path ?? `/test-${folders}` };
  };
  before(async () => {
    ensemble = await startZookeeper(3);
  }, patience);
  after(async () => {
    await ensemble?.[Symbol.asyncDispose]();
  });

  test(
    'a node made anew is not taken for the one that was read, though its number is the same',
    patience,
    async () => {
      const options = fresh();
      await using driver = await opened(options);
      const read = await written(driver, 'two', await written(driver, 'one'));
      await deleteAll(ensemble.servers, `${options.path}/elections/report`);
      const now = await written(driver, 'other two', await written(driver, 'other one'));
      assert.equal(now.split('.')[1], read.split('.')[1]);
      assert.equal(await driver.write(election, 'too late', { replaces: read }, bounds), undefined);
      assert.equal(await driver.remove(election, read, bounds), false);
      assert.deepEqual(await driver.read(election, bounds), { text: 'other two', version: now });
    },
  );

  test('a server that was behind shows every write that was answered', patience, async () => {
    const options = fresh();
    const behind = (await ensemble.leader()) === 0 ? 1 : 0;
    const others = ensemble.addresses.filter((_, at) => at !== behind);
    await using writer = await opened({ ...options, servers: others });
    const { runtime, operations } = counting();
    await using reader = await opened({ ...options, servers: ensemble.addresses[behind] ?? '', runtime });
    for (let round = 0; round < 5; round++) {
      const before = (await writer.read(election, bounds))?.version;
      ensemble.pause(behind);
      const version = await written(writer, `round ${round}`, before);
      const reading = eventually(() => reader.read(election, bounds));
      ensemble.resume(behind);
      assert.equal((await reading)?.version, version);
    }
    // Ordered to catch up (9) before it reads (22), a server is behind in no case, also where this one was not.
    const before = operations.flatMap((operation, at) => (operation === 22 ? [operations[at - 1]] : []));
    assert(before.length >= 5);
    assert.deepEqual(new Set(before), new Set([9]));
  });

  test(
    'a server that goes silent is left for another, and so is one that never answered',
    patience,
    async () => {
      const silent = (await ensemble.leader()) === 0 ? 1 : 0;
      const [first = '', second = ''] = [ensemble.addresses[silent], ensemble.addresses[2]];
      const own = nodeRuntime();
      // Always the first of the addresses.
      const runtime = { ...own, random: { unit: () => 0, bytes: own.random.bytes.bind(own.random) } };
      const options = { ...fresh(), servers: [first, second], runtime };
      await using driver = await opened(options);
      const version = await written(driver, 'before');
      ensemble.pause(silent);
      try {
        assert.equal((await eventually(() => driver.read(election, bounds)))?.version, version);
        await using another = await opened(options);
        assert.equal((await another.read(election, bounds))?.version, version);
      } finally {
        ensemble.resume(silent);
      }
    },
  );

  test('an answer that is lost leaves the outcome unknown, and reading shows it', patience, async () => {
    const [, port = '0'] = (ensemble.addresses[0] ?? '').split(':');
    await using proxy = await losingProxy(Number(port));
    await using driver = await opened({ ...fresh(), servers: `127.0.0.1:${proxy.port}` });
    const version = await written(driver, 'one');
    const lost = proxy.loseAnswersTo('two, unanswered');
    await assert.rejects(
      driver.write(election, 'two, unanswered', { replaces: version }, bounds),
      (error) => {
        assert(ConclaveError.is(error, 'unavailable'), String(error));
        assert.deepEqual([error.outcome, error.retryable], ['unknown', true]);
        return true;
      },
    );
    await lost;
    assert.equal((await driver.read(election, bounds))?.text, 'two, unanswered');
  });

  test(
    'changes by anybody are told as they come, and after a break all may have changed',
    patience,
    async () => {
      const options = fresh();
      const [, port = '0'] = (ensemble.addresses[0] ?? '').split(':');
      const proxy = await losingProxy(Number(port));
      await using watcher = await opened({ ...options, servers: `127.0.0.1:${proxy.port}` });
      await using writer = await opened(options);
      const stop = new AbortController();
      const changes = watcher.changes?.(stop.signal)[Symbol.asyncIterator]();
      const next = async () => (await changes?.next())?.value as DocumentChange | undefined;
      const nextOf = async (kind: string) => {
        for (;;) {
          const change = await next();
          if (change === undefined || change === 'all' || change.kind === kind) return change;
        }
      };
      assert.equal(await next(), 'all');
      const session = { kind: 'session', name: 'ab'.repeat(16) } as const;
      await written(writer, 'one');
      assert.deepEqual(await nextOf('election'), election);
      const version = await writer.write(session, 'session', { replaces: undefined }, bounds);
      assert.deepEqual(await nextOf('session'), session);
      assert(await writer.remove(session, version ?? '', bounds));
      await deleteAll(ensemble.servers, `${options.path}/elections/report`);
      assert.deepEqual(await nextOf('election'), election);
      await proxy[Symbol.asyncDispose]();
      // What came before the break may still be told.
      await assert.rejects(async () => {
        while ((await next()) !== undefined);
      }, failsWith('unavailable'));
    },
  );

  test('nothing that ZooKeeper would refuse for its size is sent', patience, async () => {
    await using driver = await opened(fresh());
    const version = await written(driver, 'small');
    const text = 'x'.repeat(1_000_001);
    await assert.rejects(
      driver.write(election, text, { replaces: version }, bounds),
      failsWith('too-large', /1000000 bytes/),
    );
    assert.equal((await driver.read(election, bounds))?.version, version);
    await written(driver, 'x'.repeat(900_000), version);
  });

  test('a session that nobody ended is swept once its time is over, and no other', patience, async () => {
    const { path, ...options } = fresh();
    await using driver = await opened({ ...options, path });
    const keys = ['00', '11', '22'].map((two) => ({ kind: 'session', name: two.repeat(16) }) as const);
    const keepMs = [1, 3_600_000, undefined];
    for (const [at, key] of keys.entries())
      await driver.write(key, 'text', { replaces: undefined, keepMs: keepMs[at] }, bounds);
    await written(driver, 'an election', undefined);
    const { addresses } = parseServers(ensemble.servers);
    const ensembleClient = new Ensemble(nodeRuntime(), addresses, undefined, 'a sweeper');
    const nodes = new Nodes({ ensemble: ensembleClient, description: 'a sweeper', user: undefined });
    const left = async () => (await Promise.all(keys.map((key) => driver.read(key, bounds)))).map(Boolean);
    try {
      await sweepSessions(nodes, path, never);
      assert.deepEqual(await left(), [true, true, true]);
      await sweepSessions(nodes, path, never, { everyMs: 0, marginMs: 0 });
      assert.deepEqual(await left(), [false, true, true]);
      assert.equal((await driver.read(election, bounds))?.text, 'an election');
    } finally {
      ensembleClient.close();
    }
  });

  test('what another user made is neither read nor changed', patience, async () => {
    const options = fresh();
    await using owner = await opened({ ...options, user: 'owner', password: 'owner-secret' });
    const version = await written(owner, 'kept');
    for (const login of [
      {},
      { user: 'owner', password: 'wrong-secret' },
      { user: 'guest', password: 'secret' },
    ]) {
      await using store = zookeeperStore({ ...options, ...login });
      await assert.rejects(
        store.openSession({ holder: 'guest', ttlMs: 2000 }),
        failsWith('failed-precondition', /user/, /setAcl/),
      );
    }
    assert.deepEqual(await owner.read(election, bounds), { text: 'kept', version });
  });

  test('what another program wrote is left as it is', patience, async () => {
    const options = fresh();
    const path = `${options.path}/elections/report`;
    await using store = zookeeperStore(options);
    await using session = await store.openSession({ holder: 'first', ttlMs: 30_000 });
    await putNode(ensemble.servers, path, 'theirs');
    await assert.rejects(
      session.acquire('report', { metadata: '', priority: 0 }),
      failsWith('data-incompatible', /not written by Conclave/),
    );
    assert.equal(await dataAt(ensemble.servers, path), 'theirs');
  });

  test('a node whose child somebody deleted says how to mend it', patience, async () => {
    const options = fresh();
    await using driver = await opened(options);
    const version = await written(driver, 'one');
    const path = `${options.path}/elections/report`;
    await deleteAll(ensemble.servers, `${path}/${version.split('.')[2]}`);
    await assert.rejects(
      driver.write(election, 'two', { replaces: version }, bounds),
      failsWith('failed-precondition', new RegExp(`deleteall ${path}`)),
    );
    await deleteAll(ensemble.servers, path);
    await written(driver, 'three');
  });

  test('all is made again after somebody deleted everything', patience, async () => {
    const options = fresh('/deep/down/here');
    await using driver = await opened(options);
    await written(driver, 'one');
    await deleteAll(ensemble.servers, '/deep');
    assert.equal(await driver.read(election, bounds), undefined);
    assert.deepEqual(await driver.list?.('', bounds), []);
    await written(driver, 'two');
    assert.deepEqual(await driver.list?.('', bounds), ['report']);
  });

  test('what lies below a path of the connection string is apart from what does not', patience, async () => {
    const { servers } = ensemble;
    await using below = await opened({ servers: `zk://${servers}/team`, path: '/shared' });
    await using beside = await opened({ servers, path: '/shared' });
    await written(below, 'below');
    assert.equal(await beside.read(election, bounds), undefined);
    assert.match(await dataAt(servers, '/team/shared/elections/report'), /^below\n/);
  });

  test(
    'nobody there, and somebody who is not ZooKeeper: unavailable, and nothing was done',
    patience,
    async () => {
      const stranger = createServer((socket) => {
        socket.on('error', () => {});
        socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      });
      await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
      const address = stranger.address();
      const port = typeof address === 'object' ? address?.port : 0;
      try {
        for (const servers of ['127.0.0.1:1', `127.0.0.1:${port}`]) {
          await using store = zookeeperStore({ servers });
          await assert.rejects(store.openSession({ holder: 'first', ttlMs: 2000 }), (error) => {
            failsWith('unavailable', /ZooKeeper/)(error);
            assert.deepEqual(
              [ConclaveError.is(error) && error.retryable, ConclaveError.is(error) && error.outcome],
              [true, 'not-applied'],
            );
            return true;
          });
        }
      } finally {
        stranger.close();
      }
    },
  );

  test('the examples of its page lead, and end by themselves', patience, async () => {
    await using guide = new Guide('../stores/zookeeper');
    await guide.unpack((code) => code.replaceAll('127.0.0.1:2181', ensemble.servers));
    await guide.typeCheck();
    await using report = guide.start('report.ts');
    await report.wrote(/leading with token \d+/, /working/);
    report.signal('SIGINT');
    assert.equal(await report.ended, 0, report.output);
    const env = { ZOOKEEPER_PASSWORD: 'worker-secret' };
    assert.match(await guide.outputOf('login.ts', { env }), /leading with token \d+/);
    await using refused = guide.start('login.ts', { env: { ZOOKEEPER_PASSWORD: 'another' } });
    assert.notEqual(await refused.ended, 0);
    assert.match(refused.output, /setAcl/);
    guide.assertAllRun();
  });

  test('a server whose data were lost serves those who have seen more of it', patience, async () => {
    await using server = await startZookeeper(1);
    await using driver = await opened({ servers: server.servers });
    for (const text of ['one', 'two', 'three'])
      await driver.write({ ...election, name: text }, text, { replaces: undefined }, bounds);
    await server.kill(0);
    server.wipe(0);
    await server.start(0);
    await assert.rejects(
      driver.read(election, bounds),
      failsWith('unavailable', /does not let this process in.*seen/),
    );
    assert.equal(await eventually(() => driver.read(election, bounds)), undefined);
    await written(driver, 'anew');
  });

  test('options that cannot be meant are refused', () => {
    const wrong: readonly [object, RegExp][] = [
      [{ servers: 'zk://user:secret@host' }, /options of their own/],
      [{ servers: 'host:99999' }, /servers must be/],
      [{ servers: '' }, /servers must be/],
      [{ servers: 'host', path: 'relative' }, /path/],
      [{ servers: 'host', path: '' }, /path of its own/],
      [{ servers: 'host', path: '/a/../b' }, /path/],
      [{ servers: 'host', user: 'me' }, /both a user/],
      [{ servers: 'host', pasword: 'secret' }, /Did you mean password/],
      [{ servers: 'host', timeoutMs: 0 }, /timeoutMs/],
    ];
    for (const [options, words] of wrong) {
      const make = () => zookeeperStore(options as ZookeeperStoreOptions);
      assert.throws(make, failsWith('invalid-argument', words), JSON.stringify(options));
    }
  });
});
