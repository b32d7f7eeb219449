import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import { test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import { inBothForms } from '../front-ends/testing/both-forms.ts';
import { type ServeOptions, serveApi } from '../serve.ts';
import { TestingMember } from '../testing.ts';

async function open(options: Partial<ServeOptions> = {}) {
  const member = new TestingMember(nodeRuntime());
  const server = await serveApi(member, {
    listen: { host: '127.0.0.1', port: 0 },
    closeGraceMs: 500,
    ...options,
  });
  const url = `http://127.0.0.1:${server.address.port}`;
  return {
    ...{ member, server, url },
    get: (path: string, more: RequestInit = {}) =>
      fetch(url + path, { signal: AbortSignal.timeout(20_000), ...more }),
    socket: () => net.connect(server.address.port, server.address.host),
    async [Symbol.asyncDispose]() {
      await server.close();
    },
  };
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise(setImmediate);
}

inBothForms(
  'one port answers gRPC and HTTP/1.1, also where the first bytes come one by one',
  async (frontEnds) => {
    await using it = await open({ frontEnds });
    const session = http2.connect(it.url);
    const grpc = session.request({
      ':method': 'POST',
      ':path': '/nothing',
      'content-type': 'application/grpc',
    });
    const [headers] = await once(grpc, 'response');
    assert.equal(headers['grpc-status'], '12');
    session.destroy();
    const socket = it.socket();
    for (const letter of 'GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n') {
      await new Promise((resolve) => socket.write(letter, resolve));
    }
    let text = '';
    for await (const chunk of socket) text += chunk;
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\{"etcdserver":"3\.5\.0","etcdcluster":"3\.5\.0"\}$/);
  },
);

inBothForms('a preface of HTTP/2 that comes in pieces is one all the same', async (frontEnds) => {
  await using it = await open({ frontEnds });
  const socket = it.socket();
  await once(socket, 'connect');
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
  socket.setNoDelay(true);
  for (let at = 0; at < preface.length; at += 4) {
    socket.write(preface.subarray(at, at + 4));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const [answer] = (await once(socket, 'data')) as [Buffer];
  // A SETTINGS frame of the server's: nobody else speaks like that.
  assert.equal(answer[3], 4);
  socket.destroy();
});

inBothForms('bytes that are no protocol at all are refused, and the port goes on', async (frontEnds) => {
  await using it = await open({ frontEnds });
  const socket = it.socket();
  socket.on('error', () => {});
  socket.write(Buffer.alloc(1000, 0xff));
  await once(socket, 'close');
  assert.equal((await it.get('/version')).status, 200);
});

inBothForms('health tells whether a majority answers, and why not', async (frontEnds) => {
  await using it = await open({ frontEnds });
  const page = async (path: string) => {
    const response = await it.get(path);
    return [response.status, await response.text()];
  };
  assert.deepEqual(await page('/health'), [200, '{"health":"true","reason":""}']);
  assert.deepEqual(await page('/livez'), [200, 'ok\n']);
  assert.deepEqual(await page('/readyz?verbose'), [
    200,
    '[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\nok\n',
  ]);
  it.member.failure = new ConclaveError('no-leader', 'nobody leads');
  assert.deepEqual(await page('/health'), [
    503,
    '{"health":"false","reason":"QGET ERROR:etcdserver: request timed out"}',
  ]);
  assert.deepEqual(await page('/health?serializable=true'), [200, '{"health":"true","reason":""}']);
  assert.deepEqual(await page('/livez'), [200, 'ok\n']);
  assert.deepEqual(await page('/readyz'), [
    503,
    '[+]data_corruption ok\n[+]serializable_read ok\n[-]linearizable_read failed: etcdserver: request timed out\nreadyz check failed\n',
  ]);
  assert.deepEqual(await page('/readyz?exclude=linearizable_read'), [200, 'ok\n']);
});

inBothForms('an alarm makes a member unhealthy, one of corruption also unready', async (frontEnds) => {
  await using it = await open({ frontEnds });
  const raise = (kind: 'no-space' | 'corrupt') =>
    it.member.propose({ type: 'alarm', raise: true, member: 1n, kind });
  const page = async (path: string) => {
    const response = await it.get(path);
    return [response.status, await response.text()];
  };
  await raise('no-space');
  assert.deepEqual(await page('/health'), [503, '{"health":"false","reason":"ALARM NOSPACE"}']);
  assert.deepEqual(await page('/health?exclude=NOSPACE'), [200, '{"health":"true","reason":""}']);
  assert.deepEqual(await page('/readyz'), [200, 'ok\n']);
  await raise('corrupt');
  assert.deepEqual((await page('/health?exclude=NOSPACE'))[1], '{"health":"false","reason":"ALARM CORRUPT"}');
  const [status, text] = await page('/readyz');
  assert.equal(status, 503);
  assert.match(String(text), /^\[-\]data_corruption failed: alarm activated: CORRUPT\n/);
});

test('a page in a browser may call only where it is allowed to', async () => {
  await using closed = await open();
  const put = {
    method: 'POST',
    headers: { origin: 'https://evil.example' },
    body: '{"key":"YQ==","value":"YQ=="}',
  };
  assert.equal((await closed.get('/v3/kv/put', put)).status, 403);
  assert.deepEqual(closed.member.proposed, []);
  await using listed = await open({ corsOrigins: ['https://good.example'] });
  assert.equal((await listed.get('/v3/kv/put', put)).status, 403);
  const good = await listed.get('/v3/kv/put', { ...put, headers: { origin: 'https://good.example' } });
  assert.equal(good.status, 200);
  assert.equal(good.headers.get('access-control-allow-origin'), 'https://good.example');
});

inBothForms(
  'a stream ends with its client, and with the server it ends with the reason',
  async (frontEnds) => {
    await using it = await open({ frontEnds });
    const watch = { method: 'POST', body: '{"create_request":{"key":"YQ=="}}' };
    const leaving = new AbortController();
    const left = await it.get('/v3/watch', { ...watch, signal: leaving.signal });
    const reader = left.body?.getReader();
    await reader?.read();
    await until(() => it.member.keyspace.watcherCount === 1);
    leaving.abort();
    await until(() => it.member.keyspace.watcherCount === 0);
    const staying = await it.get('/v3/watch', watch);
    await until(() => it.member.keyspace.watcherCount === 1);
    const [text] = await Promise.all([staying.text(), it.server.close()]);
    assert.equal(
      text.split('\n').at(-2),
      '{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: server stopped","http_status":"Service Unavailable"}}',
    );
  },
);

inBothForms('a body that is too long is refused with nothing kept of it', async (frontEnds) => {
  await using it = await open({ frontEnds });
  const response = await it.get('/v3/kv/put', {
    method: 'POST',
    body: `{"key":"${'A'.repeat(10_000_000)}"}`,
  });
  assert.equal(response.status, 429);
  assert.deepEqual(await response.json(), {
    error: 'http: request body too large',
    message: 'http: request body too large',
    code: 8,
  });
});
