import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime } from '../runtime/index.ts';
import { listenSockets } from '../runtime/sockets.ts';
import { describeExitCodes, exitCodes } from './exit-codes.ts';
import { CommandFailure, reportOf, sentenceOf } from './failure.ts';

test('exit codes differ from each other and from those of signals', () => {
  const codes = Object.values(exitCodes).map((entry) => entry.code);
  assert.equal(new Set(codes).size, codes.length);
  assert.ok(codes.every((code) => code < 128));
});

test('what stops a member has an exit code of its own', () => {
  const codes = [
    'address-in-use',
    'data-locked',
    'data-incompatible',
    'data-damaged',
    'disk-failed',
    'disk-full',
  ] as const;
  const exits = codes.map((code) => reportOf(new ConclaveError(code, 'text')).exitCode);
  assert.deepEqual(exits, [110, 111, 112, 113, 114, 115]);
});

test('an address that cannot be bound ends as one that is taken, however well it is written', async () => {
  // 192.0.2.0/24 is for documentation: no host has an address there.
  const [address, nobody] = [{ host: '192.0.2.1', port: 2379 }, () => {}];
  const attempts = [nodeRuntime().network.listen(address, nobody), listenSockets(address, nobody)];
  for (const { reason, status } of await Promise.allSettled(attempts).then(
    (all) => all as PromiseRejectedResult[],
  )) {
    assert.equal(status, 'rejected');
    assert.equal(reportOf(reason).exitCode, exitCodes.addressInUse.code);
    assert.match(reportOf(reason).message, /192\.0\.2\.1:2379/);
  }
});

test('a failure that was foreseen is told in its own words, without a stack', () => {
  assert.deepEqual(reportOf(new CommandFailure('usage', '--ttl: no')), {
    exitCode: 100,
    message: '--ttl: no',
  });
  assert.equal(reportOf(new ConclaveError('unavailable', 'nobody there')).message, 'nobody there');
});

test("etcd's text of a refusal is followed by what to do", () => {
  const told = (text: string) =>
    reportOf(new ConclaveError('permission-denied', `etcdserver: ${text}`)).message;
  assert.match(told('permission denied'), /^etcdserver: permission denied: .*--user.*grant-permission\.$/);
  assert.match(told('user name is empty'), /CONCLAVE_USER=NAME:PASSWORD\.$/);
  assert.match(told('root user does not exist'), /conclave user add root/);
  assert.match(told('root user does not have root role'), /conclave user grant-role root root\.$/);
  assert.match(told('mvcc: database space exceeded'), /conclave compact, conclave alarm disarm\.$/);
  assert.match(told('can only promote a learner member which is in sync with leader'), /caught up/);
  assert.match(told('can only promote a learner member'), /voter already\.$/);
  assert.match(told('role name not found'), /^etcdserver: role name not found\. .*role list\.$/);
  assert.equal(told('role name is empty'), 'etcdserver: role name is empty');
});

test('where the last attempt got no answer, what tells which members answer is named', () => {
  const told = (reason: string) => {
    const text = `Putting a key did not succeed within 5000 ms. The last attempt failed: ${reason}`;
    return reportOf(new ConclaveError('timeout', text)).message.endsWith('conclave check.');
  };
  assert.ok(told('http://127.0.0.1:2379 has not answered for 600 ms.'));
  assert.ok(told('Put at http://127.0.0.1:2379: no answer in time.'));
  const leaderless = 'a majority of the members must run and reach each other.';
  assert.ok(told(`Range at http://127.0.0.1:2379: this member found no Raft leader in time; ${leaderless}`));
  assert.ok(told('Put at http://h:1: no connection (connect ECONNREFUSED 127.0.0.1:1).'));
  assert.ok(!told('no connection (self-signed certificate). Give that authority (--cacert).'));
  const ofEtcd =
    'Reading keys at etcd did not succeed within 5000 ms. The last attempt failed: no answer in time.';
  assert.equal(reportOf(new ConclaveError('timeout', ofEtcd)).message, ofEtcd);
});

test('what is tried again is told as a sentence', () => {
  assert.equal(sentenceOf(new ConclaveError('unavailable', 'nobody there')), 'nobody there.');
  assert.equal(sentenceOf(new Error('All is lost.')), 'All is lost.');
});

test('a bug is told as one, with its stack', () => {
  const report = reportOf(new TypeError('x is not a function'));
  assert.equal(report.exitCode, exitCodes.internal.code);
  assert.match(report.message, /bug in Conclave[\s\S]*TypeError: x is not a function\n\s+at /);
});

test('the table of a command leaves out what only concerns another one', () => {
  assert.match(describeExitCodes(), /serve: the data folder is in use/);
  assert.doesNotMatch(describeExitCodes('elect'), /serve:/);
  assert.match(describeExitCodes('elect'), /elect --once/);
});
