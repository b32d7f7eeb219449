// What etcdctl offers to operators, against our server and against etcd.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { peer } from '../peers.ts';
import { Etcdctl } from './etcdctl.ts';
import { startConclave, startEtcd, type TestServer } from './servers.ts';

const etcdctl = peer('etcdctl');
const etcd = peer('etcd');

function suite(name: string, skip: string | undefined, start: () => Promise<TestServer>): void {
  describe(name, { skip: skip ?? false }, () => {
    let server: TestServer;
    let folder: string;
    const ctl = () => new Etcdctl(etcdctl.path ?? '', server.endpoint);
    const prints = async (args: string, expected: RegExp) => {
      const { stdout, stderr, code } = await ctl().run(args);
      assert.equal(code, 0, `etcdctl ${args}: ${stderr}`);
      assert.match(stdout, expected);
      return stdout;
    };
    const revision = async () => {
      const [status] = JSON.parse(await prints('endpoint status -w json', /revision/)) as [
        { Status: { header: { revision: number } } },
      ];
      return status.Status.header.revision;
    };

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'conclave-maintenance-'));
      server = await start();
    });
    after(async () => {
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });

    test('endpoint status has all of its columns', async () => {
      await prints('put a one', /^OK/);
      // Endpoint, id, version, size, leader, learner, term, index, applied index, errors.
      await prints(
        'endpoint status',
        /^[\d.:]+, [0-9a-f]+, 3\.\d+\.\d+, [\d.]+ [kMG]?B, true, false, \d+, \d+, \d+, \n$/,
      );
    });

    test('endpoint hashkv is the same for the same revision, whatever comes after, and refuses what is not there', async () => {
      await prints('put a one', /^OK/);
      const now = await revision();
      const first = await prints('endpoint hashkv', /^[\d.:]+, \d+\n$/);
      await prints('put b two', /^OK/);
      assert.equal(await prints(`endpoint hashkv --rev ${now}`, /\n$/), first);
      assert.notEqual(await prints('endpoint hashkv', /\n$/), first);
      const future = await ctl().run(`endpoint hashkv --rev ${now + 100}`);
      assert.match(future.stderr, /required revision is a future revision/);
      await prints(`compact ${now + 1}`, /^compacted revision/);
      const compacted = await ctl().run(`endpoint hashkv --rev ${now}`);
      assert.match(compacted.stderr, /required revision has been compacted/);
    });

    test('snapshot save makes a whole file, whose end is the SHA-256 of the rest', async () => {
      const path = join(folder, 'saved');
      const { code, stdout, stderr } = await ctl().run('snapshot save', path);
      assert.equal(code, 0, stderr);
      assert.equal(stdout, `Snapshot saved at ${path}\n`);
      const file = await readFile(path);
      assert.equal(file.length % 512, 32);
      const digest = createHash('sha256').update(file.subarray(0, -32)).digest();
      assert.deepEqual(file.subarray(-32), digest);
    });

    test('defrag, alarm list and alarm disarm', async () => {
      await prints('defrag', /^Finished defragmenting etcd member\[.*\]\n$/);
      await prints('alarm list', /^$/);
      await prints('alarm disarm', /^$/);
      await prints('get a', /^a\none\n$/);
    });
  });
}

suite('etcdctl for operators on conclave', etcdctl.missing, startConclave);
suite('etcdctl for operators on etcd', etcdctl.missing ?? etcd.missing, () => startEtcd(etcd.path ?? ''));
