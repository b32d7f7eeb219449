import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MemberOptions, parseUrl, setUp } from './options.ts';

function options(changes: Partial<MemberOptions> = {}): MemberOptions {
  return {
    name: 'a',
    dataDir: '/nowhere',
    peerListenUrls: ['http://127.0.0.1:2380'],
    clientAdvertiseUrls: ['http://127.0.0.1:2379'],
    initialCluster: [
      { name: 'a', peerUrls: ['http://127.0.0.1:2380'] },
      { name: 'b', peerUrls: ['http://127.0.0.1:3380'] },
    ],
    ...changes,
  };
}

test('members derive the same ids, whatever the order in which the cluster is written', () => {
  const first = setUp(options());
  const reversed = setUp(options({ name: 'b', initialCluster: [...options().initialCluster].reverse() }));
  assert.equal(first.clusterId, reversed.clusterId);
  assert.deepEqual(
    first.members.map((member) => member.memberId),
    reversed.members.map((member) => member.memberId),
  );
  assert.notEqual(first.memberId, reversed.memberId);
});

test('another token makes another cluster of the same URLs', () => {
  assert.notEqual(setUp(options()).clusterId, setUp(options({ initialClusterToken: 'other' })).clusterId);
});

test('a cluster that cannot be right is refused with the reason', () => {
  assert.throws(() => setUp(options({ name: 'c' })), /c is missing from the initial cluster \(a, b\)/);
  assert.throws(() => setUp(options({ name: '' })), /needs a name/);
  const twice = { name: 'a', peerUrls: ['http://127.0.0.1:9'] };
  assert.throws(
    () => setUp(options({ initialCluster: [...options().initialCluster, twice] })),
    /name a stands twice/,
  );
  const sameUrl = { name: 'c', peerUrls: ['http://127.0.0.1:2380'] };
  assert.throws(
    () => setUp(options({ initialCluster: [...options().initialCluster, sameUrl] })),
    /stands twice/,
  );
  assert.throws(() => setUp(options({ heartbeatIntervalMs: 0 })), /between 5 and 10000/);
  assert.throws(() => setUp(options({ snapshotCount: Number.NaN })), /snapshotCount/);
  const text = '100' as unknown as number;
  assert.throws(() => setUp(options({ heartbeatIntervalMs: text })), /heartbeatIntervalMs is "100"/);
  assert.throws(() => setUp(options({ logSegmentBytes: 100 })), /logSegmentBytes is 100.* between 4096/);
  assert.throws(() => setUp(options({ logSegmentBytes: 5000.5 })), /must be a whole number/);
});

test('a URL is http or https with host and port, and nothing more', () => {
  assert.deepEqual(parseUrl('http://127.0.0.1:2380', 'The URL'), { host: '127.0.0.1', port: 2380 });
  assert.deepEqual(parseUrl('http://[::1]:2380', 'The URL'), { host: '::1', port: 2380 });
  assert.deepEqual(parseUrl('https://a:1', 'The URL'), { host: 'a', port: 1, secure: true });
  for (const bad of [
    '',
    '127.0.0.1:2380',
    'http://a:99999',
    'http://a:1/path',
    'http://u:p@a:1',
    'ftp://a:1',
  ]) {
    assert.throws(() => parseUrl(bad, 'The URL'), { code: 'invalid-argument' }, bad);
  }
});
