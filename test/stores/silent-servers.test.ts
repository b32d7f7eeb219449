// Servers that accept connections and say nothing: the command line ends by itself, and closing a store waits for none.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { openStore } from '../../src/stores/urls.ts';
import { run } from '../integration/cli.ts';
import { listen } from '../stand-ins/listening.ts';

const patience = { timeout: 120_000 };

interface Silent extends AsyncDisposable {
  readonly host: string;
  /** The first connection to it. */
  readonly connected: Promise<Socket>;
}

async function startSilent(): Promise<Silent> {
  const sockets = new Set<Socket>();
  const first = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.resume();
    first.resolve(socket);
  });
  const port = await listen(server);
  return {
    host: `127.0.0.1:${port}`,
    connected: first.promise,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const amazon = { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y', AWS_REGION: 'eu-west-1' };
const urls: readonly ((host: string) => string)[] = [
  (host) => `conclave://${host}`,
  (host) => `etcd://${host}`,
  (host) => `zk://${host}`,
  (host) => `consul://${host}`,
  (host) => `redis://${host}`,
  (host) => `nats://${host}`,
  (host) => `postgres://u:p@${host}/db`,
  (host) => `mysql://u:p@${host}/db`,
  (host) => `mongodb://${host}/db`,
  (host) => `cassandra://u:p@${host}/ks?datacenter=dc1`,
  (host) => `s3://bucket/elections?endpoint=http%3A%2F%2F${host}`,
  (host) => `dynamodb://eu-west-1/elections?endpoint=http%3A%2F%2F${host}`,
];

for (const urlAt of urls) {
  test(`${urlAt('…').split('/')[0]}: elect and observe --once end with 101`, patience, async () => {
    await using silent = await startSilent();
    const environment = { ...amazon, CONCLAVE_STORE: urlAt(silent.host) };
    const elect = ['elect', 'x', '--timeout', '500ms', '--accept-advisory', 'a test', '--', 'true'];
    const ends = await Promise.all([
      run(['observe', 'x', '--once', '--timeout', '500ms'], { environment }),
      run(elect, { environment }),
    ]);
    for (const { code, stdout, stderr } of ends) {
      assert.deepEqual([code, stdout], [101, ''], stderr);
      assert.match(stderr, /^conclave: .*no answer.*\n$/);
    }
    assert.match(ends[1]?.stderr ?? '', /not elected in time/);
  });
}

test('migrate tells of a silent server long before --timeout', patience, async () => {
  await using silent = await startSilent();
  const { host } = silent;
  const urls = [`postgres://u:p@${host}/db`, `etcds://${host}`, `cassandra://u:p@${host}/ks?datacenter=dc1`];
  // Who waited for all of it would wait longer than the test does.
  const flags = ['--timeout', '10m', '--store'];
  const ends = await Promise.all(urls.map((url) => run(['migrate', ...flags, url])));
  for (const { code, stdout, stderr } of ends) {
    assert.equal(code, 101, stderr);
    assert.match(stderr, new RegExp(`${host}.*no answer`, 's'));
    assert.doesNotMatch(stdout, /Elections can be held/);
  }
  assert.match(ends[1]?.stderr ?? '', /Does that port speak TLS\?/);
  const { stderr } = await run([
    'observe',
    'x',
    '--once',
    '--timeout',
    '500ms',
    '--store',
    `rediss://${host}`,
  ]);
  assert.match(stderr, /within \d+ ms: perhaps that port speaks no TLS, and is written redis:\/\/\.\n$/);
});

/** Opens a store, whose first call is still unanswered. */
async function asking(silent: Silent, url: string) {
  const store = await openStore(url);
  const reading = store.read('x', { timeoutMs: 60_000 });
  reading.catch(() => {});
  return { store, reading, socket: await silent.connected };
}

for (const scheme of ['postgres', 'mysql']) {
  test(`closing a store of ${scheme}:// ends the connection that is being made`, patience, async () => {
    await using silent = await startSilent();
    const { store, reading, socket } = await asking(silent, `${scheme}://u:p@${silent.host}/db`);
    const ended = once(socket, 'close');
    await store[Symbol.asyncDispose]();
    await ended;
    await assert.rejects(reading);
  });
}

test('closing a store of nats:// does not wait for the driver to give up', patience, async () => {
  await using silent = await startSilent();
  const { store, socket } = await asking(silent, `nats://${silent.host}`);
  const driver = once(socket, 'close').then(() => 'the driver gave up');
  const closing = store[Symbol.asyncDispose]().then(() => 'it is closed');
  assert.equal(await Promise.race([driver, closing]), 'it is closed');
});
