import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prefixEnd, toBytes } from '../../client/index.ts';
import { electionsRange, nameOfKey } from './keys.ts';
import { userTransaction } from './user-transactions.ts';

test('keys among which the elections lie are refused, whatever would be done with them', () => {
  const refused = (transaction: Parameters<typeof userTransaction>[1]) =>
    assert.throws(() => userTransaction('app/election', transaction), {
      code: 'invalid-argument',
      message: /where the store keeps its elections/,
    });
  for (const key of ['app/election/n/leader', toBytes('app/election/'), 'app/election/x']) {
    refused({ compare: [{ key, target: 'exists', value: true }] });
    refused({ success: [{ type: 'get', key }] });
    refused({ failure: [{ type: 'put', key, value: '' }] });
    refused({ success: [{ type: 'delete', key }] });
  }
  for (const prefix of ['a', 'app/', 'app/election', 'app/election/', 'app/election/n/']) {
    refused({ success: [{ type: 'delete', prefix }] });
    refused({ success: [{ type: 'get', prefix }] });
  }
});

test('keys beside the elections are taken as they are', () => {
  const beside = ['app/election', 'app/electionx', 'app/x', 'b'];
  const made = userTransaction('app/election', {
    success: beside.map((key) => ({ type: 'put', key, value: '' })),
    failure: [{ type: 'delete', prefix: 'app/electionx' }],
  });
  assert.equal(made.success?.length, 4);
  assert.deepEqual(made.failure?.[0]?.request, {
    $case: 'requestDeleteRange',
    value: { key: toBytes('app/electionx'), rangeEnd: prefixEnd(toBytes('app/electionx')) },
  });
});

test('the range of a prefix holds the keys of exactly the names that begin with it', () => {
  const within = (prefix: string, key: string) => {
    const range = electionsRange('app', prefix);
    return Buffer.compare(range.key, toBytes(key)) <= 0 && Buffer.compare(toBytes(key), range.rangeEnd) < 0;
  };
  assert(within('', 'app/a/leader'));
  assert(within('a/', 'app/a%2Fb/record'));
  assert(!within('a/', 'app/a/leader'));
  assert(within('ü', 'app/%C3%BCx/leader'));
  assert(!within('ü', 'app/%C3%BD/leader'));
  assert(!within('', 'apps/a/leader'));
});

test('the name of an election is read from its keys, and a foreign key has none', () => {
  assert.equal(nameOfKey('app', toBytes('app/a%2F%C3%BC/queue/00000000/1')), 'a/ü');
  for (const key of [
    'app/a',
    'app//leader',
    'app/a%2f/leader',
    'app/%zz/leader',
    'app/%FF/leader',
    'app/ü/leader',
  ])
    assert.equal(nameOfKey('app', toBytes(key)), undefined, key);
});
