// The same HTTP requests to etcd's JSON gateway and to ours: status, type and body are compared, every path of the
// gateway at least once. What differs on purpose is not asked here: versions, sizes, the words for text that is no
// JSON at all, CORS (see docs/reference/etcd-compatibility.md).
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gatewayPaths } from '../../src/api/http/gateway-paths.ts';
import { peer } from '../peers.ts';
import { startConclave, startEtcd, type TestServer } from './servers.ts';

const etcd = peer('etcd');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

interface Ask {
  readonly path: string;
  readonly body?: unknown;
  /** Default POST. */
  readonly method?: string;
  /** So many lines of a stream are read, then it is cut. */
  readonly lines?: number;
  /** Fields whose values are each server's own. */
  readonly own?: readonly string[];
}

/** One after the other against the same store. `$NAME` in a body is what an earlier answer gave. */
const asks: readonly Ask[] = [
  { path: '/v3/kv/range', body: {} },
  { path: '/v3/kv/range', body: '' },
  { path: '/v3/kv/range', body: '[]' },
  { path: '/v3/kv/range', body: '{"key":' },
  { path: '/v3/kv/range', body: { key: 1 } },
  { path: '/v3/kv/range', body: { key: '!!' } },
  { path: '/v3/kv/range', body: { key: 'YQ==', limit: 1.5 } },
  { path: '/v3/kv/range', body: { key: 'YQ==', limit: true } },
  { path: '/v3/kv/range', body: { key: 'YQ==', sort_order: 'NOPE' } },
  { path: '/v3/kv/range', body: { key: 'YQ==', serializable: 'true' } },
  { path: '/v3/kv/range', body: { key: null, unheard: [1, { of: 2 }] } },
  { path: '/v3/kv/range', body: '{"key":"YQ=="} and more' },
  { path: '/v3/kv/range', method: 'GET' },
  { path: '/v3/kv/range', method: 'PUT', body: {} },
  { path: '/v3/kv/range/', body: {} },
  { path: '/v3/nothing', body: {} },
  { path: '/nothing', method: 'GET' },
  { path: '/version', method: 'POST', body: {} },
  { path: '/health', method: 'DELETE' },
  { path: '/v3/kv/put', body: { key: base64('a'), value: base64('1') } },
  { path: '/v3beta/kv/put', body: { key: base64('b'), value: base64('2'), prevKv: true } },
  { path: '/v3/kv/put', body: { key: base64('b'), value: base64('3'), prev_kv: true } },
  { path: '/v3/kv/put', body: { key: base64('c'), value: 'A'.repeat(2 * 1024 * 1024), lease: 0 } },
  { path: '/v3/kv/range', body: { key: base64('a'), range_end: base64('z'), sort_order: 'DESCEND' } },
  { path: '/v3/kv/range', body: { key: base64('a'), range_end: base64('z'), sort_order: 99, limit: '1' } },
  { path: '/v3/kv/range', body: { key: base64('a'), rangeEnd: base64('z'), countOnly: true } },
  { path: '/v3/kv/range', body: { key: base64('a'), revision: 99 } },
  { path: '/v3/kv/deleterange', body: { key: base64('a'), prev_kv: true } },
  {
    path: '/v3/kv/txn',
    body: {
      compare: [{ key: base64('b'), result: 'EQUAL', target: 'VALUE', value: base64('3') }],
      success: [
        { request_range: { key: base64('b') } },
        { request_put: { key: base64('t'), value: base64('x') } },
        { request_delete_range: { key: base64('nothing') } },
        { request_txn: { success: [{ requestRange: { key: base64('t') } }] } },
      ],
    },
  },
  {
    path: '/v3/kv/txn',
    body: {
      compare: [{ key: base64('b'), target: 'VERSION', result: 'GREATER', version: '7' }],
      failure: [],
    },
  },
  { path: '/v3/kv/txn', body: { compare: [{ TargetUnion: null }] } },
  { path: '/v3/kv/txn', body: { success: [{ Request: { RequestPut: {} } }] } },
  { path: '/v3/kv/compaction', body: { revision: 3 } },
  { path: '/v3/kv/compaction', body: { revision: '2' } },
  { path: '/v3/lease/grant', body: { TTL: '60', ID: '77' } },
  { path: '/v3/lease/grant', body: { TTL: 60, ID: 77 } },
  { path: '/v3/lease/grant', body: { TTL: 60 }, own: ['ID'] },
  { path: '/v3/kv/put', body: { key: base64('leased'), value: '', lease: '77' } },
  { path: '/v3/lease/keepalive', body: { ID: 77 } },
  { path: '/v3/lease/keepalive', body: '{"ID":77}{"ID":"77"}\n{"ID":99}' },
  { path: '/v3/lease/keepalive', body: '' },
  { path: '/v3/lease/keepalive', body: { ID: true } },
  { path: '/v3/lease/keepalive', body: '{"ID":77} {"ID":true}' },
  { path: '/v3/lease/timetolive', body: { ID: 77, keys: true }, own: ['TTL'] },
  { path: '/v3/kv/lease/timetolive', body: { ID: 99 } },
  { path: '/v3/lease/leases', body: {}, own: ['ID'] },
  { path: '/v3/kv/lease/leases', body: {}, own: ['ID'] },
  {
    path: '/v3/watch',
    body: { create_request: { key: base64('a'), range_end: base64('z'), start_revision: 4 } },
    lines: 2,
  },
  { path: '/v3/watch', body: { create_request: { key: base64('a'), start_revision: 1 } }, lines: 2 },
  { path: '/v3/watch', body: { create_request: { key: base64('c'), range_end: base64('b') } }, lines: 1 },
  { path: '/v3/watch', body: '{"create_request":{"key":"YQ=="}}{"create_request":{"key":"YQ=="}}', lines: 2 },
  { path: '/v3/watch', body: { create_request: { key: 1 } } },
  { path: '/v3/lease/revoke', body: { ID: 77 } },
  { path: '/v3/kv/lease/revoke', body: { ID: 77 } },
  { path: '/v3/cluster/member/list', body: {} },
  { path: '/v3/cluster/member/add', body: { peerURLs: ['nonsense'] } },
  { path: '/v3/cluster/member/update', body: { ID: 1, peerURLs: ['http://127.0.0.1:1'] } },
  { path: '/v3/cluster/member/promote', body: { ID: 1 } },
  { path: '/v3/cluster/member/remove', body: { ID: 1 } },
  {
    path: '/v3/maintenance/status',
    body: {},
    own: [
      'version',
      'dbSize',
      'dbSizeInUse',
      'dbSizeQuota',
      'raftIndex',
      'raftAppliedIndex',
      'raftTerm',
      'leader',
    ],
  },
  // etcd 3.4 gives no header here, 3.5 does.
  { path: '/v3/maintenance/alarm', body: { action: 'GET' }, own: ['header'] },
  { path: '/v3/maintenance/hash', body: {}, own: ['hash'] },
  { path: '/v3/maintenance/defragment', body: {} },
  { path: '/v3/maintenance/transfer-leadership', body: { targetID: 1 } },
  { path: '/v3/maintenance/snapshot', body: {}, lines: 1, own: ['result'] },
  { path: '/v3/election/leader', body: { name: base64('e') } },
  { path: '/v3/election/campaign', body: { name: base64('e'), lease: '99', value: '' } },
  { path: '/v3/lease/grant', body: { TTL: 60, ID: 78 } },
  { path: '/v3/election/campaign', body: { name: base64('e'), lease: '78', value: base64('me') } },
  { path: '/v3/election/leader', body: { name: base64('e') } },
  { path: '/v3/election/observe', body: { name: base64('e') }, lines: 1 },
  { path: '/v3/election/proclaim', body: { value: base64('you') } },
  { path: '/v3/election/resign', body: {} },
  { path: '/v3/lock/lock', body: { name: base64('l'), lease: 78 } },
  { path: '/v3/lock/unlock', body: { key: base64('l/4e') } },
  { path: '/v3/auth/user/add', body: { name: 'someone', password: 'secret' } },
  { path: '/v3/auth/user/add', body: { name: 'someone', password: 'secret' } },
  { path: '/v3/auth/user/changepw', body: { name: 'someone', password: 'other' } },
  { path: '/v3/auth/user/list', body: {} },
  { path: '/v3/auth/role/add', body: { name: 'reader' } },
  { path: '/v3/auth/role/grant', body: { name: 'reader', perm: { permType: 'READ', key: base64('a') } } },
  { path: '/v3/auth/role/get', body: { role: 'reader' } },
  { path: '/v3/auth/role/list', body: {} },
  { path: '/v3/auth/user/grant', body: { user: 'someone', role: 'reader' } },
  { path: '/v3/auth/user/get', body: { name: 'someone' } },
  { path: '/v3/auth/user/revoke', body: { name: 'someone', role: 'reader' } },
  { path: '/v3/auth/role/revoke', body: { role: 'reader', key: base64('a') } },
  { path: '/v3/auth/role/delete', body: { role: 'reader' } },
  { path: '/v3/auth/user/delete', body: { name: 'someone' } },
  { path: '/v3/auth/authenticate', body: { name: 'x', password: 'y' } },
  { path: '/v3/auth/enable', body: {} },
  { path: '/v3/auth/disable', body: {} },
];

/** Later than 3.4, so only ours has them here. */
const newerPaths = ['auth/status', 'maintenance/downgrade', 'maintenance/hashkv'];

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly body: unknown;
}

async function send(server: TestServer, ask: Ask): Promise<Answer> {
  const { path, body, lines } = ask;
  const method = ask.method ?? 'POST';
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const cut = new AbortController();
  const response = await fetch(`http://${server.endpoint}${path}`, {
    method,
    signal: cut.signal,
    ...(method !== 'GET' && text !== undefined && { body: text }),
  });
  const received = lines === undefined ? await response.text() : await firstLines(response, lines);
  cut.abort();
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    body: readable(received, ask),
  };
}

async function firstLines(response: Response, count: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const lines = text.split('\n');
    if (lines.length > count) return lines.slice(0, count).join('\n');
  }
  return text;
}

/** Each line as the JSON that it is, in the order of its keys, with what is the server's own left out. */
function readable(text: string, ask: Ask): unknown {
  const own = new Set([...(ask.own ?? []), 'cluster_id', 'member_id', 'raft_term']);
  if (ask.path.includes('/cluster/')) for (const name of ['ID', 'peerURLs', 'clientURLs']) own.add(name);
  return text.split('\n').map((line) => {
    try {
      return JSON.stringify(JSON.parse(line), (name, value: unknown) => (own.has(name) ? undefined : value));
    } catch {
      return line;
    }
  });
}

const notOffered = (answer: Answer): boolean => answer.status === 501;

describe('the JSON gateway beside etcd’s', { skip: etcd.missing ?? false, timeout: 120_000 }, () => {
  let theirs: TestServer;
  let ours: TestServer;
  before(async () => {
    [theirs, ours] = await Promise.all([startEtcd(etcd.path ?? ''), startConclave()]);
  });
  after(async () => {
    await Promise.all([theirs[Symbol.asyncDispose](), ours[Symbol.asyncDispose]()]);
  });

  for (const [number, ask] of asks.entries()) {
    const body = typeof ask.body === 'string' ? ask.body : JSON.stringify(ask.body ?? null);
    test(`${number} ${ask.method ?? 'POST'} ${ask.path} ${body.slice(0, 100)}`, async (context) => {
      const [wanted, answer] = await Promise.all([send(theirs, ask), send(ours, ask)]);
      if (notOffered(answer)) context.skip('not offered by this version');
      else assert.deepEqual(answer, wanted);
    });
  }

  test('every path is asked', () => {
    const asked = new Set(asks.map(({ path }) => path));
    const forgotten = [...gatewayPaths.keys()].filter(
      (path) => path.startsWith('/v3/') && !asked.has(path) && !newerPaths.includes(path.replace('/v3/', '')),
    );
    assert.deepEqual(forgotten, []);
  });
});
