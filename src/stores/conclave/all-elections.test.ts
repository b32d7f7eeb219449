import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBytes } from '../../client/index.ts';
import { Event, KeyValue } from '../../wire/index.ts';
import { ElectionsMirror } from './all-elections.ts';
import { encodeHolding } from './values.ts';

const holding = (holder: string) => encodeHolding({ holder, metadata: '' });

function entry(key: string, revision: number, value = holding('x')): KeyValue {
  return KeyValue.create({
    key: toBytes(key),
    value,
    createRevision: revision,
    modRevision: revision,
    version: 1,
    lease: 1n,
  });
}

const put = (key: string, revision: number) => Event.create({ type: 0, kv: entry(key, revision) });
const deleted = (key: string, revision: number) => Event.create({ type: 1, kv: entry(key, revision) });

test('what is read anew shows also those of which nothing is left, once', () => {
  const mirror = new ElectionsMirror('app');
  const first = mirror.replace([entry('app/a/leader', 3), entry('app/b/record', 4, toBytes('r'))], 5);
  assert.deepEqual([...first.keys()], ['a', 'b']);
  assert.equal(first.get('a')?.leader?.token, 3);
  const second = mirror.replace([entry('app/b/record', 4, toBytes('r'))], 9);
  assert.deepEqual([...second.keys()].sort(), ['a', 'b']);
  const { leader, waiting, record, version } = second.get('a') ?? {};
  assert.deepEqual([leader, waiting, record, version], [undefined, [], undefined, 9]);
  assert.deepEqual([...mirror.replace([], 10).keys()], ['b']);
  assert.equal(mirror.replace([], 11).size, 0);
});

test('a batch shows what it changed, with its revision as the version, and keys that are no election not at all', () => {
  const mirror = new ElectionsMirror('app');
  mirror.replace([entry('app/a/leader', 3), entry('app/b/leader', 4)], 5);
  const changed = mirror.apply({
    events: [put('app/c/leader', 6), deleted('app/a/leader', 6), put('app/odd', 6), put('app/b/other', 6)],
    revision: 6,
  });
  assert.deepEqual([...changed.keys()].sort(), ['a', 'c']);
  assert.deepEqual([changed.get('a')?.leader, changed.get('a')?.version], [undefined, 6]);
  assert.equal(changed.get('c')?.leader?.token, 6);
  assert.equal(mirror.of('a'), undefined, 'nothing is kept of an election of which nothing is left');
  assert.equal(mirror.of('b')?.state().leader?.token, 4);
  assert.equal(mirror.apply({ events: [], revision: 7 }).size, 0);
});
