import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain } from './failures.ts';
import { classify as ofMysql } from './mysql-errors.ts';
import { classify as ofPostgres } from './postgres-errors.ts';

const of = (code: string, more: object = {}) => Object.assign(new Error('x'), { code, ...more });

test('a certificate that is not trusted is told of with what to do', () => {
  for (const code of ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'SELF_SIGNED_CERT_IN_CHAIN', 'CERT_HAS_EXPIRED']) {
    assert.equal(ofPostgres(of(code)), 'certificate');
    assert.equal(ofMysql(of(code)), 'certificate');
  }
  assert.equal(ofPostgres(of('ERR_TLS_CERT_ALTNAME_INVALID')), 'certificate');
  assert.equal(ofMysql(of('HANDSHAKE_SSL_ERROR', { fatal: true })), 'certificate');
  const service = {
    description: 'PostgreSQL at db',
    table: 't',
    migration: 'm',
    grant: 'g',
    passwordIn: 'p',
  };
  const cause = new Error('self-signed certificate');
  const { code, retryable, message } = explain(service, 'Connecting', 'certificate', cause);
  assert.deepEqual([code, retryable], ['unavailable', true]);
  assert.match(message, /NODE_EXTRA_CA_CERTS.*\(self-signed certificate\)/);
});

test('a server without TLS could not be reached by it; a URL without a database names none', () => {
  assert.equal(ofPostgres(new Error('The server does not support SSL connections')), 'unreachable');
  assert.equal(ofMysql(of('ER_NO_DB_ERROR', { errno: 1046 })), 'no-database');
});

test('a file for TLS that cannot be read is the fault of the url; a socket that is not there is not', () => {
  const missing = of('ENOENT', { syscall: 'open', path: '/etc/ca.pem' });
  assert.equal(ofPostgres(missing), 'file');
  assert.equal(
    ofPostgres(of('ENOENT', { syscall: 'connect', address: '/run/.s.PGSQL.5432' })),
    'unreachable',
  );
});
