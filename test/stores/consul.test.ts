import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { type ConformanceTarget, conformanceTests, losingAnswers } from '../../src/conformance/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';
import { type ConsulStoreOptions, consulDriver, consulStore } from '../../src/stores/consul.ts';
import type { DocumentChange, DocumentDriver } from '../../src/stores/documents/driver.ts';
import { escapeName } from '../../src/stores/escaped-names.ts';
import { Guide } from '../guide.ts';
import { type ConsulServer, consulName, deleteTree, startConsul, tokenFor } from '../servers/consul.ts';
import { ConsulStandIn } from '../stand-ins/consul.ts';
import { readMany } from './checks.ts';
import { leadsAgainAfter } from './outage.ts';

const patience = { timeout: 300_000 };
const bounds = { signal: new AbortController().signal, timeoutMs: 10_000 };
const election = { kind: 'election', name: 'report' } as const;
const session = { kind: 'session', name: 'ab'.repeat(16) } as const;

function register(open: () => Promise<ConformanceTarget>, wanted = /./): void {
  for (const { name, run } of conformanceTests(open, { patienceMs: 60_000 })) {
    if (!wanted.test(name)) continue;
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
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
    assert.doesNotMatch(error.message, /secret(?! id)/);
    return true;
  };
}

let runs = 0;
/** A prefix that no other test has, nor another run on the same server. */
function fresh(url: string) {
  runs += 1;
  return { url, prefix: `conclave-test-${process.pid}-${runs}/` };
}

/** With a token for it, where one is asked for. */
async function granted(server: ConsulServer) {
  const options = fresh(server.url);
  return { ...options, token: await tokenFor(server, options.prefix) };
}

describe(`The Consul store conforms on ${consulName}`, () => {
  let server: ConsulServer;
  before(async () => {
    server = await startConsul();
  }, patience);
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  const open = async (): Promise<ConformanceTarget> => {
    // A crowd's turn can take long on a machine that has other things to do.
    const options = { ...(await granted(server)), timeoutMs: 30_000 };
    const { prefix } = options;
    let sent = 0;
    const counting: typeof fetch = (...request) => {
      sent += 1;
      return fetch(...request);
    };
    const { store, loseNextAnswer } = losingAnswers(consulStore({ ...options, fetch: counting }));
    return {
      ...{ store, loseNextAnswer },
      another: async () => consulStore(options),
      anotherOn: async (runtime) => consulStore({ ...options, runtime }),
      driver: () => consulDriver(options),
      deleteRecords: (name) => deleteTree(server, `${prefix}election/${escapeName(name)}~`),
      requests: () => sent,
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]();
        await deleteTree(server, prefix);
      },
    };
  };
  // The crowd alone: all its requests are made by this process, and would make short sessions run out elsewhere.
  describe('at once', { concurrency: 6 }, () => register(open, /^(?!of fifty)/));
  describe('a crowd', () => register(open, /^of fifty/));
});

describe('The Consul store outlives its service', () => {
  let standIn: ConsulStandIn;
  before(async () => {
    standIn = await ConsulStandIn.start();
  });
  after(async () => {
    await standIn?.[Symbol.asyncDispose]();
  });
  const open = () => consulStore({ url: standIn.url });
  register(async () => {
    const store = open();
    return {
      store,
      another: async () => open(),
      driver: () => consulDriver({ url: standIn.url }),
      stopService: () => standIn.stop(),
      startService: () => standIn.listen(),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  }, /service|outage/);

  test('after an outage one leads again, and the old leader was told before', patience, () =>
    leadsAgainAfter({ open, stop: () => standIn.stop(), start: () => standIn.listen() }),
  );
});

describe(`The Consul store on ${consulName}`, () => {
  let server: ConsulServer;
  before(async () => {
    server = await startConsul();
  }, patience);
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  test('the same text written again is another version', patience, async () => {
    await using driver = consulDriver(await granted(server));
    const first = await written(driver, 'same');
    const second = await written(driver, 'same', first);
    assert.notEqual(second, first);
    assert.deepEqual(await driver.read(election, bounds), { text: 'same', version: second });
    assert.equal(await driver.write(election, 'late', { replaces: first }, bounds), undefined);
    assert.equal(await driver.write(election, 'late', { replaces: undefined }, bounds), undefined);
  });

  test('only what is there, and as it was read, is removed', patience, async () => {
    await using driver = consulDriver(await granted(server));
    const first = await driver.write(session, 'one', { replaces: undefined }, bounds);
    const second = await driver.write(session, 'two', { replaces: first }, bounds);
    assert.equal(await driver.remove(session, first ?? '', bounds), false);
    assert.equal(await driver.remove(session, second ?? '', bounds), true);
    // Consul's own conditional deletion would say yes.
    assert.equal(await driver.remove(session, second ?? '', bounds), false);
    assert.notEqual(await driver.write(session, 'two', { replaces: undefined }, bounds), second);
  });

  test('what is read is confirmed by a majority', patience, async () => {
    const reads: { readonly body: unknown; readonly url: URL }[] = [];
    const watching: typeof fetch = (input, init) => {
      const url = new URL(String(input));
      if (init?.method === 'GET' || !/"Verb":"(cas|set|delete)/.test(String(init?.body)))
        reads.push({ url, body: init?.body });
      return fetch(input, init);
    };
    await using driver = consulDriver({ ...(await granted(server)), fetch: watching });
    await written(driver, 'one');
    await driver.read(election, bounds);
    await driver.readMany?.([election, session], bounds);
    await driver.list?.('', bounds);
    assert(reads.length >= 3, JSON.stringify(reads));
    for (const { url } of reads) assert(url.searchParams.has('consistent'), url.href);
  });

  test('documents whose names begin alike, or look like paths, are apart', patience, async () => {
    await using driver = consulDriver(await granted(server));
    const names = ['a', 'ab', 'a/b', 'a//b', '..', '.', 'ä ?#%', 'a~'];
    const keys = names.map((name) => ({ kind: 'election', name }) as const);
    for (const key of keys) await driver.write(key, key.name, { replaces: undefined }, bounds);
    const many = [...keys, { kind: 'election', name: 'missing' } as const];
    const found = await readMany(driver, many);
    assert.deepEqual(
      found.map((document) => document?.text),
      [...names, undefined],
    );
    for (const key of keys) assert.equal((await driver.read(key, bounds))?.text, key.name);
    const listed = await driver.list?.('a', bounds);
    assert.deepEqual(new Set(listed), new Set(['a', 'ab', 'a/b', 'a//b', 'a~']));
  });

  test('changes by anybody are told as they come', patience, async () => {
    const options = await granted(server);
    await using watcher = consulDriver(options);
    await using writer = consulDriver(options);
    const stop = new AbortController();
    const changes = watcher.changes?.(stop.signal)[Symbol.asyncIterator]();
    const next = async () => (await changes?.next())?.value as DocumentChange | undefined;
    assert.equal(await next(), 'all');
    const version = await written(writer, 'one');
    assert.deepEqual(await next(), election);
    await written(writer, 'two', version);
    assert.deepEqual(await next(), election);
    await writer.write(session, 'session', { replaces: undefined }, bounds);
    assert.deepEqual(await next(), session);
    await deleteTree(server, `${options.prefix}election/`);
    assert.deepEqual(await next(), election);
    const ended = next().catch(() => undefined);
    stop.abort();
    assert.equal(await ended, undefined);
  });

  test('a session that nobody ended is swept once its time is over, and no other', patience, async () => {
    const options = await granted(server);
    const [dayMs, own] = [86_400_000, nodeRuntime()];
    const keep = { '11': 3 * dayMs, '22': 30 * dayMs, '33': undefined, ff: 3_600_000 };
    const keys = Object.keys(keep).map((two) => ({ kind: 'session', name: two.repeat(16) }) as const);
    await using driver = consulDriver(options);
    for (const [at, keepMs] of Object.values(keep).entries())
      await driver.write(keys[at] ?? session, 'text', { replaces: undefined, keepMs }, bounds);
    await written(driver, 'an election');
    // Past the first one's time, but not by the day that clocks may differ.
    const clock = { monotonicMs: own.clock.monotonicMs, wallMs: () => own.clock.wallMs() + 3.5 * dayMs };
    await using sweeper = consulDriver({ ...options, runtime: { ...own, clock } });
    await sweeper.open?.(bounds);
    const left = async () => (await Promise.all(keys.map((key) => driver.read(key, bounds)))).map(Boolean);
    // The last of them in the order of the sweep.
    while ((await left())[3]) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(await left(), [true, true, true, false]);
    assert.equal((await driver.read(election, bounds))?.text, 'an election');
  });

  test('nothing that Consul would refuse for its size is sent', patience, async () => {
    await using driver = consulDriver(await granted(server));
    const version = await written(driver, 'x'.repeat(380_000));
    await assert.rejects(
      driver.write(election, 'x'.repeat(380_001), { replaces: version }, bounds),
      failsWith('too-large', /380000 bytes/),
    );
    assert.equal((await driver.read(election, bounds))?.version, version);
  });

  test('what another program wrote is left as it is', patience, async () => {
    const options = await granted(server);
    const key = `${server.url}/v1/kv/${options.prefix}election/report~`;
    await using store = consulStore(options);
    await using opened = await store.openSession({ holder: 'first', ttlMs: 30_000 });
    const headers = { 'X-Consul-Token': options.token ?? '' };
    await fetch(key, { method: 'PUT', body: 'theirs', headers });
    await assert.rejects(
      opened.acquire('report', { metadata: '', priority: 0 }),
      failsWith('data-incompatible', /not written by Conclave/),
    );
    const [left] = (await (await fetch(key, { headers })).json()) as { readonly Value: string }[];
    assert.equal(Buffer.from(left?.Value ?? '', 'base64').toString(), 'theirs');
  });

  test('a datacenter or namespace that is not there is named', patience, async () => {
    for (const more of [{ datacenter: 'elsewhere' }, { namespace: 'team' }]) {
      await using store = consulStore({ ...(await granted(server)), ...more });
      await assert.rejects(
        store.openSession({ holder: 'first', ttlMs: 30_000 }),
        failsWith('failed-precondition', /datacenter|namespace/i),
      );
    }
  });
});

describe('The Consul store, where the stand-in misbehaves on request', () => {
  let standIn: ConsulStandIn;
  before(async () => {
    standIn = await ConsulStandIn.start();
  });
  after(async () => {
    await standIn?.[Symbol.asyncDispose]();
  });
  const isWrite = (body: string) => /"cas"/.test(body);

  test('an answer that is lost leaves the outcome unknown, and reading shows it', patience, async () => {
    await using driver = consulDriver(fresh(standIn.url));
    const version = await written(driver, 'one');
    standIn.meddle = (_method, _path, body) => (isWrite(body) ? 'lose-answer' : undefined);
    await assert.rejects(driver.write(election, 'two', { replaces: version }, bounds), (error) => {
      failsWith('unavailable')(error);
      assert(ConclaveError.is(error) && error.outcome === 'unknown' && error.retryable);
      return true;
    });
    standIn.meddle = () => undefined;
    assert.equal((await driver.read(election, bounds))?.text, 'two');
  });

  test('a request that arrives twice does what it does once', patience, async () => {
    const options = fresh(standIn.url);
    await using driver = consulDriver(options);
    await using store = consulStore(options);
    const version = await written(driver, 'one');
    standIn.meddle = (_method, _path, body) => (isWrite(body) ? 'twice' : undefined);
    try {
      // The answer that comes is a refusal, since the first had been carried out.
      const second = await written(driver, 'two', version);
      assert.deepEqual(await driver.read(election, bounds), { text: 'two', version: second });
      await using opened = await store.openSession({ holder: 'first', ttlMs: 30_000 });
      assert.equal((await opened.acquire('another', { metadata: '', priority: 0 })).status, 'acquired');
      await opened.renew();
    } finally {
      standIn.meddle = () => undefined;
    }
  });

  test(
    'no answer in time: unknown, and what arrives later changes nothing that was written since',
    patience,
    async () => {
      const options = fresh(standIn.url);
      await using store = consulStore({ ...options, timeoutMs: 60_000 });
      await using driver = consulDriver(options);
      await using opened = await store.openSession({ holder: 'first', ttlMs: 60_000 });
      let held = 0;
      standIn.meddle = (_method, _path, body) => {
        if (!isWrite(body)) return undefined;
        held += 1;
        return 'hold';
      };
      // A machine that stalls may not come to the write in that time: then it is asked anew.
      while (held === 0) {
        await assert.rejects(
          opened.acquire('report', { metadata: '', priority: 0, timeoutMs: 300 }),
          (error) => ConclaveError.is(error, 'timeout') && (held === 0 || error.outcome === 'unknown'),
        );
      }
      standIn.meddle = () => undefined;
      const outcome = await opened.acquire('report', { metadata: '', priority: 0 });
      assert.equal(outcome.status, 'acquired');
      const before = await driver.read(election, bounds);
      assert(standIn.deliver() > 0);
      assert.deepEqual(await driver.read(election, bounds), before);
    },
  );

  test('an index that falls, as after a restored snapshot: all may have changed', patience, async () => {
    await using driver = consulDriver(fresh(standIn.url));
    const version = await written(driver, 'one');
    const restore = standIn.snapshot();
    await written(driver, 'two', version);
    const stop = new AbortController();
    const changes = driver.changes?.(stop.signal)[Symbol.asyncIterator]();
    assert.equal((await changes?.next())?.value, 'all');
    const next = changes?.next();
    restore();
    assert.equal((await next)?.value, 'all');
    const last = changes?.next().catch(() => undefined);
    stop.abort();
    await last;
  });

  test('servers without a leader are unavailable, and nothing was done', patience, async () => {
    await using store = consulStore(fresh(standIn.url));
    standIn.hasLeader = false;
    try {
      await assert.rejects(store.openSession({ holder: 'first', ttlMs: 30_000 }), (error) => {
        failsWith('unavailable', /No cluster leader/)(error);
        assert(ConclaveError.is(error) && error.outcome === 'not-applied' && error.retryable);
        return true;
      });
    } finally {
      standIn.hasLeader = true;
    }
  });

  test('tokens: the smallest that is enough, none, a wrong one', patience, async () => {
    const options = fresh(standIn.url);
    standIn.tokens.set('enough-secret', options.prefix).set('other-secret', 'elsewhere/');
    try {
      await using store = consulStore({ ...options, token: 'enough-secret' });
      await using opened = await store.openSession({ holder: 'first', ttlMs: 30_000 });
      assert.equal((await opened.acquire('report', { metadata: '', priority: 0 })).status, 'acquired');
      for (const token of [undefined, 'unknown-secret', 'other-secret']) {
        await using refused = consulStore({ ...options, token });
        await assert.rejects(
          refused.openSession({ holder: 'second', ttlMs: 30_000 }),
          failsWith('failed-precondition', /ACL token/, /key_prefix "conclave-test/),
        );
      }
    } finally {
      standIn.tokens.clear();
    }
  });

  test('nobody there, and somebody who is not Consul', patience, async () => {
    await using nobody = consulStore({ url: 'http://127.0.0.1:1' });
    await assert.rejects(nobody.openSession({ holder: 'first', ttlMs: 30_000 }), failsWith('unavailable'));
    const stranger = createServer((_, response) => response.end('<html>'));
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const address = stranger.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    await using store = consulStore({ url });
    await assert.rejects(
      store.openSession({ holder: 'first', ttlMs: 30_000 }),
      failsWith('failed-precondition', /does not answer as Consul/),
    );
    stranger.closeAllConnections();
    stranger.close();
  });

  test('the examples of its page lead, and end by themselves', patience, async () => {
    await using guide = new Guide('../stores/consul');
    await guide.unpack((code) => code.replaceAll('http://127.0.0.1:8500', standIn.url));
    await guide.typeCheck('dom');
    standIn.tokens.set('worker-secret', 'reports/').set('', 'conclave/');
    try {
      await using report = guide.start('report.ts');
      await report.wrote(/leading with token \d+/, /working/);
      report.signal('SIGINT');
      assert.equal(await report.ended, 0, report.output);
      const env = { CONSUL_HTTP_TOKEN: 'worker-secret' };
      assert.match(await guide.outputOf('login.ts', { env }), /leading with token \d+/);
    } finally {
      standIn.tokens.clear();
    }
    guide.assertAllRun();
  });

  test('options that cannot be meant are refused', () => {
    const wrong: readonly [object, RegExp][] = [
      [{ url: 'http://user:secret@host' }, /without user and password/],
      [{ url: 'consul:8500' }, /url must be/],
      [{ url: 'nowhere' }, /url must be/],
      [{ prefix: '/leading' }, /prefix/],
      [{ prefix: 'a//b' }, /prefix/],
      [{ prefix: 'a/../b' }, /prefix/],
      [{ token: '' }, /token/],
      [{ tocken: 'secret' }, /Did you mean token/],
      [{ pollMs: 1 }, /pollMs/],
    ];
    for (const [options, words] of wrong) {
      const make = () => consulStore(options as ConsulStoreOptions);
      assert.throws(make, failsWith('invalid-argument', words), JSON.stringify(options));
    }
  });
});
