import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandFailure } from '../failure.ts';
import { resolveOptions } from './options.ts';
import { collectSettings } from './settings.ts';

function resolve(flags: Record<string, string>) {
  return resolveOptions(collectSettings({ flags, environment: {}, file: undefined }), '/srv');
}

function refusal(flags: Record<string, string>): string {
  try {
    resolve(flags);
  } catch (error) {
    assert.ok(error instanceof CommandFailure && error.reason === 'usage');
    return error.message;
  }
  assert.fail('accepted');
}

const three = 'm1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380,m3=http://10.0.0.3:2380';

test('with no flag at all it is a one-member cluster on 127.0.0.1:2379 and 2380', () => {
  assert.deepEqual(resolve({}), {
    name: 'default',
    dataDir: '/srv/default.conclave',
    listenPeerEndpoints: [{ url: 'http://127.0.0.1:2380', host: '127.0.0.1', port: 2380 }],
    listenClientEndpoints: [{ url: 'http://127.0.0.1:2379', host: '127.0.0.1', port: 2379 }],
    advertisePeerUrls: ['http://127.0.0.1:2380'],
    advertiseClientUrls: ['http://127.0.0.1:2379'],
    initialCluster: [{ name: 'default', peerUrls: ['http://127.0.0.1:2380'] }],
    initialClusterState: 'new',
    initialClusterToken: 'conclave-cluster',
    heartbeatIntervalMs: undefined,
    electionTimeoutMs: undefined,
    snapshotCount: 100_000,
    logLevel: 'info',
    warnings: [],
  });
});

test("etcd's command line for one of three members is taken as it is", () => {
  const options = resolve({
    name: 'm2',
    'data-dir': 'data',
    'initial-advertise-peer-urls': 'http://10.0.0.2:2380',
    'listen-peer-urls': 'http://10.0.0.2:2380',
    'listen-client-urls': 'http://10.0.0.2:2379,http://127.0.0.1:2379',
    'advertise-client-urls': 'http://10.0.0.2:2379',
    'initial-cluster-token': 'etcd-cluster-1',
    'initial-cluster': three,
    'initial-cluster-state': 'new',
    'election-timeout': '1000',
    'heartbeat-interval': '100',
  });
  assert.equal(options.dataDir, '/srv/data');
  assert.deepEqual(
    options.initialCluster.map((member) => member.name),
    ['m1', 'm2', 'm3'],
  );
  assert.equal(options.electionTimeoutMs, 1000);
  assert.equal(options.warnings.length, 2);
  assert.match(options.warnings[0] ?? '', /WITHOUT ENCRYPTION OR AUTHENTICATION/);
});

test('a member may have several peer URLs under one name', () => {
  const { initialCluster } = resolve({
    name: 'a',
    'listen-peer-urls': 'http://127.0.0.1:1,http://127.0.0.1:2',
    'initial-cluster': 'b=http://127.0.0.1:9,a=http://127.0.0.1:2,a=http://localhost:1',
  });
  assert.deepEqual(initialCluster[1], { name: 'a', peerUrls: ['http://127.0.0.1:2', 'http://localhost:1'] });
});

test('a name that is missing from --initial-cluster is refused', () => {
  const text = refusal({ name: 'm4', 'initial-cluster': three });
  assert.match(text, /^--name: 'm4' is not in --initial-cluster, which has m1, m2, m3\./);
});

test('the own entry of --initial-cluster must be what is advertised', () => {
  const text = refusal({ name: 'm1', 'initial-cluster': three, 'listen-peer-urls': 'http://10.0.0.9:2380' });
  assert.match(
    text,
    /--initial-advertise-peer-urls is http:\/\/10\.0\.0\.9:2380, but --initial-cluster has m1=/,
  );
});

test('members that stand twice, or are malformed, are refused', () => {
  assert.match(refusal({ name: 'a', 'initial-cluster': 'a=http://h:1,b=http://h:1' }), /twice, for a and b/);
  assert.match(refusal({ name: 'a', 'initial-cluster': 'http://h:1' }), /Write each member as NAME=URL/);
  assert.match(refusal({ name: 'a', 'initial-cluster': 'a=https://h:1' }), /TLS/);
  assert.match(
    refusal({ 'listen-peer-urls': 'http://127.0.0.1:1,http://localhost:1' }),
    /stands there twice/,
  );
});

test('listening on all interfaces needs an address to tell others', () => {
  assert.match(refusal({ 'listen-client-urls': 'http://0.0.0.0:2379' }), /give --advertise-client-urls/);
  assert.match(
    refusal({ 'listen-peer-urls': 'http://10.0.0.1:1', 'initial-advertise-peer-urls': 'http://0.0.0.0:1' }),
    /nobody can connect/,
  );
});

test('numbers, words and names out of range are refused with the flag', () => {
  assert.match(refusal({ 'heartbeat-interval': '0' }), /^--heartbeat-interval: '0' is not a whole number/);
  assert.match(refusal({ 'election-timeout': '1s' }), /^--election-timeout/);
  assert.match(refusal({ 'election-timeout': '400', 'heartbeat-interval': '100' }), /five heartbeats/);
  assert.match(refusal({ 'log-level': 'loud' }), /'loud' is none of debug, info/);
  assert.match(refusal({ 'initial-cluster-state': 'old' }), /none of new, existing/);
  assert.match(refusal({ name: 'a=b' }), /is not a member's name/);
  assert.match(refusal({ name: '' }), /is not a member's name/);
});
