import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ConclaveError } from '../../src/errors/index.ts';
import {
  expressFencing,
  fastifyFencing,
  fencedFetch,
  honoFencing,
  nodeFencing,
} from '../../src/fencing/http/index.ts';
import { fileGateStorage, type GateStorage, memoryGateStorage, tokenGate } from '../../src/fencing/index.ts';
import { type Framework, frameworks, type ServerOptions } from './http-servers.ts';
import { type GuardedResource, testTwoLeaders } from './two-leaders.ts';

const leader = (token: number, name = 'jobs') => ({ name, token, assertHeld() {} });

for (const [framework, start] of Object.entries(frameworks)) {
  testTwoLeaders(`HTTP on ${framework}`, () => open(framework as Framework));

  const run = async (options: Partial<ServerOptions> = {}) => {
    const values: string[] = [];
    const gate = tokenGate({ storage: memoryGateStorage() });
    const effect: ServerOptions['effect'] = async (value, fencing) => {
      values.push(`${value} ${fencing?.token}`);
      return 'done';
    };
    const server = await start({ gate, effect, ...options });
    const post = (body: string, headers: Record<string, string>, resource = 'a') =>
      fetch(`${server.url}/jobs/${resource}`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'text/plain', ...headers },
      });
    return { values, post, server };
  };
  const refusal = async (response: Response) => {
    const body = (await response.json()) as { readonly code: string; readonly details: object };
    assert.equal(response.headers.get('fencing-error'), body.code);
    return [response.status, body.code, body.details];
  };

  test(`${framework}: the handler runs for the highest token, and knows it`, async () => {
    const { values, post, server } = await run();
    await using _ = server;
    const response = await post('one', { 'fencing-token': '7', 'fencing-election': 'j%C3%B6bs' });
    assert.deepEqual([response.status, await response.text()], [200, 'done']);
    assert.equal((await post('two', { 'fencing-token': '7' })).status, 200);
    const stale = await refusal(await post('three', { 'fencing-token': '6' }));
    assert.deepEqual(stale, [412, 'stale-token', { token: 6, highestToken: 7 }]);
    const foreign = { 'fencing-token': '8', 'fencing-election': 'other' };
    assert.deepEqual((await refusal(await post('four', foreign))).slice(0, 2), [409, 'failed-precondition']);
    assert.equal((await post('five', { 'fencing-token': '1' }, 'b')).status, 200);
    assert.deepEqual(values, ['one 7', 'two 7', 'five 1']);
  });

  test(`${framework}: a missing token is refused, or passes where that was asked for`, async () => {
    const { values, post, server } = await run();
    await using _ = server;
    assert.deepEqual((await refusal(await post('one', {}))).slice(0, 2), [428, 'failed-precondition']);
    assert.deepEqual(values, []);
    const { values: others, post: send, server: lenient } = await run({ missingToken: 'pass' });
    await using __ = lenient;
    assert.equal((await send('one', {})).status, 200);
    assert.equal((await send('two', { 'fencing-token': '5' })).status, 200);
    assert.equal((await send('three', { 'fencing-token': '4' })).status, 412);
    assert.deepEqual(others, ['one undefined', 'two 5']);
  });

  test(`${framework}: malformed headers are refused`, async () => {
    const { values, post, server } = await run();
    await using _ = server;
    const tokens = ['', '-1', '1.5', '07', '1e3', '0x10', '9007199254740992', '5, 6', 'five'];
    for (const token of tokens) {
      const found = await refusal(await post('x', { 'fencing-token': token }));
      assert.deepEqual(found, [400, 'invalid-argument', {}], token);
    }
    for (const election of ['a b', 'a, b', '%', '%ff', 'x'.repeat(5000)]) {
      const headers = { 'fencing-token': '5', 'fencing-election': election };
      assert.equal((await refusal(await post('x', headers)))[0], 400, election);
    }
    assert.equal((await refusal(await post('x', { 'fencing-election': 'jobs' })))[0], 400);
    assert.equal((await refusal(await post('x', { 'fencing-token': '5' }, 'r'.repeat(600))))[0], 400);
    assert.deepEqual(values, []);
    assert([200, 404].includes((await post('x', {}, 'a/b')).status), 'unfenced');
  });

  test(`${framework}: a request whose resource has no name is refused, with a token or without`, async () => {
    for (const name of [undefined, '', null, 7, ['a'], Promise.resolve('a')]) {
      const { values, post, server } = await run({ resource: () => name as string });
      await using _ = server;
      for (const headers of [{}, { 'fencing-token': '5' }]) {
        const response = await post('x', headers);
        const body = await response.clone().text();
        assert.deepEqual(await refusal(response), [500, 'failed-precondition', {}]);
        assert.match(body, /option resource gave .* or unfenced/);
      }
      assert.deepEqual(values, []);
    }
  });

  test(`${framework}: a storage that fails lets nobody in`, async () => {
    const broken: GateStorage = {
      load: () => Promise.reject(new Error('broken')),
      store: assert.fail,
    };
    const { values, post, server } = await run({ gate: tokenGate({ storage: broken }) });
    await using _ = server;
    assert.equal((await post('x', { 'fencing-token': '5' })).status, 500);
    assert.deepEqual(values, []);
  });

  test(`${framework}: a newer leader waits for the older one's handler, and not for ever`, async () => {
    const [entered, finish] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const order: string[] = [];
    const effect: ServerOptions['effect'] = async (value) => {
      order.push(`${value} begins`);
      if (value === 'old') {
        entered.resolve();
        await finish.promise;
      }
      order.push(`${value} ends`);
      return value;
    };
    const storage = memoryGateStorage();
    const { post, server } = await run({ gate: tokenGate({ storage, waitMs: 300 }), effect });
    await using _ = server;
    const old = post('old', { 'fencing-token': '5' });
    await entered.promise;
    const late = await post('new', { 'fencing-token': '6' });
    assert.deepEqual((await refusal(late)).slice(0, 2), [503, 'timeout']);
    assert.equal(late.headers.get('retry-after'), '1');
    finish.resolve();
    assert.equal((await old).status, 200);
    while ((await post('new', { 'fencing-token': '6' })).status === 503);
    assert.deepEqual(order, ['old begins', 'old ends', 'new begins', 'new ends']);
    assert.equal((await post('old', { 'fencing-token': '5' })).status, 412);
  });

  const awaited = framework === 'node:http' || framework === 'Hono';
  const title = awaited ? 'also without saying so' : 'if it says so';
  test(`${framework}: work that goes on after its client went away keeps newer leaders out, ${title}`, async () => {
    const [entered, finish] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const order: string[] = [];
    const effect: ServerOptions['effect'] = async (value, fencing) => {
      if (value !== 'old') return String(order.push(value));
      const work = finish.promise.then(() => order.push('old'));
      if (!awaited) fencing?.holdUntil(work);
      entered.resolve();
      await work;
      return value;
    };
    const storage = memoryGateStorage();
    const { post, server } = await run({ gate: tokenGate({ storage, waitMs: 60_000 }), effect });
    await using _ = server;
    const leaving = new AbortController();
    const headers = { 'content-type': 'text/plain', 'fencing-token': '5' };
    const old = fetch(`${server.url}/jobs/a`, {
      ...{ method: 'POST', body: 'old', headers, signal: leaving.signal },
    });
    old.catch(() => {});
    await entered.promise;
    leaving.abort();
    await assert.rejects(old);
    const waiting = post('new', { 'fencing-token': '6' });
    while ((await storage.load('a'))?.token !== 6) await post('other', { 'fencing-token': '1' }, 'b');
    await post('last other', { 'fencing-token': '1' }, 'b');
    assert(!order.includes('new'), 'it waits');
    finish.resolve();
    assert.equal((await waiting).status, 200);
    assert(order.indexOf('old') < order.indexOf('new'));
  });
}

for (const framework of ['Express', 'Fastify'] as const) {
  test(`${framework}: work that says too late that it goes on is told so`, async () => {
    const [entered, finish] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const told = Promise.withResolvers<unknown>();
    const effect: ServerOptions['effect'] = async (value, fencing) => {
      if (value !== 'old') return value;
      entered.resolve();
      await finish.promise;
      try {
        fencing?.holdUntil(Promise.reject(new Error('of the work')));
        told.resolve(undefined);
      } catch (error) {
        told.resolve(error);
      }
      return value;
    };
    const gate = tokenGate({ storage: memoryGateStorage(), waitMs: 60_000 });
    await using server = await frameworks[framework]({ gate, effect });
    const leaving = new AbortController();
    const post = { method: 'POST', headers: { 'content-type': 'text/plain' } };
    const url = `${server.url}/jobs/a`;
    const old = fencedFetch(leader(5))(url, { ...post, body: 'old', signal: leaving.signal });
    old.catch(() => {});
    await entered.promise;
    leaving.abort();
    await assert.rejects(old, { code: 'aborted' });
    // It gets in because the old one left.
    assert.equal((await fencedFetch(leader(6))(url, { ...post, body: 'new' })).status, 200);
    finish.resolve();
    assert.equal(((await told.promise) as ConclaveError | undefined)?.code, 'closed');
  });
}

/** The gate remembers on disk; the leaders are clients. */
async function open(framework: Framework): Promise<GuardedResource> {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-fencing-'));
  const values: string[] = [];
  const steps = new Map<string, () => Promise<void>>();
  const files = fileGateStorage(join(folder, 'gate'));
  // Requests arrive one after the other, so this is the step of the one that arrived.
  let step = async (): Promise<void> => {};
  const storage: GateStorage = {
    load: (resource) => step().then(() => files.load(resource)),
    store: (...parts) => step().then(() => files.store(...parts)),
  };
  const effect: ServerOptions['effect'] = async (value) => {
    await steps.get(value)?.();
    values.push(value);
    return '';
  };
  const server = await frameworks[framework]({ gate: tokenGate({ storage }), effect });
  return {
    async append(leadership, value, pause) {
      steps.set(value, pause);
      await pause();
      step = pause;
      const headers = { 'content-type': 'text/plain' };
      const send = fencedFetch(leadership);
      const response = await send(`${server.url}/jobs/a`, { method: 'POST', headers, body: value });
      assert.equal(response.status, 200);
      await response.text();
      await pause();
    },
    values: async () => [...values],
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test('the client: refusals are errors, other answers are returned, and what it cannot know it says', async () => {
  const gate = tokenGate({ storage: memoryGateStorage() });
  const effect: ServerOptions['effect'] = async () => 'done';
  await using server = await frameworks['node:http']({ gate, effect });
  const url = `${server.url}/jobs/a`;
  const post = { method: 'POST', body: 'x' };
  const response = await fencedFetch(leader(7, 'jöbs, and more'))(new URL(url), post);
  assert.equal(await response.text(), 'done');
  const older = fencedFetch(leader(6, 'jöbs, and more'));
  const stale = { code: 'stale-token', outcome: 'not-applied', details: { url, token: 6, highestToken: 7 } };
  await assert.rejects(older(url, post), stale);
  await assert.rejects(older(new Request(url, post)), stale);
  await assert.rejects(fencedFetch(leader(9))(url, post), { code: 'failed-precondition' });
  await assert.rejects(older('/relative'), { code: 'invalid-argument' });
  const aborted = fencedFetch(leader(7))(url, { ...post, signal: AbortSignal.abort() });
  await assert.rejects(aborted, { code: 'aborted', outcome: 'unknown' });
  await server[Symbol.asyncDispose]();
  await assert.rejects(fencedFetch(leader(7))(url, post), {
    code: 'unavailable',
    outcome: 'unknown',
    retryable: true,
  });
});

test('the client: the refusal of a request that a proxy sent twice does not say that nothing was done', async () => {
  const gate = tokenGate({ storage: memoryGateStorage() });
  const values: string[] = [];
  const effect: ServerOptions['effect'] = async (value) => String(values.push(value));
  await using server = await frameworks['node:http']({ gate, effect });
  const url = `${server.url}/jobs/a`;
  const proxied = fencedFetch(leader(6), {
    fetch: async (input, init) => {
      await (await fetch(input, init)).text();
      // That answer is lost; before the second copy comes, a newer leader does.
      await (await fencedFetch(leader(7))(url, { method: 'PUT', body: 'new' })).text();
      return await fetch(input, init);
    },
  });
  await assert.rejects(proxied(url, { method: 'PUT', body: 'old' }), {
    code: 'stale-token',
    outcome: 'unknown',
  });
  assert.deepEqual(values, ['old', 'new']);
});

test('the client: a refusal is certain only where HTTP lets nobody on the way repeat the request', async () => {
  const body = JSON.stringify({ code: 'timeout', message: 'Busy.', retryable: true });
  const busy = async () => new Response(body, { status: 503, headers: { 'fencing-error': 'timeout' } });
  const outcomeOf = async (init: RequestInit, input: string | Request = 'http://other.test/') => {
    const outcomes = new Set<string>();
    for (const fetch of [busy, async () => new Response(null, { status: 412 })]) {
      const send = fencedFetch(leader(7), { fetch });
      const answer: Response | ConclaveError = await send(input, init).catch((error: ConclaveError) => error);
      assert.ok('outcome' in answer);
      outcomes.add(answer.outcome);
    }
    return [...outcomes].join();
  };
  const put = new Request('http://other.test/', { method: 'PUT' });
  const post = new Request('http://other.test/', { method: 'POST' });
  for (const method of ['POST', 'post', 'PATCH'])
    assert.equal(await outcomeOf({ method }), 'not-applied', method);
  assert.equal(await outcomeOf({}, post), 'not-applied');
  assert.equal(await outcomeOf({ method: 'POST' }, put), 'not-applied');
  for (const method of ['GET', 'HEAD', 'PUT', 'put', 'DELETE', 'PROPFIND'])
    assert.equal(await outcomeOf({ method }), 'unknown', method);
  assert.equal(await outcomeOf({}), 'unknown');
  assert.equal(await outcomeOf({}, put), 'unknown');
  for (const header of ['Idempotency-Key', 'X-Idempotency-Key'])
    assert.equal(await outcomeOf({ method: 'POST', headers: { [header]: '1' } }), 'unknown', header);
});

test('the client: an outcome that the server says is unknown is not said to be certain', async () => {
  const error = { code: 'stale-token', message: 'A newer token came meanwhile.', outcome: 'unknown' };
  const fetch = async () => Response.json(error, { status: 412, headers: { 'fencing-error': error.code } });
  const sent = fencedFetch(leader(7), { fetch })('http://other.test/', { method: 'POST' });
  await assert.rejects(sent, { code: 'stale-token', outcome: 'unknown' });
});

test('the client: a 412 of any server is a stale token, unless the request has conditions of its own', async () => {
  const sent: Headers[] = [];
  const send = fencedFetch(leader(7), {
    fetch: async (_, init) => {
      sent.push(new Headers(init?.headers));
      return new Response('no', { status: 412 });
    },
  });
  await assert.rejects(send('http://other.test/'), { code: 'stale-token' });
  const response = await send('http://other.test/', { headers: { 'if-match': '"5"' } });
  assert.deepEqual([response.status, await response.text()], [412, 'no']);
  assert.deepEqual(sent[1]?.get('fencing-token'), '7');
});

test('the client sends nothing for a leadership that is over or whose tokens cannot fence', async () => {
  const unfit = { ...leader(7), tokenSurvivesDeletion: false };
  assert.throws(() => fencedFetch(unfit), { code: 'unsupported' });
  assert.throws(() => fencedFetch(leader(-1)), { code: 'invalid-argument' });
  const over = {
    ...leader(7),
    assertHeld() {
      throw new RangeError('over');
    },
  };
  await assert.rejects(fencedFetch(over, { fetch: assert.fail })('http://other.test/'), RangeError);
});

test('what a node:http handler throws is answered and told of', async () => {
  const told = Promise.withResolvers<unknown>();
  const gate = tokenGate({ storage: memoryGateStorage() });
  const listener = nodeFencing({ gate, resource: 'a', onError: told.resolve }, () => {
    throw new RangeError('own');
  });
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address() as { readonly port: number };
  try {
    const url = `http://127.0.0.1:${address.port}/`;
    assert.equal((await fencedFetch(leader(1))(url)).status, 500);
    assert((await told.promise) instanceof RangeError);
    assert.equal((await fencedFetch(leader(2))(url)).status, 500, 'it left its place');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('options of the middleware that are wrong are refused', async () => {
  const gate = tokenGate({ storage: memoryGateStorage() });
  const invalid = { code: 'invalid-argument' };
  assert.throws(() => expressFencing({ gate: undefined as never, resource: 'a' }), invalid);
  assert.throws(() => expressFencing({ gate, resource: '' }), invalid);
  for (const fencing of [nodeFencing, expressFencing, fastifyFencing, honoFencing]) {
    assert.throws(() => (fencing as (...wrong: unknown[]) => unknown)(), invalid);
  }
  assert.throws(() => nodeFencing({ gate, resource: 'a' }, undefined as never), invalid);
  assert.throws(() => nodeFencing({ gate, resource: 'a', missingToken: 'no' as never }, () => {}), invalid);
});
