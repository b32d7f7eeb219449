import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
/** As it stands in a test's own quotes. */
const plain = (source: string) => source.replaceAll(/\\(['"`])/g, '$1');

test('every trap of a store names a test that is there', () => {
  const rows = [
    ...read('docs/internals/store-traps.md').matchAll(/^\| (.+?) \| (.+?) \| (.+?) \| (`.+`) \|$/gm),
  ];
  assert(rows.length > 50, `${rows.length} rows`);
  for (const [, , , title = '', where = ''] of rows) {
    const files = [...where.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path);
    assert(files.length > 0, title);
    for (const file of files) assert(plain(read(file)).includes(title), `${file} has no test "${title}"`);
  }
});

test('every store has traps', () => {
  const stores = read('docs/internals/store-traps.md').matchAll(/^\| ([A-Z][\w, ]+|etcd) \|/gm);
  const named = new Set([...stores].flatMap(([, names = '']) => names.split(', ')));
  const all = 'Cassandra Consul DynamoDB Kubernetes MongoDB MySQL NATS PostgreSQL Redis S3 ZooKeeper etcd';
  assert.deepEqual([...named].sort(), all.split(' '));
});
