import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorFromStatus } from './status-errors.ts';

function received(status: number, text: string, trailers: Record<string, string> = {}) {
  const { code, outcome, retryable } = errorFromStatus(
    { status, text, trailer: (name) => trailers[name] },
    'The call',
  );
  return { code, outcome, retryable };
}

test('an error of our own server comes back as it was', () => {
  const trailers = {
    'conclave-code': 'stale-token',
    'conclave-outcome': 'unknown',
    'conclave-retryable': 'true',
  };
  assert.deepEqual(received(9, 'x', trailers), { code: 'stale-token', outcome: 'unknown', retryable: true });
});

test('a code that this version does not know is taken by its status', () => {
  assert.equal(received(5, 'x', { 'conclave-code': 'from-the-future' }).code, 'not-found');
});

test('a call that the server gave up is unavailable, not aborted by the caller', () => {
  const expected = { code: 'unavailable', outcome: 'unknown', retryable: true };
  assert.deepEqual(received(1, 'context canceled', { 'conclave-code': 'aborted' }), expected);
});

test('texts of etcd say more than their status', () => {
  assert.equal(received(14, 'etcdserver: no leader').code, 'no-leader');
  const { code, retryable, outcome } = received(3, 'etcdserver: revision of auth store is old');
  assert.deepEqual(
    { code, retryable, outcome },
    { code: 'unavailable', retryable: true, outcome: 'not-applied' },
  );
  assert.equal(received(5, 'etcdserver: requested lease not found').code, 'lease-lost');
  assert.equal(received(8, 'etcdserver: mvcc: database space exceeded').code, 'disk-full');
  const timedOut = { code: 'timeout', outcome: 'unknown', retryable: true };
  assert.deepEqual(received(14, 'etcdserver: request timed out'), timedOut);
  assert.equal(received(11, 'etcdserver: mvcc: required revision has been compacted').code, 'out-of-range');
});

test('a person reads why nobody answered, in a few words', () => {
  const message = (status: number, text: string) =>
    errorFromStatus({ status, text, trailer: () => undefined }, 'The call').message;
  const refused =
    'No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:9. Resolution note: ';
  assert.equal(message(14, refused), 'The call: no connection (connect ECONNREFUSED 127.0.0.1:9).');
  const late = 'Deadline exceeded after 1.000s,LB pick: 0.022s,remote_addr=127.0.0.1:9';
  assert.equal(message(4, late), 'The call: no answer in time.');
});

test('a server that is no member of Conclave is told as one', () => {
  const text = 'unknown service conclave.v1.Conclave';
  const told = errorFromStatus({ status: 12, text, trailer: () => undefined }, 'LeaseGrant at http://a:1');
  assert.equal(told.code, 'unsupported');
  assert.match(
    told.message,
    /^LeaseGrant at http:\/\/a:1: .*no conclave\.v1\.Conclave,.* etcdStore .* etcd:\/\//,
  );
});

test('that nobody leads is said with the member that found nobody', () => {
  const trailers: Record<string, string> = { 'conclave-code': 'no-leader', 'conclave-retryable': 'true' };
  const trailer = (name: string) => trailers[name];
  const told = errorFromStatus({ status: 14, text: 'etcdserver: request timed out', trailer }, 'Put at m1');
  assert.equal(told.code, 'no-leader');
  assert.match(told.message, /^Put at m1: this member found no Raft leader in time; a majority /);
});

test('what never left this process was not applied; what was under way may have been', () => {
  assert.equal(received(14, 'No connection established. Last error: refused').outcome, 'not-applied');
  assert.equal(received(14, 'Connection dropped').outcome, 'unknown');
  assert.equal(received(13, 'Received RST_STREAM with code 2').code, 'unavailable');
});
