import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { type OneMember, serveOneMember } from '../../test/servers/one-member.ts';
import { serveApi } from '../api/index.ts';
import { TestingMember } from '../api/testing.ts';
import {
  type ConclaveClient,
  connectClient,
  GrpcTransport,
  type Transport,
  type TransportFactory,
  toText,
} from '../client/index.ts';
import { type ConformanceTarget, conformanceTests } from '../conformance/index.ts';
import { Candidate, Session } from '../election/index.ts';
import type { LeaseStore, StoreSession } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime } from '../runtime/index.ts';
import { services } from '../wire/index.ts';
import { electionKeys } from './conclave/keys.ts';
import { conclaveStore } from './conclave.ts';

const runtime = nodeRuntime();

/** Connections that can be cut as the death of the process would, and answers that get lost. */
class Network {
  #cut = false;
  #loseNext = false;
  readonly #live = new Set<Transport>();

  readonly connect: TransportFactory = (endpoint) => {
    const transport = new GrpcTransport(endpoint, { runtime });
    this.#live.add(transport);
    transport.onBreak(() => this.#live.delete(transport));
    if (this.#cut) transport.close();
    return {
      endpoint,
      unary: async (method, request, options) => {
        const answer = await transport.unary(method, request, options);
        if (!this.#loseNext || method.path !== services.Conclave.propose.path) return answer;
        this.#loseNext = false;
        throw new ConclaveError('internal', 'the answer was lost', { outcome: 'unknown' });
      },
      stream: (method, options) => transport.stream(method, options),
      onBreak: (listener) => transport.onBreak(listener),
      close: (cause) => transport.close(cause),
    };
  };

  cut(): void {
    this.#cut = true;
    const cause = new ConclaveError('unavailable', 'cut', { retryable: true, outcome: 'unknown' });
    for (const transport of [...this.#live]) transport.close(cause);
  }

  restore(): void {
    this.#cut = false;
  }

  loseNext(): void {
    this.#loseNext = true;
  }
}

/** One service for the whole suite: its cases use names of their own. */
let service: OneMember | undefined;

async function open(): Promise<ConformanceTarget> {
  const { endpoints } = service as OneMember;
  const [near, far] = [new Network(), new Network()];
  const store = conclaveStore({ endpoints, runtime, transport: near.connect });
  return {
    store,
    another: async () => conclaveStore({ endpoints, runtime, transport: far.connect }),
    anotherOn: async (host) => conclaveStore({ endpoints, runtime: host }),
    breakConnection: () => far.cut(),
    restoreConnection: () => far.restore(),
    loseNextAnswer: () => near.loseNext(),
    async [Symbol.asyncDispose]() {
      far.restore();
      await store[Symbol.asyncDispose]();
    },
  };
}

describe('The conclave store conforms', { concurrency: 4 }, () => {
  before(async () => {
    service = await serveOneMember();
  });
  after(async () => {
    await service?.[Symbol.asyncDispose]();
  });
  for (const { name, run } of conformanceTests(open, { ttlMs: 1000, patienceMs: 60_000 })) {
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
});

describe('Keys of elections', () => {
  test('never lie among those of another election', () => {
    const names = [
      'a',
      'a/b',
      'a%2Fb',
      'ab',
      'a.b',
      '%',
      '%25',
      'ä',
      ' ',
      '\0',
      'A',
      '..',
      'queue',
      'a/queue',
    ];
    const prefixes = names.map((name) => toText(electionKeys('n', name).all));
    for (const [at, prefix] of prefixes.entries()) {
      for (const [other, longer] of prefixes.entries()) {
        assert.equal(longer.startsWith(prefix), at === other, `${names[at]} and ${names[other]}`);
      }
    }
  });

  test('are refused for names that cannot be told apart in UTF-8, are empty or too long', () => {
    for (const name of ['', '\ud800', 'x'.repeat(1025)]) {
      assert.throws(() => electionKeys('n', name), /election/);
    }
  });
});

describe('A queue of many waiters', () => {
  test('wakes only the one whose turn it is and the one behind it', async () => {
    const member = new TestingMember(runtime);
    const server = await serveApi(member, {
      runtime,
      listen: { host: '127.0.0.1', port: 0 },
      closeGraceMs: 10,
    });
    const store = conclaveStore({ endpoints: `127.0.0.1:${server.address.port}`, runtime });
    const stop = new AbortController();
    const order: string[] = [];
    const led = new EventEmitter();
    const take = async (session: StoreSession): Promise<void> => {
      for (;;) {
        const outcome = await session.acquire('job', { metadata: '', priority: 0 });
        if (outcome.status === 'acquired') {
          order.push(session.holder);
          led.emit('led', session, outcome.token);
          return;
        }
        led.emit('waits');
        await session.waitForTurn('job', outcome, { signal: stop.signal });
      }
    };
    const waiting: Promise<void>[] = [];
    const holders = Array.from({ length: 20 }, (_, n) => `h${n}`);
    let leader: [StoreSession, number] | undefined;
    for (const holder of holders) {
      const session = await store.openSession({ ttlMs: 60_000, holder });
      const next = once(led, leader === undefined ? 'led' : 'waits');
      waiting.push(take(session).catch(() => {}));
      const arrived = (await next) as [StoreSession, number];
      leader ??= arrived;
    }
    const from = member.proposed.length;
    const releases = 10;
    for (let n = 0; n < releases && leader !== undefined; n += 1) {
      const next = once(led, 'led');
      const behind = once(led, 'waits');
      await leader[0].release('job', leader[1]);
      leader = (await next) as [StoreSession, number];
      await behind;
    }
    assert.deepEqual(order, holders.slice(0, releases + 1));
    const transactions = member.proposed.slice(from).filter((command) => command.type === 'txn');
    // The release, the winner's, and that of the one who moves up.
    assert.equal(transactions.length, 3 * releases);
    stop.abort();
    await Promise.all(waiting);
    await store[Symbol.asyncDispose]();
    await server.close();
  });
});

describe('A resignation', () => {
  async function contest(holders: readonly string[]) {
    const member = new TestingMember(runtime);
    const server = await serveApi(member, {
      runtime,
      listen: { host: '127.0.0.1', port: 0 },
      closeGraceMs: 10,
    });
    const endpoints = `127.0.0.1:${server.address.port}`;
    const stores = holders.map(() => conclaveStore({ endpoints, runtime }));
    // Long enough that nothing here could come by expiry; one session each that outlasts its candidate.
    const sessions = stores.map(
      (store, at) => new Session(store, { holder: holders[at] as string, ttlMs: 600_000 }),
    );
    const candidates = stores.map(
      (store, at) => new Candidate(store, 'job', { session: sessions[at] as Session }),
    );
    const stop = new AbortController();
    /** Resolves when the store of the first has seen so many waiting; its watch is left standing there. */
    const shown = async (count: number): Promise<void> => {
      const states = (stores[0] as LeaseStore).watch('job', { signal: stop.signal })[Symbol.asyncIterator]();
      while ((await states.next()).value?.waiting.length !== count);
    };
    return {
      member,
      candidates,
      shown,
      async [Symbol.asyncDispose]() {
        stop.abort();
        for (const candidate of candidates) await candidate[Symbol.asyncDispose]();
        for (const session of sessions) await session[Symbol.asyncDispose]();
        for (const store of stores) await store[Symbol.asyncDispose]();
        await server.close();
      },
    };
  }

  test('makes the next in line lead in the same entry, who asks for nothing', async () => {
    await using stage = await contest(['a', 'b']);
    const [a, b] = stage.candidates as [Candidate, Candidate];
    const leadership = await a.campaign();
    const next = b.campaign();
    await stage.shown(1);
    const from = stage.member.proposed.length;
    await leadership.resign();
    assert((await next).token > leadership.token);
    assert.deepEqual(
      stage.member.proposed.slice(from).map(({ type }) => type),
      ['txnSequence'],
    );
    assert.equal(await leadership.ended, 'resigned');
  });

  test('does not leave the election with one that gives up its campaign in that moment', async () => {
    await using stage = await contest(['a', 'b', 'c']);
    const [a, b, c] = stage.candidates as [Candidate, Candidate, Candidate];
    for (let turns = 0; turns < 24; turns += 1) {
      const leadership = await a.campaign();
      const stop = new AbortController();
      const given = b.campaign({ signal: stop.signal }).then(
        (won) => won.resign(),
        () => {},
      );
      await stage.shown(1);
      const last = c.campaign();
      await stage.shown(2);
      const resigned = leadership.resign();
      // From before the request left to after the answer has come.
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      stop.abort();
      await Promise.all([resigned, given]);
      const won = await last;
      assert(won.token > leadership.token);
      await won.resign();
    }
  });
});

test('an attempt that a withdrawal overtakes takes no place in the queue afterwards', async () => {
  await using service = await serveOneMember();
  const client = connectClient({ endpoints: service.endpoints });
  await using _closing = { [Symbol.asyncDispose]: () => client.close() };
  let held: { readonly asked: () => void; readonly goOn: Promise<void> } | undefined;
  const slow: ConclaveClient = new Proxy(client, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      if (key !== 'txn') return value.bind(target);
      return async (...request: Parameters<ConclaveClient['txn']>) => {
        const hold = held;
        held = undefined;
        hold?.asked();
        await hold?.goOn;
        return await target.txn(...request);
      };
    },
  });
  await using store = conclaveStore({ client: slow });
  const first = await store.openSession({ holder: 'first', ttlMs: 60_000 });
  const second = await store.openSession({ holder: 'second', ttlMs: 60_000 });
  const acquiring = { metadata: '', priority: 0 };
  await first.acquire('n', acquiring);
  assert.equal((await second.acquire('n', acquiring)).status, 'waiting');
  const { promise: goOn, resolve: letGo } = Promise.withResolvers<void>();
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  held = { asked: resolve, goOn };
  const late = second.acquire('n', acquiring);
  late.catch(() => {});
  await asked;
  await second.withdraw('n');
  letGo();
  await assert.rejects(late, { code: 'aborted', retryable: true, message: /overtaken by a withdrawal/ });
  assert.deepEqual((await store.read('n')).waiting, []);
  assert.equal((await second.acquire('n', acquiring)).status, 'waiting', 'it may come again');
});

test('what a member refuses says what to do about it, and keeps its code', async () => {
  const refusals = [
    ['unauthenticated', 'etcdserver: user name is empty', /login.*CONCLAVE_USER/],
    ['permission-denied', 'etcdserver: permission denied', /readwrite on the prefix team\/elections\/,/],
    ['disk-full', 'etcdserver: mvcc: database space exceeded', /conclave alarm disarm/],
  ] as const;
  for (const [code, text, remedy] of refusals) {
    const refuse = async () => {
      throw new ConclaveError(code, text);
    };
    const refusing = { endpoints: ['m'], runtime, timeoutMs: 1000, range: refuse, leaseGrant: refuse };
    await using store = conclaveStore({
      client: refusing as unknown as ConclaveClient,
      namespace: 'team/elections',
    });
    const told = { code, message: new RegExp(`^${text}: .*${remedy.source}`) };
    await assert.rejects(store.read('n'), told);
    await assert.rejects(store.openSession({ holder: 'h', ttlMs: 1000 }), told);
  }
});

test('options that name no cluster are refused by name, not by a TypeError', () => {
  const careless = conclaveStore as (options?: unknown) => unknown;
  const expected = { code: 'invalid-argument', message: /127\.0\.0\.1:2379/ };
  for (const options of [undefined, null, 'http://127.0.0.1:2379', {}])
    assert.throws(() => careless(options), expected);
  const misspelt = { ...expected, message: /must not contain "endpoint". Did you mean endpoints\?/ };
  assert.throws(() => careless({ endpoint: 'http://127.0.0.1:2379' }), misspelt);
});

test('a watch of a cluster that nobody reaches fails, so that its observer hears of it', async () => {
  // Time enough to hear that nobody is there, also where this machine stalls meanwhile.
  await using store = conclaveStore({ endpoints: '127.0.0.1:1', timeoutMs: 3000 });
  const { signal } = new AbortController();
  await assert.rejects(
    async () => {
      for await (const _ of store.watch('n', { signal })) assert.fail('it gave a state');
    },
    { code: 'unavailable', retryable: true },
  );
});
