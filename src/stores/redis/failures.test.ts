import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explained } from './failures.ts';

const where = { prefix: '{conclave}:', channel: '{conclave}:changes', database: '', tried: false };

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
