import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { describeExitCodes, exitCodes } from './exit-codes.ts';
import { CommandFailure, reportOf } from './failure.ts';

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

test('a failure that was foreseen is told in its own words, without a stack', () => {
  assert.deepEqual(reportOf(new CommandFailure('usage', '--ttl: no')), {
    exitCode: 100,
    message: '--ttl: no',
  });
  assert.equal(reportOf(new ConclaveError('unavailable', 'nobody there')).message, 'nobody there');
});

test('a bug is told as one, with its stack', () => {
  const report = reportOf(new TypeError('x is not a function'));
  assert.equal(report.exitCode, exitCodes.internal.code);
  assert.match(report.message, /bug in Conclave[\s\S]*TypeError: x is not a function\n\s+at /);
});

test('the table of a command leaves out what only concerns another one', () => {
  assert.match(describeExitCodes(), /serve: the data folder/);
  assert.doesNotMatch(describeExitCodes('elect'), /serve:/);
  assert.match(describeExitCodes('elect'), /elect --once/);
});
