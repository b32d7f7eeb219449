// How a member starts, is stopped while it does, and what it leaves on disk; how a wrong password ends a command.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { connectClient } from '../../src/client/index.ts';
import { freePorts } from '../ports.ts';
import { Conclave, run } from './cli.ts';

const patience = { timeout: 90_000 };
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'conclave-test-'));
});
after(async () => await rm(folder, { recursive: true, force: true }));

async function flagsFor(name: string) {
  const [clientPort, peerPort] = await freePorts(2);
  const [clientUrl, peerUrl] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
  const dataDir = join(folder, name);
  const urls = ['--listen-client-urls', clientUrl, '--listen-peer-urls', peerUrl];
  return { words: ['serve', '--data-dir', dataDir, ...urls], dataDir, clientUrl, peerUrl };
}

/** Who takes every connection and says nothing: the cluster that is to be joined. */
async function silentPeer(
  context: TestContext,
): Promise<{ server: Server; url: string; reached: () => number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { server, url: `http://127.0.0.1:${address.port}`, reached: () => sockets.size };
}

function joining(words: readonly string[], peerUrl: string, silentUrl: string): string[] {
  const cluster = `default=${peerUrl},other=${silentUrl}`;
  return [...words, '--initial-cluster-state', 'existing', '--initial-cluster', cluster];
}

/** What others may read or write. A file that a running member has removed or renamed meanwhile is left out. */
async function modesOf(path: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(path, { recursive: true })) {
    const status = await stat(join(path, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    const mode = status?.mode ?? 0;
    if ((mode & 0o077) !== 0) found.push(`${name} ${(mode & 0o777).toString(8)}`);
  }
  return found;
}

test('a member that is told to stop while it joins a cluster does so', patience, async (context) => {
  const silent = await silentPeer(context);
  const { words, peerUrl } = await flagsFor('joins');
  const asked = once(silent.server, 'connection');
  await using conclave = new Conclave(joining(words, peerUrl, silent.url));
  await asked;
  conclave.process.kill('SIGTERM');
  assert.equal(await conclave.ended, 0, conclave.stderr);
  assert.match(conclave.stderr, /stopping before the member has started/);
});

test('a client port that is taken is noticed before a cluster is joined', patience, async (context) => {
  const silent = await silentPeer(context);
  const { words, peerUrl } = await flagsFor('port-taken');
  const taken = words.with(4, silent.url);
  const { code, stderr } = await run(joining(taken, peerUrl, silent.url));
  assert.equal(code, 110, stderr);
  assert.equal(silent.reached(), 0);
});

test(
  'flags that name other members than the data folder are told of, and nothing else of it',
  patience,
  async () => {
    const { words, peerUrl } = await flagsFor('stray');
    const start = async (more: readonly string[]): Promise<string> => {
      await using conclave = new Conclave([...words, ...more]);
      await conclave.match('stderr', /ready to serve client requests/);
      conclave.process.kill('SIGTERM');
      assert.equal(await conclave.ended, 0);
      return conclave.stderr;
    };
    const stray = /--initial-cluster names other peer URLs/;
    assert.doesNotMatch(await start([]), stray);
    assert.doesNotMatch(await start([]), stray);
    const cluster = `default=${peerUrl},other=http://127.0.0.1:1`;
    assert.match(await start(['--initial-cluster', cluster]), stray);
  },
);

test('nothing that a member or a backup leaves on disk is open to other users', patience, async () => {
  const { words, clientUrl, dataDir } = await flagsFor('closed');
  await using conclave = new Conclave([...words, '--snapshot-count', '5']);
  await conclave.match('stderr', /ready to serve client requests/);
  await using client = connectClient({ endpoints: clientUrl });
  for (let count = 0; count < 20; count++) await client.put('key', String(count));
  const saved = join(dataDir, 'saved');
  const { code, stderr } = await run(['snapshot', 'save', saved, '--endpoints', clientUrl]);
  assert.equal(code, 0, stderr);
  const names = await readdir(dataDir, { recursive: true });
  for (const kind of [/^lock$/, /^lock\.owner$/, /^identity/, /^log\//, /^snapshots\//, /^saved$/])
    assert.ok(
      names.some((name) => kind.test(name)),
      `${kind} among ${names.join()}`,
    );
  assert.deepEqual(await modesOf(dataDir), []);
});

test('a wrong password ends elect and observe at once, and says whose it is', patience, async () => {
  const { words, clientUrl } = await flagsFor('password');
  await using conclave = new Conclave([...words, '--bcrypt-cost', '4']);
  await conclave.match('stderr', /ready to serve client requests/);
  await using client = connectClient({ endpoints: clientUrl });
  const { users } = client;
  await users.add('root', 'right');
  await users.grantRole('root', 'root');
  await users.enable();
  const as = (user: string) => ['--endpoints', clientUrl, '--user', user];
  for (const command of [
    ['elect', 'job', ...as('root:wrong'), '--', 'true'],
    ['observe', 'job', ...as('root:wrong')],
  ]) {
    const { code, stderr } = await run(command);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /does not take user "root" with this password/);
    assert.doesNotMatch(stderr, /Trying again/);
  }
  const right = await run(['elect', 'job', ...as('root:right'), '--', 'true']);
  assert.equal(right.code, 0, right.stderr);
});
