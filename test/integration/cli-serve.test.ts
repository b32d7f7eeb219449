import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connectClient } from '../../src/client/index.ts';
import { freePorts } from '../ports.ts';
import { Conclave, run } from './cli.ts';

const patience = { timeout: 60_000 };
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'conclave-test-'));
});
after(async () => await rm(folder, { recursive: true, force: true }));

/** Flags for a one-member cluster on free ports. */
async function flagsFor(dataDir: string): Promise<{ words: string[]; clientUrl: string; peerUrl: string }> {
  const [clientPort, peerPort] = await freePorts(2);
  const clientUrl = `http://127.0.0.1:${clientPort}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const words = [
    'serve',
    '--data-dir',
    dataDir,
    '--listen-client-urls',
    clientUrl,
    '--listen-peer-urls',
    peerUrl,
  ];
  return { words, clientUrl, peerUrl };
}

async function startServing(words: readonly string[]): Promise<Conclave> {
  const conclave = new Conclave(words);
  await conclave.match('stderr', /ready to serve client requests/);
  return conclave;
}

async function stop(conclave: Conclave): Promise<void> {
  conclave.process.kill('SIGTERM');
  assert.equal(await conclave.ended, 0);
}

/** The last line of the log, which is the failure. */
function failure(stderr: string): { level: string; msg: string; exitCode: number } {
  return JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '') as {
    level: string;
    msg: string;
    exitCode: number;
  };
}

test(
  'a member says when it is ready, serves, stops on SIGTERM, and has its data when it comes back',
  patience,
  async () => {
    const { words, clientUrl } = await flagsFor(join(folder, 'comes-back'));
    const first = await startServing(words);
    await using client = connectClient({ endpoints: clientUrl });
    await client.put('key', 'value');
    await stop(first);
    const second = await startServing(words);
    assert.equal(Buffer.from((await client.get('key'))?.value ?? '').toString(), 'value');
    await stop(second);
  },
);

test("etcd's single dashes, the environment and a file start the same member", patience, async () => {
  const { words, clientUrl, peerUrl } = await flagsFor(join(folder, 'spellings'));
  await stop(await startServing(words.map((word) => word.replace(/^--/, '-'))));
  const file = join(folder, 'member.yaml');
  await writeFile(file, `listen-client-urls: ${clientUrl}\nlog-level: debug\nname: overridden\n`);
  const environment = {
    CONCLAVE_CONFIG_FILE: file,
    CONCLAVE_NAME: 'default',
    CONCLAVE_DATA_DIR: join(folder, 'spellings'),
    CONCLAVE_NMAE: 'oops',
  };
  await using conclave = new Conclave(['serve', '--listen-peer-urls', peerUrl], { environment });
  await conclave.match('stderr', /ready to serve client requests/);
  assert.match(conclave.stderr, /"variable":"CONCLAVE_NMAE"/);
});

test(
  'an unknown flag and a malformed URL end it with 100, before anything is written',
  patience,
  async () => {
    const dataDir = join(folder, 'never');
    const misspelt = await run(['serve', '--data-dri', dataDir]);
    assert.equal(misspelt.code, 100);
    assert.match(misspelt.stderr, /unknown option '--data-dri'[\s\S]*Did you mean --data-dir/);
    const malformed = await run(['serve', '--data-dir', dataDir, '--listen-client-urls', '127.0.0.1']);
    assert.equal(malformed.code, 100);
    assert.match(malformed.stderr, /has no scheme/);
    const tls = await run(['serve', '--auto-tls', 'true']);
    assert.equal(tls.code, 100);
    assert.match(tls.stderr, /certificates that nobody signed/);
    await assert.rejects(readdir(dataDir));
  },
);

test('a port that is taken ends it with 110 and names the address', patience, async () => {
  const taken = await flagsFor(join(folder, 'port-owner'));
  await using _owner = await startServing(taken.words);
  const { words } = await flagsFor(join(folder, 'port-wanter'));
  const wanter = await run(words.with(4, taken.clientUrl));
  assert.equal(wanter.code, 110);
  assert.match(failure(wanter.stderr).msg, new RegExp(taken.clientUrl.replace('http://', '')));
});

test('a data folder in use ends it with 111', patience, async () => {
  const dataDir = join(folder, 'in-use');
  await using _owner = await startServing((await flagsFor(dataDir)).words);
  const second = await run((await flagsFor(dataDir)).words);
  assert.equal(second.code, 111);
  assert.match(failure(second.stderr).msg, /in use/);
});

test('a data folder of another cluster ends it with 112', patience, async () => {
  const dataDir = join(folder, 'other-cluster');
  const { words } = await flagsFor(dataDir);
  await stop(await startServing(words));
  const other = await run([...words, '--initial-cluster-token', 'another']);
  assert.equal(other.code, 112);
  assert.match(failure(other.stderr).msg, new RegExp(dataDir));
});

test('a damaged log ends it with 113 and names segment and offset', patience, async () => {
  const dataDir = join(folder, 'damaged');
  const { words, clientUrl } = await flagsFor(dataDir);
  const first = await startServing(words);
  await using client = connectClient({ endpoints: clientUrl });
  for (let count = 0; count < 20; count++) await client.put(`key-${count}`, 'x'.repeat(500));
  await stop(first);
  const name = (await readdir(join(dataDir, 'log'))).sort()[0] ?? '';
  const segment = join(dataDir, 'log', name);
  const bytes = await readFile(segment);
  const middle = bytes.indexOf('x'.repeat(400), 2000);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await writeFile(segment, bytes);
  const second = await run(words);
  assert.equal(second.code, 113);
  const { msg } = failure(second.stderr);
  assert.ok(msg.includes(name), msg);
  assert.match(msg, /\d+/);
});

test('a data folder that is a file ends it with 114', patience, async () => {
  const dataDir = join(folder, 'a-file');
  await writeFile(dataDir, '');
  const { code, stderr } = await run((await flagsFor(dataDir)).words);
  assert.equal(code, 114);
  assert.match(failure(stderr).msg, new RegExp(dataDir));
});

test('joining a cluster without a member of it to ask is refused in clear words', patience, async () => {
  const { words } = await flagsFor(join(folder, 'joins'));
  const { code, stderr } = await run([...words, '--initial-cluster-state', 'existing']);
  assert.equal(code, 101);
  assert.match(failure(stderr).msg, /none but this one is given in --initial-cluster/);
});

test('a second signal ends a member at once', patience, async () => {
  const { words } = await flagsFor(join(folder, 'twice'));
  const conclave = await startServing(words);
  // Sent while it is stopped, so that both are there when it wakes.
  conclave.process.kill('SIGSTOP');
  conclave.process.kill('SIGTERM');
  conclave.process.kill('SIGINT');
  conclave.process.kill('SIGCONT');
  assert.ok([130, 143].includes(await conclave.ended));
});
