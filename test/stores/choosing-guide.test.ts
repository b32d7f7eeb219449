// The table of docs/guides/choosing-a-store.md is what the stores declare, and its example runs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { kubernetesStore } from '../../src/stores/kubernetes.ts';
import { openStore } from '../../src/stores/urls.ts';
import { Guide, guidePatience as patience } from '../guide.ts';
import { TestCluster } from '../integration/cluster.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/guides/choosing-a-store.md'), 'utf8');
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: object };

const rows = page
  .split('\n')
  .filter((line) => /^\| .*`conclave\/\w+`/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()));

/** As short as a URL of it can be. */
const rest: Readonly<Record<string, string>> = {
  cassandra: 'a/keyspace?datacenter=d',
  postgres: 'a/b',
  mysql: 'a/b',
  mongodb: 'a/b',
};

/** In no cluster, and without a configuration of kubectl, the store cannot be made of a URL. */
async function open(scheme: string) {
  if (scheme !== 'kubernetes') return await openStore(`${scheme}://${rest[scheme] ?? 'a'}`);
  const { KubeConfig } = await import('@kubernetes/client-node');
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    { name: 'c', server: 'http://127.0.0.1:1', skipTLSVerify: false },
    { name: 'u' },
  );
  return kubernetesStore({ kubeConfig, namespace: 'default' });
}

test('the table names every store', () => {
  assert.deepEqual(
    rows.map(([, , path]) => path?.replace(/`/g, '')).sort(),
    [
      ...['cassandra', 'conclave', 'consul', 'dynamodb', 'etcd', 'kubernetes', 'mongodb', 'mysql', 'nats'],
      ...['postgres', 'redis', 's3', 'zookeeper'],
    ].map((name) => `conclave/${name}`),
  );
});

for (const [, name = '', path = '', url = '', consistency, smallest, waiting, survives, forgets] of rows) {
  test(`what is said of ${name.replace(/\[|\].*/g, '')} is what it declares`, async () => {
    assert(Object.hasOwn(exports, path.replace(/`/g, '').replace('conclave', '.')), `${path} is no export`);
    await using store = await open(url.replace(/`|:.*/g, ''));
    const { capabilities: declared } = store;
    assert.equal(consistency, declared.consistency);
    const ms = declared.minTtlMs;
    assert.equal(smallest, ms < 1000 ? `${ms} ms` : `${ms / 1000} s`);
    assert.equal(waiting, declared.watch === 'native' ? 'is told' : 'looks every second');
    assert.equal(survives, declared.tokenSurvivesDeletion ? 'yes' : 'no');
    assert.equal(forgets, declared.recordsExpire ? 'yes' : 'no');
    assert(declared.orderedWaiters && declared.handOff);
    assert.equal(declared.transactions, ['Conclave', '[etcd](../stores/etcd.md)'].includes(name));
  });
}

describe('the guide to choosing a store', () => {
  const guide = new Guide('choosing-a-store');
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.start(1);
    await guide.unpack();
  }, patience);
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await guide[Symbol.asyncDispose]();
  });

  test('its example type-checks strictly', patience, () => guide.typeCheck());

  test('its example leads on the store of that URL', patience, async () => {
    const url = (cluster.members[0]?.clientUrl ?? '').replace('http', 'conclave');
    assert.match(await guide.outputOf('choose.ts', { env: { ELECTIONS: url } }), /leading with token \d+/);
  });
});
