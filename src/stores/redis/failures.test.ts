import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { explained, ruleFor } from './failures.ts';

const where = {
  description: 'Redis at a:1',
  prefix: '{conclave}:',
  channel: '{conclave}:changes',
  database: '',
  tried: false,
};

function said(message: string, isTls: boolean | undefined, tried = false): string {
  const error = new Error(message);
  return explained('Cannot connect to Redis at a:1', error, 'not-applied', { ...where, isTls, tried })
    .message;
}

test('a port that speaks TLS, or does not, is told of where that may be why', () => {
  // By ioredis, by redis, and where what is there answers in plain text.
  for (const message of [
    'no connection (connect ETIMEDOUT)',
    'Connection timeout',
    'no connection (wrong version number)',
  ]) {
    assert.match(
      said(message, true),
      /Does that port speak TLS\? One that does not is written redis:\/\/\.$/,
    );
    assert.doesNotMatch(said(message, false), /TLS/);
    assert.doesNotMatch(said(message, undefined), /TLS/);
    assert.doesNotMatch(said(message, true, true), /TLS/);
  }
  assert.match(
    said('no connection (read ECONNRESET)', false),
    /want TLS\? Then it is written rediss:\/\/\.$/,
  );
  assert.match(said('no connection (self-signed certificate)', true), /NODE_EXTRA_CA_CERTS/);
});

test('a permission that is missing is named, with the rule that the page of Redis gives', async () => {
  for (const [message, lacking] of [
    ["NOPERM User worker has no permissions to run the 'evalsha' command", 'the command evalsha'],
    ["ACL failure in script: User worker has no permissions to run the 'zadd' command", 'the command zadd'],
    ['NOPERM No permissions to access a key', 'the keys {conclave}:*'],
    ['NOPERM No permissions to access a channel', 'the channel {conclave}:changes'],
  ] as const) {
    const text = said(message, false);
    assert(text.startsWith(`Redis at a:1: the user lacks a permission, for ${lacking}. Grant`), text);
    assert(text.endsWith(ruleFor(where)), text);
  }
  const page = await readFile(join(import.meta.dirname, '../../../docs/stores/redis.md'), 'utf8');
  const [, granted = ''] = /^ACL SETUSER worker on >\S+ (.*)$/m.exec(page) ?? [];
  const channels = (rule: string) => rule.replace('{conclave}:changes', '{conclave}:*');
  assert.equal(channels(ruleFor(where)), granted);
});
