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
    listenPeerEndpoints: [{ url: 'http://127.0.0.1:2380', host: '127.0.0.1', port: 2380, secure: false }],
    listenClientEndpoints: [{ url: 'http://127.0.0.1:2379', host: '127.0.0.1', port: 2379, secure: false }],
    advertisePeerUrls: ['http://127.0.0.1:2380'],
    advertiseClientUrls: ['http://127.0.0.1:2379'],
    initialCluster: [{ name: 'default', peerUrls: ['http://127.0.0.1:2380'] }],
    initialClusterState: 'new',
    initialClusterToken: 'conclave-cluster',
    heartbeatIntervalMs: undefined,
    electionTimeoutMs: undefined,
    snapshotCount: 100_000,
    storage: {
      quotaBytes: 0,
      autoCompaction: undefined,
      maxTxnOperations: 128,
      maxRequestBytes: 1_572_864,
      watchProgressIntervalMs: 600_000,
    },
    corruption: { everyMs: 0, atStart: false },
    auth: {},
    logLevel: 'info',
    clientTls: undefined,
    peerTls: undefined,
    corsOrigins: [],
    connections: {
      frontEnds: 0,
      ...{ maxConnections: 10_000, maxConcurrentStreams: 10_000, maxResetsPerSecond: 100 },
      ...{ maxIncompleteBytes: 2 ** 28, maxUnreadBytes: 2 ** 28 },
      ...{ keepAliveIntervalMs: 7_200_000, keepAliveTimeoutMs: 20_000, keepAliveMinTimeMs: 5000 },
    },
    listenMetricsEndpoints: [],
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
  assert.match(
    refusal({ 'listen-peer-urls': 'http://127.0.0.1:1,http://localhost:1' }),
    /stands there twice/,
  );
});

test('TLS is what https:// and the files ask for together', () => {
  const files = { 'cert-file': 'tls/member.pem', 'key-file': '/etc/member-key.pem' };
  const urls = {
    'listen-client-urls': 'https://10.0.0.1:2379',
    'advertise-client-urls': 'https://10.0.0.1:2379',
  };
  assert.match(refusal(urls), /https:\/\/10\.0\.0\.1:2379 asks for TLS: give --cert-file and --key-file/);
  assert.match(refusal({ ...urls, 'key-file': 'x' }), /asks for TLS/);
  assert.match(refusal({ 'trusted-ca-file': 'x' }), /--trusted-ca-file does nothing without/);
  assert.match(refusal({ 'client-cert-auth': 'true' }), /--client-cert-auth does nothing without/);
  resolve({ 'client-cert-auth': 'false', 'peer-client-cert-auth': 'false' });
  assert.match(refusal({ ...files, 'client-cert-auth': 'true' }), /give --trusted-ca-file/);
  assert.match(refusal({ ...files, 'client-cert-auth': 'yes' }), /neither true nor false/);
  assert.match(refusal({ ...files, 'client-cert-allowed-cn': 'x' }), /need --trusted-ca-file/);
  assert.match(refusal({ ...files, 'client-crl-file': 'x' }), /--client-crl-file needs --trusted-ca-file/);
  assert.match(
    refusal({ 'initial-cluster': 'default=http://127.0.0.1:2380,b=https://h:2' }),
    /h:2 asks for TLS: give --peer-cert/,
  );
  const options = resolve({
    ...{ ...files, ...urls, 'trusted-ca-file': 'ca.pem', 'client-cert-allowed-cn': 'app,root' },
    'cipher-suites':
      'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305',
  });
  assert.deepEqual(options.clientTls, {
    certificateFile: '/srv/tls/member.pem',
    keyFile: '/etc/member-key.pem',
    authorityFile: '/srv/ca.pem',
    requireCertificate: true,
    usersByCommonName: false,
    allowedCommonNames: ['app', 'root'],
    cipherSuites: 'ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-CHACHA20-POLY1305',
    minVersion: 'TLSv1.2',
  });
  assert.deepEqual(options.warnings, []);
  const lists = resolve({
    ...{ ...files, ...urls, 'trusted-ca-file': 'ca.pem', 'client-crl-file': 'clients.crl' },
    ...{ 'peer-cert-file': 'm.pem', 'peer-key-file': 'k.pem', 'peer-trusted-ca-file': 'ca.pem' },
    'peer-crl-file': 'peers.crl',
  });
  assert.equal(lists.clientTls?.revocationFile, '/srv/clients.crl');
  assert.equal(lists.peerTls?.revocationFile, '/srv/peers.crl');
  const asked = resolve({ ...files, ...urls, 'trusted-ca-file': 'ca.pem', 'client-cert-auth': 'true' });
  assert.equal(asked.clientTls?.usersByCommonName, true);
  const open = resolve({ ...files, ...urls });
  assert.match(open.warnings[0] ?? '', /encrypted, but WITHOUT AUTHENTICATION/);
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
  assert.match(refusal({ 'max-connections': '0' }), /^--max-connections/);
  assert.match(refusal({ 'grpc-keepalive-interval': '5' }), /not a duration/);
  assert.match(refusal({ name: 'a=b' }), /is not a member's name/);
  assert.match(refusal({ name: '' }), /is not a member's name/);
});
