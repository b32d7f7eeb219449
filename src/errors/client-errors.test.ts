import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { withoutCommand } from './client-errors.ts';

const command = { name: 'auth', args: ['worker', 'secret'] };
const refused = Object.assign(new Error('WRONGPASS'), { name: 'ReplyError', command });

test('what a command was sent with is not kept, however deep', () => {
  const errors = [
    refused,
    new Error('no connection', { cause: refused }),
    Object.assign(new Error('all failed'), { lastNodeError: refused }),
  ];
  for (const error of errors) {
    const bare = withoutCommand(error);
    assert(bare instanceof Error);
    assert.deepEqual([bare.message, bare.stack], [error.message, error.stack]);
    assert.doesNotMatch(inspect(bare, { depth: 9, showHidden: true }), /secret/);
  }
  assert.equal((withoutCommand(refused) as Error).name, 'ReplyError');
  assert.equal(refused.command, command);
});

test('any other error stays what it is', () => {
  for (const error of [new Error('x', { cause: new AggregateError([]) }), 'text', undefined])
    assert.equal(withoutCommand(error), error);
});
