import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalOfEtcdFlag, withDoubleDashes } from './flags.ts';

test('single dashes become double ones for flags that exist, as etcd takes both', () => {
  assert.deepEqual(withDoubleDashes(['-name', 'm1', '--data-dir=/d', '-log-level=debug', '-h']), [
    ...['--name', 'm1', '--data-dir=/d', '--log-level=debug', '-h'],
  ]);
});

test('the value of a flag is left alone, whatever it looks like', () => {
  assert.deepEqual(withDoubleDashes(['--name', '-name', '-data-dir', '-x']), [
    '--name',
    '-name',
    '--data-dir',
    '-x',
  ]);
});

test("etcd's other flags are known, and what etcd does not know is not", () => {
  for (const flag of ['auto-tls', 'wal-dir', 'max-wals', 'discovery-srv', 'experimental-x']) {
    assert.notEqual(refusalOfEtcdFlag(flag), undefined, flag);
  }
  for (const flag of ['name', 'nme', 'quota-backend-bytes', 'data-dir', 'log-level'])
    assert.equal(refusalOfEtcdFlag(flag), undefined, flag);
  assert.deepEqual(withDoubleDashes(['-auto-tls=x']), ['--auto-tls=x']);
});

test('a flag that is true or false needs no value', () => {
  assert.deepEqual(withDoubleDashes(['-client-cert-auth', '--name', 'x', '--peer-client-cert-auth=false']), [
    ...['--client-cert-auth=true', '--name', 'x', '--peer-client-cert-auth=false'],
  ]);
});
