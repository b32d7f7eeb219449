// The JSON gateway while auth is enabled: the same requests to etcd's and to ours, status and body compared.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { peer } from '../../peers.ts';
import { startConclave, startEtcd, type TestServer } from '../servers.ts';

const etcd = peer('etcd');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** `as`: whose token goes with it. */
const asks: readonly { readonly path: string; readonly body?: unknown; readonly as?: string }[] = [
  { path: 'auth/user/add', body: { name: 'root', password: 'secret' } },
  { path: 'auth/user/grant', body: { user: 'root', role: 'root' } },
  { path: 'auth/user/add', body: { name: 'ann', password: 'pw' } },
  { path: 'auth/role/add', body: { name: 'hers' } },
  {
    path: 'auth/role/grant',
    body: { name: 'hers', perm: { permType: 'READWRITE', key: base64('a'), range_end: base64('b') } },
  },
  { path: 'auth/user/grant', body: { user: 'ann', role: 'hers' } },
  { path: 'auth/role/get', body: { role: 'hers' } },
  { path: 'auth/enable', body: {} },
  { path: 'auth/authenticate', body: { name: 'ann', password: 'wrong' } },
  { path: 'auth/authenticate', body: { name: 'ann', password: 'pw' } },
  { path: 'kv/put', body: { key: base64('a'), value: base64('1') } },
  { path: 'kv/put', body: { key: base64('a'), value: base64('1') }, as: 'forger' },
  { path: 'kv/put', body: { key: base64('a'), value: base64('1') }, as: 'ann' },
  { path: 'kv/put', body: { key: base64('b'), value: base64('1') }, as: 'ann' },
  { path: 'kv/range', body: { key: base64('a'), range_end: base64('c') }, as: 'ann' },
  { path: 'kv/range', body: { key: base64('a') }, as: 'ann' },
  { path: 'kv/range', body: { key: base64('a') } },
  { path: 'kv/deleterange', body: { key: base64('c') }, as: 'ann' },
  {
    path: 'kv/txn',
    body: { success: [{ request_put: { key: base64('b') } }] },
    as: 'ann',
  },
  { path: 'auth/user/list', body: {}, as: 'ann' },
  { path: 'auth/user/get', body: { name: 'ann' }, as: 'ann' },
  { path: 'auth/disable', body: {}, as: 'ann' },
];

async function converse(server: TestServer): Promise<string[]> {
  const tokens = new Map([['forger', 'forged.1']]);
  const told: string[] = [];
  for (const { path, body, as } of asks) {
    const token = as === undefined ? undefined : tokens.get(as);
    const response = await fetch(`http://${server.endpoint}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: token === undefined ? {} : { authorization: token },
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (typeof answer.token === 'string') {
      tokens.set((body as { name: string }).name, answer.token);
      answer.token = 'a token';
    }
    delete answer.header;
    told.push(`${path} as ${as ?? 'nobody'}: ${response.status} ${JSON.stringify(answer)}`);
  }
  return told;
}

test('the gateway asks who calls as etcd does', {
  skip: etcd.missing ?? false,
  timeout: 120_000,
}, async () => {
  const options = { quick: true, cheapPasswords: true };
  await using theirs = await startEtcd(etcd.path ?? '', options);
  await using ours = await startConclave(options);
  assert.deepEqual(await converse(ours), await converse(theirs));
});
