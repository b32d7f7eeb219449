import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { losingAnswers } from '../../src/conformance/index.ts';
import { Candidate } from '../../src/election/index.ts';
import type { Runtime } from '../../src/runtime/index.ts';
import { leaseName, microTime } from '../../src/stores/kubernetes/leases.ts';
import { kubernetesDriver, kubernetesStore } from '../../src/stores/kubernetes.ts';
import { Guide } from '../guide.ts';
import { configFor, type KubernetesServer, kubernetesName, startKubernetes } from '../servers/kubernetes.ts';
import { type Call, KubernetesStandIn } from '../stand-ins/kubernetes.ts';
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
import { leadsAgainAfter } from './outage.ts';

const quick = { pollMs: 50, timeoutMs: 300_000 };

describe(`The Kubernetes store conforms on ${kubernetesName}`, { concurrency: 6 }, () => {
  let server: KubernetesServer;
  before(async () => {
    server = await startKubernetes();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  const open = (runtime?: Runtime) =>
    kubernetesStore({ kubeConfig: server.kubeConfig(), prefix: server.prefix, ...quick, runtime });
  const target = async () => {
    const { store, loseNextAnswer } = losingAnswers(open());
    const outsider = kubernetesDriver({ kubeConfig: server.kubeConfig(), prefix: server.prefix });
    return {
      ...{ store, loseNextAnswer },
      another: async () => open(),
      anotherOn: async (runtime: Runtime) => open(runtime),
      driver: () => kubernetesDriver({ kubeConfig: server.kubeConfig(), prefix: server.prefix }),
      async deleteRecords(name: string) {
        const key = { kind: 'election', name } as const;
        const found = await outsider.read(key, bounds);
        if (found !== undefined) await outsider.remove(key, found.version, bounds);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.asyncDispose]()),
    };
  };
  registerConformance(target);
  describe('also in a crowd', () => registerConformance(target, crowded));
});

describe('The Kubernetes store outlives its API server', { concurrency: 4 }, () => {
  registerConformance(async () => {
    const standIn = await KubernetesStandIn.start();
    const open = () => kubernetesStore({ kubeConfig: configFor(standIn), pollMs: 50 });
    const store = open();
    return {
      store,
      another: async () => open(),
      driver: () => kubernetesDriver({ kubeConfig: configFor(standIn) }),
      stopService: () => standIn.down(),
      startService: () => standIn.up(),
      requests: () => standIn.requests,
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]();
        await standIn[Symbol.asyncDispose]();
      },
    };
  }, /service|outage|thousand/);

  test('after an outage one leads again, and the old leader was told before', patience, async () => {
    await using standIn = await KubernetesStandIn.start();
    await leadsAgainAfter({
      open: () => kubernetesStore({ kubeConfig: configFor(standIn), pollMs: 50 }),
      stop: () => standIn.down(),
      start: () => standIn.up(),
    });
  });
});

describe('A Kubernetes cluster has its ways', () => {
  let standIn: KubernetesStandIn;
  beforeEach(async () => {
    standIn = await KubernetesStandIn.start();
  });
  afterEach(async () => {
    await standIn[Symbol.asyncDispose]();
  });
  const driverOf = (more: object = {}) => kubernetesDriver({ kubeConfig: configFor(standIn), ...more });
  const storeOf = (more: object = {}) =>
    kubernetesStore({ kubeConfig: configFor(standIn), pollMs: 50, ...more });
  const specOf = (name: string) => standIn.objects.get(`default/${name}`)?.spec ?? {};

  test('`kubectl get lease` shows who leads, since when, and the how manieth it is', patience, async () => {
    await using store = storeOf();
    await using first = new Candidate(store, 'nightly-report', { holder: 'pod-1' });
    const leadership = await first.campaign();
    const { acquireTime, ...shown } = specOf('conclave.election.nightly-report');
    assert.deepEqual([shown.holderIdentity, shown.leaseTransitions], ['pod-1', 1]);
    // Nobody may judge by the time of a Lease that is not renewed.
    assert.equal('leaseDurationSeconds' in shown, false);
    await leadership.proclaim('at work');
    assert.equal(specOf('conclave.election.nightly-report').acquireTime, acquireTime);
    await leadership.resign();
    const { holderIdentity, leaseTransitions } = specOf('conclave.election.nightly-report');
    assert.deepEqual([holderIdentity, leaseTransitions], [undefined, 1]);
    await using second = new Candidate(store, 'nightly-report', { holder: 'pod-2', ttlMs: 4500 });
    await second.campaign();
    const after = specOf('conclave.election.nightly-report');
    assert.deepEqual([after.holderIdentity, after.leaseTransitions], ['pod-2', 2]);
    const sessions = [...standIn.objects.keys()].filter((name) => name.includes('.session.'));
    const seconds = sessions.map((name) => standIn.objects.get(name)?.spec?.leaseDurationSeconds);
    assert(seconds.includes(5), JSON.stringify(seconds));
  });

  test('labels and annotations that others put on a Lease stay', async () => {
    const driver = await opened(driverOf());
    const key = freshKey();
    const version = await written(driver, key, session(1));
    const [name, lease] = [...standIn.objects][0] ?? [];
    assert(name !== undefined && lease !== undefined);
    const metadata = { ...lease.metadata, labels: { ...lease.metadata.labels, team: 'reports' } };
    standIn.objects.set(name, { ...lease, metadata });
    await written(driver, key, session(2), version);
    assert.equal(standIn.objects.get(name)?.metadata.labels?.team, 'reports');
  });

  test('a Lease that was deleted and made again is not the one that was read', async () => {
    const driver = await opened(driverOf());
    const key = freshKey('session');
    const version = await written(driver, key, session(1));
    assert.equal(await driver.remove(key, version, bounds), true);
    assert.equal(await driver.write(key, session(2), { replaces: version }, bounds), undefined);
    assert.equal(await driver.remove(key, version, bounds), false);
    const [name, lease] = await (async () => {
      await written(driver, key, session(3));
      return [...standIn.objects][0] ?? [];
    })();
    assert(name !== undefined && lease !== undefined);
    // As after a restored backup of etcd: the same number, another object.
    const resourceVersion = version.split('/')[0] ?? '';
    standIn.objects.set(name, { ...lease, metadata: { ...lease.metadata, resourceVersion } });
    assert.equal(await driver.write(key, session(4), { replaces: version }, bounds), undefined);
    assert.equal(await driver.remove(key, version, bounds), false);
  });

  test('a request that something on the way sends twice is carried out once', async () => {
    const driver = await opened(driverOf());
    const key = freshKey();
    const once = (verb: Call['verb']) => {
      standIn.meddle = (call) => {
        if (call.verb !== verb) return undefined;
        standIn.meddle = () => undefined;
        return 'twice';
      };
    };
    once('create');
    const first = await written(driver, key, session(1));
    assert.deepEqual(await driver.read(key, bounds), { text: session(1), version: first });
    once('patch');
    const second = await written(driver, key, session(2), first);
    assert.deepEqual(await driver.read(key, bounds), { text: session(2), version: second });
  });

  test('where every third answer to a change is lost, one leads after the other', patience, async () => {
    let changes = 0;
    standIn.meddle = ({ verb }) => {
      if (verb !== 'create' && verb !== 'patch' && verb !== 'delete') return undefined;
      changes += 1;
      return changes % 3 === 0 ? 'lose-answer' : undefined;
    };
    const stores = [storeOf(), storeOf(), storeOf()];
    let leading = 0;
    const tokens: number[] = [];
    const elections = stores.map(async (store) => {
      for (let round = 0; round < 3; round++) {
        await using candidate = new Candidate(store, 'lossy', { ttlMs: 60_000 });
        const leadership = await candidate.campaign();
        leading += 1;
        assert.equal(leading, 1);
        tokens.push(leadership.token);
        leading -= 1;
        await leadership.resign();
      }
    });
    await Promise.all(elections);
    assert.deepEqual(
      tokens,
      [...new Set(tokens)].sort((left, right) => left - right),
    );
    assert.equal(tokens.length, 9);
    await Promise.allSettled(stores.map((store) => store[Symbol.asyncDispose]()));
  });

  test('many documents come in one list', async () => {
    const driver = await opened(driverOf());
    const keys = Array.from({ length: 30 }, () => freshKey('session'));
    for (const [at, key] of keys.entries()) if (at % 3 !== 0) await written(driver, key, session(at));
    const before = standIn.requests;
    const found = await readMany(driver, keys);
    assert.equal(standIn.requests - before, 1);
    assert.deepEqual(
      found?.map((document) => document?.text),
      keys.map((_, at) => (at % 3 === 0 ? undefined : session(at))),
    );
    assert.equal((await readMany(driver, keys.slice(1, 3)))[1]?.version, found?.[2]?.version);
  });

  test('an answer that never comes ends with the signal, and its outcome is unknown', async () => {
    const driver = await opened(driverOf());
    const stop = new AbortController();
    standIn.meddle = () => {
      setImmediate(() => stop.abort());
      return 'silence';
    };
    const within = { signal: stop.signal, timeoutMs: 60_000 };
    await assert.rejects(
      driver.write(freshKey(), session(1), { replaces: undefined }, within),
      failsWith('aborted', { outcome: 'unknown' }),
    );
  });

  test('a watch misses nothing: not what came before it, nor while it was renewed', patience, async () => {
    const driver = await opened(driverOf());
    const stop = new AbortController();
    const changes = driver.changes?.(stop.signal)[Symbol.asyncIterator]();
    assert(changes !== undefined);
    assert.equal((await changes.next()).value, 'all');
    const [first, second, third] = [freshKey(), freshKey(), freshKey()];
    await written(driver, first, session(1));
    assert.deepEqual((await changes.next()).value, first);
    const next = changes.next();
    await until(() => standIn.watches === 1);
    // After a bookmark the past may be forgotten, and the watch goes on from there.
    standIn.sendBookmarks();
    standIn.compact();
    await written(driver, second, session(1));
    assert.deepEqual((await next).value, second);
    const last = changes.next();
    standIn.compact();
    await until(() => standIn.watches === 1);
    standIn.expireWatches();
    await assert.rejects(last, failsWith('unavailable', { retryable: true }, /too old/));
    const again = driver.changes?.(stop.signal)[Symbol.asyncIterator]();
    assert.equal((await again?.next())?.value, 'all');
    const change = again?.next();
    await written(driver, third, session(1));
    assert.deepEqual((await change)?.value, third);
    const end = again?.next();
    stop.abort();
    await assert.rejects(end ?? Promise.resolve(), failsWith('aborted'));
  });

  test('waiters are woken by the watch, and without a watch by looking', patience, async () => {
    for (const watches of [true, false]) {
      standIn.meddle = ({ verb }) =>
        verb === 'watch' && !watches ? { code: 503, reason: 'ServiceUnavailable' } : undefined;
      await using store = storeOf({ pollMs: watches ? 600_000 : 50, timeoutMs: 700_000 });
      await using first = new Candidate(store, `woken-${watches}`, { ttlMs: 60_000 });
      await using second = new Candidate(store, `woken-${watches}`, { ttlMs: 60_000 });
      const leadership = await first.campaign();
      const campaign = second.campaign();
      await until(async () => (await store.read(`woken-${watches}`)).waiting.length === 1);
      await leadership.resign();
      assert((await campaign).token > leadership.token);
    }
  });

  test('names of any kind become names that Kubernetes takes, each its own', () => {
    const key = (name: string) => leaseName('conclave', { kind: 'election', name });
    assert.equal(key('nightly-report'), 'conclave.election.nightly-report');
    assert.equal(key('jobs.nightly'), 'conclave.election.jobs.nightly');
    const hash = /^conclave\.election\.[a-z0-9-]+-x[0-9a-f]{40}$/;
    for (const odd of ['', 'Nightly', 'a/b', 'ä', '-a', 'a..b', 'a'.repeat(1024), '.', '\0']) {
      assert.match(key(odd), hash, odd);
    }
    // What looks like a name with a hash gets another.
    const forged = key('Nightly').slice('conclave.election.'.length);
    assert.notEqual(key(forged), key('Nightly'));
    const names = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.stringMatching(/^[a-z.-]{1,6}$/));
    fc.assert(
      fc.property(names, names, (left, right) => {
        assert.equal(key(left) === key(right), left === right);
        assert.match(key(left), /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
        assert(key(left).length <= 253);
      }),
    );
  });

  test('times are shown as Kubernetes writes them', () => {
    const dates = fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true });
    fc.assert(
      fc.property(dates, (date) => {
        assert.equal(microTime(date.getTime()), date.toISOString().replace('Z', '000Z'));
      }),
    );
  });

  test('elections are listed, page by page, by the beginning of their names', async () => {
    const driver = await opened(driverOf());
    const others = await opened(driverOf({ prefix: 'others' }));
    for (const name of ['a/1', 'a/2', 'b']) {
      await written(driver, { kind: 'election', name }, session(1));
      await written(others, { kind: 'election', name: `${name}-of-others` }, session(1));
    }
    assert.deepEqual([...((await driver.list?.('a/', bounds)) ?? [])].sort(), ['a/1', 'a/2']);
    assert.equal((await driver.list?.('', bounds))?.length, 3);
  });

  test('a Lease that something else made is refused, and stays as it is', async () => {
    const metadata = {
      name: 'conclave.election.theirs',
      namespace: 'default',
      uid: 'u',
      resourceVersion: '5',
    };
    const theirs = { metadata, spec: { holderIdentity: 'client-go' } };
    standIn.objects.set('default/conclave.election.theirs', theirs);
    await using store = storeOf();
    const refused = failsWith('data-incompatible', {}, /not written by Conclave/, /another prefix/);
    await assert.rejects(store.read('theirs'), refused);
    await using candidate = new Candidate(store, 'theirs');
    await assert.rejects(candidate.campaign(), refused);
    assert.deepEqual(standIn.objects.get('default/conclave.election.theirs'), theirs);
  });

  test('what an administrator must mend is said, with the remedy', async () => {
    const config = configFor({ url: standIn.url, token: 'secret-and-wrong' });
    const mend = (...words: RegExp[]) => failsWith('failed-precondition', {}, ...words);
    await assert.rejects(opened(kubernetesDriver({ kubeConfig: config })), mend(/credentials/));
    const plain = configFor(standIn);
    plain.clusters = plain.clusters.map((cluster) => ({ ...cluster, skipTLSVerify: false }));
    await assert.rejects(opened(kubernetesDriver({ kubeConfig: plain })), mend(/skipTLSVerify/));
    standIn.allowed = [];
    await assert.rejects(opened(driverOf()), mend(/cannot list/, /Role that allows get, list, watch/));
    standIn.allowed = ['get', 'list', 'watch', 'create', 'patch', 'delete'];
    const elsewhere = await opened(driverOf({ namespace: 'missing' }));
    await assert.rejects(
      elsewhere.write(freshKey(), session(1), { replaces: undefined }, bounds),
      mend(/kubectl create namespace missing/),
    );
    // The Role that the guide gives is enough.
    await using store = storeOf();
    await using candidate = new Candidate(store, 'allowed');
    await (await candidate.campaign()).resign();
  });

  test('what the server refuses for now is tried again, what is too large is not', async () => {
    const driver = await opened(driverOf());
    const write = (text: string) => driver.write(freshKey(), text, { replaces: undefined }, bounds);
    for (const [code, code2, outcome] of [
      [429, 'unavailable', 'not-applied'],
      [503, 'unavailable', 'unknown'],
      [504, 'timeout', 'unknown'],
    ] as const) {
      standIn.meddle = () => ({ code, reason: 'told' });
      await assert.rejects(write(session(1)), failsWith(code2, { outcome, retryable: true }));
    }
    standIn.meddle = () => undefined;
    const long = JSON.stringify({ conclave: 1, long: 'x'.repeat(300_000) });
    await assert.rejects(write(long), failsWith('too-large', {}, /256 KiB/));
    assert.equal(standIn.objects.size, 0);
  });

  test('a session whose Lease a finalizer keeps is not taken for ended', async () => {
    const driver = await opened(driverOf());
    const key = freshKey('session');
    await written(driver, key, session(1));
    const [name, lease] = [...standIn.objects][0] ?? [];
    assert(name !== undefined && lease !== undefined);
    standIn.objects.set(name, { ...lease, metadata: { ...lease.metadata, finalizers: ['audit/keep'] } });
    const { version = '' } = (await driver.read(key, bounds)) ?? {};
    await assert.rejects(
      driver.remove(key, version, bounds),
      failsWith('failed-precondition', { outcome: 'unknown' }, /audit\/keep/),
    );
  });

  test('options that cannot be meant are refused', () => {
    for (const options of [{ prefix: 'Con' }, { namespace: 'a/b' }, { kubeConfig: {} }, { prefx: 'a' }]) {
      assert.throws(() => kubernetesStore(options as object), failsWith('invalid-argument'));
    }
  });

  test('credentials that are replaced in their file are found, and no other cluster', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'conclave-kubeconfig-'));
    const [before, token] = [process.env.KUBECONFIG, standIn.token];
    process.env.KUBECONFIG = join(folder, 'config');
    const write = (access: { readonly url: string; readonly token: string }) =>
      writeFile(join(folder, 'config'), configFor(access).exportConfig());
    try {
      await write(standIn);
      await using store = kubernetesStore();
      await store.read('x');
      standIn.token = 'another-token';
      const mend = (word: RegExp) => failsWith('failed-precondition', {}, word);
      await assert.rejects(store.read('x'), mend(/renew or replace/));
      await write({ url: 'https://127.0.0.1:1', token: 'another-token' });
      await assert.rejects(store.read('x'), mend(/now names https:\/\/127\.0\.0\.1:1, namespace default/));
      await write(standIn);
      await store.read('x');
    } finally {
      standIn.token = token;
      if (before === undefined) delete process.env.KUBECONFIG;
      else process.env.KUBECONFIG = before;
      await rm(folder, { recursive: true });
    }
  });

  test('without its driver it says what to install', patience, async () => {
    const script = { module: 'kubernetes', storeName: 'kubernetesStore', make: 'kubernetesStore()' };
    const said = await withoutDriver('@kubernetes/client-node', script);
    assert.match(said, /^unsupported: .*npm install @kubernetes\/client-node/);
  });

  test('the examples of the guide run as they stand there', patience, async () => {
    await using guide = new Guide('../stores/kubernetes');
    await guide.unpack();
    await guide.typeCheck();
    const file = join(guide.folder, 'kubeconfig.json');
    await writeFile(file, configFor(standIn).exportConfig());
    const env = { KUBECONFIG: file };
    assert.match(await guide.outputOf('config.ts', { env }), /^leading with token \d+\n$/);
    await using running = guide.start('worker.ts', { env });
    await running.wrote(/working/);
    running.signal('SIGTERM');
    assert.equal(await running.ended, 0, running.output);
    guide.assertAllRun();
  });

  test('the Role of the guide names the verbs that are used, and no others', async () => {
    const guide = await readFile(new URL('../../docs/stores/kubernetes.md', import.meta.url), 'utf8');
    const [, verbs = ''] = /verbs: \[(.*)\]/.exec(guide) ?? [];
    const used = new Set<string>();
    standIn.allowed = verbs.split(', ');
    standIn.meddle = ({ verb }) => {
      used.add(verb);
      return undefined;
    };
    await using store = storeOf();
    await using first = new Candidate(store, 'allowed');
    await using second = new Candidate(store, 'allowed');
    const leadership = await first.campaign();
    const campaign = second.campaign();
    await until(() => used.has('watch'));
    await leadership.resign();
    await campaign;
    await first[Symbol.asyncDispose]();
    assert.deepEqual([...used].sort(), verbs.split(', ').sort());
  });

  test('a process that has disposed of its store ends by itself', patience, async () => {
    const before = `
      import { KubeConfig } from '${import.meta.resolve('@kubernetes/client-node')}';
      const kubeConfig = new KubeConfig();
      kubeConfig.loadFromClusterAndUser({ name: 'c', server: '${standIn.url}', skipTLSVerify: true }, { name: 'u', token: '${standIn.token}' });
    `;
    const make = 'kubernetesStore({ kubeConfig, pollMs: 50 })';
    await endsByItself({ module: 'kubernetes', storeName: 'kubernetesStore', make, before });
  });
});

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}
