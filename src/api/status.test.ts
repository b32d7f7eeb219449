import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError, type ErrorCode, errorCodes } from '../errors/index.ts';
import { WireError } from '../wire/index.ts';
import { asLeaseCall, toStatus } from './status.ts';

test('a ConclaveError keeps its code, outcome and retryability beside a gRPC status', () => {
  for (const code of Object.keys(errorCodes) as ErrorCode[]) {
    const status = toStatus(new ConclaveError(code, 'why', { outcome: 'unknown', retryable: true }));
    assert.deepEqual(status.conclave, { code, outcome: 'unknown', retryable: true });
    assert.ok(status.code >= 1 && status.code <= 16);
  }
});

test('conditions that etcd has words for are told in etcd’s words', () => {
  const told = (code: ErrorCode): string => {
    const status = toStatus(new ConclaveError(code, 'ours'));
    return `${status.code} ${status.message}`;
  };
  assert.equal(told('no-leader'), '14 etcdserver: request timed out');
  assert.equal(told('timeout'), '14 etcdserver: request timed out');
  assert.equal(told('too-many-requests'), '8 etcdserver: too many requests');
  assert.equal(told('closed'), '14 etcdserver: server stopped');
  assert.equal(told('too-large'), '3 etcdserver: request is too large');
  assert.equal(told('disk-full'), '14 ours');
});

test('what came between is told as etcd tells it, and leases say when nobody leads', async () => {
  const told = (interruption: string, code: ErrorCode = 'timeout') =>
    toStatus(new ConclaveError(code, 'ours', { details: { interruption } })).message;
  const late = 'etcdserver: request timed out';
  assert.equal(told('leader-failure'), `${late}, possibly due to previous leader failure`);
  assert.equal(told('connection-lost'), `${late}, possibly due to connection lost`);
  assert.equal(told('leader-changed', 'unavailable'), 'etcdserver: leader changed');
  const result = toStatus(new ConclaveError('too-large', 'ours', { details: { what: 'result' } }));
  assert.deepEqual([result.code, result.message], [8, 'ours']);
  const noLeader = Promise.reject(new ConclaveError('no-leader', 'ours'));
  await assert.rejects(asLeaseCall(noLeader), { message: 'etcdserver: no leader', code: 14 });
});

test('anything else thrown is an internal error that may have taken effect', () => {
  const { code, message, conclave } = toStatus(new TypeError('x is not a function'));
  assert.deepEqual({ code, message }, { code: 13, message: 'conclave: internal error: x is not a function' });
  assert.deepEqual(conclave, { code: 'internal', outcome: 'unknown', retryable: false });
});

test('bytes that are no message are the caller’s mistake', () => {
  assert.equal(toStatus(new WireError('cut short')).conclave.code, 'invalid-argument');
});
