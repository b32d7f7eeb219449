// The examples of docs/stores/etcd.md, as they stand there, against a real etcd.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Guide, guidePatience as patience } from '../guide.ts';
import type { Running } from '../packaging/project.ts';
import { peer } from '../peers.ts';
import { EtcdCluster } from './etcd-cluster.ts';

const etcd = peer('etcd');
const etcdctl = peer('etcdctl');

const guide = new Guide('../stores/etcd');

describe('the guide to stores', { skip: etcd.missing ?? etcdctl.missing ?? false }, () => {
  let cluster: EtcdCluster;

  before(async () => {
    cluster = await EtcdCluster.start(etcd.path ?? '', 1, ['--bcrypt-cost=4']);
    await guide.unpack((code) => code.replaceAll('127.0.0.1:2379', cluster.endpoints[0] ?? ''));
  }, patience);
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await guide[Symbol.asyncDispose]();
  });

  const start = (name: string, env: Readonly<Record<string, string>> = {}): Running =>
    guide.start(name, { env });
  const outputOf = (name: string, env: Readonly<Record<string, string>> = {}) =>
    guide.outputOf(name, { env });

  function tokenIn(output: string): number {
    return Number(/leading with token (\d+)/.exec(output)?.[1]);
  }

  test('its examples type-check strictly', patience, () => guide.typeCheck());

  test('report.ts: one leads, the other takes over when it stops', patience, async () => {
    await using first = start('report.ts');
    await first.wrote(/leading with token \d+/, /working/);
    await using second = start('report.ts');
    first.signal('SIGINT');
    assert.equal(await first.ended, 0, first.output);
    await second.wrote(/leading with token \d+/);
    assert(tokenIn(second.output) > tokenIn(first.output));
    second.signal('SIGINT');
    assert.equal(await second.ended, 0, second.output);
  });

  test('switch.ts: the transaction of the old leader is refused', patience, async () => {
    assert.equal(await outputOf('switch.ts'), 'the old leader was refused\n');
  });

  test('grant and login.ts: what is granted is enough, and without it nothing works', patience, async () => {
    const endpoint = { ETCDCTL_ENDPOINTS: cluster.endpoints.join(','), ETCDCTL_API: '3' };
    await outputOf('grant', endpoint);
    assert(tokenIn(await outputOf('login.ts', { ETCD_PASSWORD: 'worker-secret' })) > 0);
    await using refused = start('login.ts', { ETCD_PASSWORD: 'wrong' });
    assert.notEqual(await refused.ended, 0);
    assert.match(refused.output, /check user and password/);
  });

  test('no example is left out', () => guide.assertAllRun());
});
