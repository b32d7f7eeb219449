// docs/guides/moving-from-etcd.md, word for word, with etcd and etcdctl from Debian.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectClient } from '../../src/client/index.ts';
import { Guide } from '../guide.ts';
import { putConclaveOnPath } from '../integration/conclave-on-path.ts';
import { peer } from '../peers.ts';
import { freePorts } from '../ports.ts';
import { Etcdctl } from './etcdctl.ts';
import { startEtcd } from './servers.ts';

const etcdctl = peer('etcdctl');
const etcd = peer('etcd');

test('keys are copied from etcd while it is written to, and revisions begin above its own', {
  skip: etcdctl.missing ?? etcd.missing ?? false,
  timeout: 120_000,
}, async () => {
  await using old = await startEtcd(etcd.path ?? '');
  await using guide = new Guide('moving-from-etcd');
  const [clientPort, peerPort] = await freePorts(2);
  await guide.unpack((code) =>
    code
      .replaceAll('http://127.0.0.1:2379', `http://${old.endpoint}`)
      .replaceAll('127.0.0.1:12379', `127.0.0.1:${clientPort}`)
      .replaceAll('127.0.0.1:12380', `127.0.0.1:${peerPort}`),
  );
  const env = { PATH: await putConclaveOnPath(guide.folder) };
  const ctl = new Etcdctl(etcdctl.path ?? '', old.endpoint);
  for (let number = 0; number < 20; number++) await ctl.run(`put config/${number} before-${number}`);
  await guide.outputOf('raise', { env });
  await using member = guide.start('start', { env });
  await member.wrote(/ready to serve client requests/);
  await using client = connectClient({ endpoints: [`http://127.0.0.1:${clientPort}`] });
  await using mirror = guide.start('mirror', { env });
  const copied = async (key: string, value: string) => {
    while (Buffer.from((await client.get(key))?.value ?? []).toString() !== value) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await copied('config/19', 'before-19');
  await ctl.run('put config/7 after');
  await ctl.run('del config/3');
  await ctl.run('put config/last one');
  await copied('config/last', 'one');
  mirror.signal('SIGKILL');
  assert.match(await guide.outputOf('compare', { env }), /^alike$/m);
  assert.ok(((await client.get('config/7'))?.modRevision ?? 0) > 2 ** 32);
  guide.assertAllRun();
});
