import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cassandraError } from './failures.ts';

const call = { description: 'Cassandra at c', table: 'k.t', schema: 'CREATE TABLE k.t', changes: true };

function said(error: object, noConnection?: unknown): string {
  const { code, outcome, message } = cassandraError(error, { ...call, noConnection });
  return `${code} ${outcome} ${message}`;
}

test('a driver that has no connection left says why it could make none', () => {
  const none = {
    name: 'NoHostAvailableError',
    message: 'All host(s) tried for query failed.',
    innerErrors: {},
  };
  assert.match(said(none), /^unavailable unknown Cassandra at c cannot answer: All host/);
  const refused = Object.assign(new Error('connect ECONNREFUSED c:9042'), { code: 'ECONNREFUSED' });
  assert.match(said(none, refused), /^unavailable unknown .*connect ECONNREFUSED c:9042$/);
  const login = {
    name: 'AuthenticationError',
    message: 'Provided username worker and/or password are incorrect',
  };
  assert.match(said(none, login), /^failed-precondition .*look at user and password/);
  // It was asked, and what it said counts.
  const asked = { ...none, innerErrors: { c: { message: 'Cannot achieve consistency', code: 0x1000 } } };
  assert.match(said(asked, login), /^unavailable not-applied .*Cannot achieve/);
});

test('a table that was dropped while it was in use is told of as one that is missing', () => {
  const message = 'Prepared query with ID 0f not found (either the query was not prepared on this host …)';
  const dropped = { name: 'ResponseError', message, code: 0x2500 };
  assert.match(said(dropped), /^failed-precondition .*has no table k\.t .*conclave migrate/);
});
