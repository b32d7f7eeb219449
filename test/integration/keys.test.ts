// `conclave get`, `put`, `del` and `watch`: what somebody needs who has no client of etcd at hand.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connectClient } from '../../src/client/index.ts';
import { startConclave, type TestServer } from '../interop/servers.ts';
import { Conclave, run } from './cli.ts';

describe('keys from the command line', { timeout: 240_000 }, () => {
  let server: TestServer;
  before(async () => {
    server = await startConclave({ quick: true });
  });
  after(() => server[Symbol.asyncDispose]());

  const environment = () => ({ CONCLAVE_ENDPOINTS: `http://${server.endpoint}` });
  const conclave = (...words: string[]) => run(words, { environment: environment() });
  async function prints(words: string[], expected: string): Promise<void> {
    const { code, stdout, stderr } = await conclave(...words);
    assert.deepEqual({ code, stdout }, { code: 0, stdout: expected }, stderr);
  }
  async function refuses(words: string[], code: number, message: RegExp): Promise<void> {
    const ended = await conclave(...words);
    assert.equal(ended.code, code, ended.stderr);
    assert.match(ended.stderr, message);
    assert.equal(ended.stdout, '');
  }
  const putJson = async (...words: string[]): Promise<{ revision: number; lease?: string }> =>
    JSON.parse((await conclave('put', '--json', ...words)).stdout);

  test('a value is put, read, read as it was, and deleted', async () => {
    const { revision } = await putJson('a/1', 'one');
    await prints(['put', 'a/1', 'two'], `a/1 is put, at revision ${revision + 1}\n`);
    await prints(['get', 'a/1'], 'two\n');
    await prints(['get', 'a/1', '--rev', String(revision)], 'one\n');
    await refuses(['get', 'a/2'], 105, /There is no key 'a\/2'/);
    await prints(['del', 'a/1'], '1 key deleted\n');
    await prints(['del', 'a/1', '--json'], `{"deleted":0,"revision":${revision + 2}}\n`);
    await refuses(['get', 'a/1', '--rev', '999999'], 1, /future revision/);
  });

  test('keys of a prefix, as lines and as JSON; what is no text in base64', async () => {
    const { revision } = await putJson('b/1', 'x\ty');
    await putJson('b/2', 'z');
    const binary = new Conclave(['put', 'b/3'], { environment: environment() });
    binary.process.stdin?.end(Buffer.from([0xff, 0x00]));
    assert.equal(await binary.ended, 0, binary.stderr);
    await prints(['get', 'b/', '--prefix'], 'b/1\tx\\x09y\nb/2\tz\nb/3\t0xff00\n');
    const { stdout } = await conclave('get', 'b/', '--prefix', '--json');
    const at = (mod: number) => ({ createRevision: mod, modRevision: mod, version: 1 });
    assert.deepEqual(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
      [
        { key: 'b/1', value: 'x\ty', ...at(revision) },
        { key: 'b/2', value: 'z', ...at(revision + 1) },
        { key: 'b/3', valueBase64: '/wA=', ...at(revision + 2) },
      ],
    );
    await prints(['get', 'none/', '--prefix'], '');
    await prints(['del', 'b/', '--prefix'], '3 keys deleted\n');
  });

  test('more keys than one answer has are all printed, in their order', async () => {
    await using client = connectClient({ endpoints: `http://${server.endpoint}` });
    const keys = Array.from({ length: 1203 }, (_, at) => `c/${String(at).padStart(4, '0')}`);
    await Promise.all(keys.map((key) => client.put(key, '', { timeoutMs: 60_000 })));
    const { code, stdout } = await conclave('get', 'c/', '--prefix');
    // Not compared as a whole: a difference of thousands of lines tells nobody anything.
    const lines = stdout.split('\n').slice(0, -1);
    assert.deepEqual({ code, lines: lines.length }, { code: 0, lines: keys.length });
    assert.ok(lines.every((line, at) => line === `${keys[at]}\t`));
  });

  test('--if-revision changes only what nobody has changed since', async () => {
    const { revision } = await putJson('d/1', 'one', '--if-revision', '0');
    await refuses(['put', 'd/1', 'x', '--if-revision', '0'], 105, /d\/1 is there already/);
    await prints(
      ['put', 'd/1', 'two', '--if-revision', String(revision)],
      `d/1 is put, at revision ${revision + 1}\n`,
    );
    await refuses(
      ['put', 'd/1', 'x', '--if-revision', String(revision)],
      105,
      new RegExp(`last changed at revision ${revision + 1}, not at ${revision}: nothing was changed`),
    );
    await refuses(['del', 'd/1', '--if-revision', String(revision)], 105, /nothing was changed/);
    await prints(['get', 'd/1'], 'two\n');
    await prints(['del', 'd/1', '--if-revision', String(revision + 1)], '1 key deleted\n');
    await refuses(['put', 'd/1', 'x', '--if-revision', '7'], 105, /d\/1 is not there/);
  });

  test('a key hangs on the lease that is named, or on one of its own', async () => {
    const { lease } = await putJson('e/1', 'one', '--ttl', '10m');
    assert.match(lease ?? '', /^[0-9a-f]+$/);
    await putJson('e/2', 'two', '--lease', lease ?? '');
    const { stdout } = await conclave('get', 'e/2', '--json');
    assert.equal(JSON.parse(stdout).lease, lease);
    await refuses(['put', 'e/3', 'x', '--lease', '1234'], 1, /lease/);
    await refuses(['put', 'e/3', 'x', '--lease', 'no'], 100, /hexadecimal/);
    await refuses(['put', 'e/3', 'x', '--lease', '12', '--ttl', '1s'], 100, /contradict/);
    const { revision } = await putJson('e/4', 'short', '--ttl', '1s');
    // It may be gone before anybody watches: the deletion comes after the put in any case.
    await using watch = new Conclave(['watch', 'e/4', '--rev', String(revision)], {
      environment: environment(),
    });
    await watch.match('stdout', /^put\te\/4\tshort\ndelete\te\/4\n$/);
  });

  test('changes are printed as they come, and from a revision on', async () => {
    await using lines = new Conclave(['watch', 'f/', '--prefix'], { environment: environment() });
    await lines.match('stderr', /watching, at revision \d+/);
    const { revision } = await putJson('f/1', 'one');
    await conclave('del', 'f/1');
    await lines.match('stdout', /^put\tf\/1\tone\ndelete\tf\/1\n$/);
    await using json = new Conclave(['watch', 'f/1', '--json', '--rev', String(revision)], {
      environment: environment(),
    });
    await json.match('stdout', /\n.*\n/);
    assert.deepEqual(
      json.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
      [
        {
          type: 'put',
          key: 'f/1',
          value: 'one',
          createRevision: revision,
          modRevision: revision,
          version: 1,
        },
        { type: 'delete', key: 'f/1', modRevision: revision + 1 },
      ],
    );
    lines.process.kill('SIGINT');
    assert.equal(await lines.ended, 130);
  });

  test('what makes no sense is refused before anything is asked', async () => {
    await refuses(['get', ''], 100, /KEY is empty; with --prefix/);
    await refuses(['del', '', '--prefix'], 100, /KEY is empty/);
    await refuses(['del', 'x', '--prefix', '--if-revision', '3'], 100, /contradict/);
    await refuses(['get', 'x', '--rev', '-1'], 100, /--rev: '-1'/);
  });
});
