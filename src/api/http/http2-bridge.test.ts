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

/** Node's own client would not send such a header: a literal one without indexing, in a frame made by hand. */
function requestWith(name: string, value: string): Buffer {
  const fields = Object.entries({
    ...{ ':method': 'GET', ':path': '/version', ':scheme': 'http', ':authority': 'x' },
    [name]: value,
  }).map(([key, text]) =>
    Buffer.from(
      `\0${String.fromCharCode(key.length)}${key}${String.fromCharCode(text.length)}${text}`,
      'latin1',
    ),
  );
  const block = Buffer.concat(fields);
  const settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
  const head = [0, 0, block.length, 1, 5, 0, 0, 0, 1];
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    Buffer.from(settings),
    Buffer.from(head),
    block,
  ]);
}

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
    const resetFrame = Buffer.from([0, 0, 4, 3, 0, 0, 0, 0, 1]);
    let received = Buffer.alloc(0);
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer]);
      if (received.includes(resetFrame)) break;
    }
    assert.ok(received.includes(resetFrame), 'the stream was not reset');
    assert.equal((await ask(it.session, 'GET', '/version')).status, 200);
  });
}
