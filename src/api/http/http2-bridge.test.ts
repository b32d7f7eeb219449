import assert from 'node:assert/strict';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import { test } from 'node:test';
import { nodeRuntime } from '../../runtime/index.ts';
import { inBothForms } from '../front-ends/testing/both-forms.ts';
import { serveApi } from '../serve.ts';
import { TestingMember } from '../testing.ts';

async function open(frontEnds = 0) {
  const member = new TestingMember(nodeRuntime());
  const server = await serveApi(member, {
    listen: { host: '127.0.0.1', port: 0 },
    closeGraceMs: 500,
    frontEnds,
  });
  const session = http2.connect(`http://127.0.0.1:${server.address.port}`);
  session.on('error', () => {});
  return {
    ...{ member, session, port: server.address.port },
    async [Symbol.asyncDispose]() {
      session.destroy();
      await server.close();
    },
  };
}

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
}

function ask(session: http2.ClientHttp2Session, method: string, path: string, body = ''): Promise<Answer> {
  const stream = session.request({ ':method': method, ':path': path }, { endStream: method === 'GET' });
  if (method !== 'GET') stream.end(body);
  return new Promise((resolve, reject) => {
    let text = '';
    let head: http2.IncomingHttpHeaders = {};
    stream.on('response', (headers) => {
      head = headers;
    });
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    stream.on('error', reject);
    stream.on('end', () => {
      resolve({ status: Number(head[':status']), type: head['content-type'], text });
    });
  });
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

inBothForms('pages and the JSON gateway are served over HTTP/2 as over HTTP/1.1', async (frontEnds) => {
  await using it = await open(frontEnds);
  const version = await ask(it.session, 'GET', '/version');
  assert.deepEqual([version.status, version.type], [200, 'application/json']);
  assert.match(version.text, /"etcdserver"/);
  const value = 'v'.repeat(500_000);
  const put = JSON.stringify({ key: base64('k'), value: base64(value) });
  assert.equal((await ask(it.session, 'POST', '/v3/kv/put', put)).status, 200);
  const range = await ask(it.session, 'POST', '/v3/kv/range', JSON.stringify({ key: base64('k') }));
  assert.equal(JSON.parse(range.text).kvs[0].value, base64(value));
  assert.equal((await ask(it.session, 'GET', '/nowhere')).status, 404);
  assert.equal((await ask(it.session, 'GET', '/v3/kv/put')).status, 405);
});

inBothForms(
  'a stream of the gateway goes on over HTTP/2 until its reader leaves, and then its watch is over',
  async (frontEnds) => {
    await using it = await open(frontEnds);
    const stream = it.session.request({ ':method': 'POST', ':path': '/v3/watch' });
    stream.on('error', () => {});
    stream.write(JSON.stringify({ create_request: { key: base64('k') } }));
    let text = '';
    let wake = (): void => {};
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      wake();
    });
    const lines = async (count: number): Promise<void> => {
      while (text.split('\n').length <= count) await new Promise<void>((resolve) => (wake = resolve));
    };
    await lines(1);
    await ask(it.session, 'POST', '/v3/kv/put', JSON.stringify({ key: base64('k'), value: base64('v') }));
    await lines(2);
    assert.match(text, /"events"/);
    stream.close(http2.constants.NGHTTP2_CANCEL);
    while (it.member.keyspace.watcherCount > 0) await new Promise(setImmediate);
  },
);

/** Node's own client would not send such headers: literal ones without indexing, in a frame made by hand. */
function headersFrame(flags: number, headers: Record<string, string>): Buffer {
  const fields = Object.entries(headers).map(([key, text]) =>
    Buffer.from(
      `\0${String.fromCharCode(key.length)}${key}${String.fromCharCode(text.length)}${text}`,
      'latin1',
    ),
  );
  const block = Buffer.concat(fields);
  return Buffer.concat([Buffer.from([0, 0, block.length, 1, flags, 0, 0, 0, 1]), block]);
}

const greeting = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
const endHeaders = 4;
const endStream = 1;
const dataFrame = Buffer.from([0, 0, 1, 0, 0, 0, 0, 0, 1, 0x78]);
const request = { ':method': 'POST', ':path': '/nowhere', ':scheme': 'http', ':authority': 'x' };

function requestWith(name: string, value: string): Buffer {
  const headers = { ...request, ':method': 'GET', ':path': '/version', [name]: value };
  return Buffer.concat([greeting, headersFrame(endHeaders | endStream, headers)]);
}

/** Reads until `bytes` came. False: the connection ended without them. */
async function receives(socket: AsyncIterator<Buffer>, ...bytes: readonly number[]): Promise<boolean> {
  let received = Buffer.alloc(0);
  for (;;) {
    const { value, done } = await socket.next();
    if (done) return false;
    received = Buffer.concat([received, value]);
    if (received.includes(Buffer.from(bytes))) return true;
  }
}

test('what comes of a request after an answer that did not wait for it is still looked at', {
  timeout: 30_000,
}, async (t) => {
  await using it = await open();
  const socket = net.connect(it.port, '127.0.0.1');
  t.after(() => socket.destroy());
  const chunks: AsyncIterator<Buffer> = socket[Symbol.asyncIterator]();
  socket.write(Buffer.concat([greeting, headersFrame(endHeaders, request), dataFrame]));
  const answer = [1, endHeaders, 0, 0, 0, 1];
  assert.ok(await receives(chunks, ...answer), 'no answer before the request has ended');
  // Trailers that do not end the request: a broken rule (RFC 9113 §8.1).
  socket.write(headersFrame(endHeaders, { x: 'y' }));
  assert.ok(await receives(chunks, 0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 1), 'the stream was not reset');
});

test('an answer ends although the request never does', { timeout: 30_000 }, async (t) => {
  await using it = await open();
  const socket = net.connect(it.port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.write(Buffer.concat([greeting, headersFrame(endHeaders, request), dataFrame]));
  const end = [0, 0, 0, 0, endStream, 0, 0, 0, 1];
  assert.ok(await receives(socket[Symbol.asyncIterator](), ...end), 'the answer did not end');
});

for (const [name, value] of [
  [':authority', 'a\x01b'],
  ['x', 'a\x01b'],
  [':method', 'G T'],
  [':path', '/a b'],
] as const) {
  test(`a request whose ${name} HTTP/1.1 cannot carry is refused, and the server serves on`, async (t) => {
    await using it = await open();
    const socket = net.connect(it.port, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.write(requestWith(name, value));
    const reset = await receives(socket[Symbol.asyncIterator](), 0, 0, 4, 3, 0, 0, 0, 0, 1);
    assert.ok(reset, 'the stream was not reset');
    assert.equal((await ask(it.session, 'GET', '/version')).status, 200);
  });
}
