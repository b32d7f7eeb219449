import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandFailure } from './failure.ts';
import { isLoopback, parseClientEndpoints, parseEndpoints, requireBindable } from './urls.ts';

function failureOf(text: string): string {
  try {
    parseEndpoints(text, '--flag');
  } catch (error) {
    assert.ok(error instanceof CommandFailure);
    assert.equal(error.reason, 'usage');
    return error.message;
  }
  assert.fail(`${text} was accepted`);
}

test('several URLs are read into one spelling', () => {
  assert.deepEqual(parseEndpoints('http://10.0.0.1:2379/, http://[::1]:2380,HTTP://LocalHost:1', '--flag'), [
    { url: 'http://10.0.0.1:2379', host: '10.0.0.1', port: 2379, secure: false },
    { url: 'http://[::1]:2380', host: '::1', port: 2380, secure: false },
    { url: 'http://localhost:1', host: 'localhost', port: 1, secure: false },
  ]);
});

test('a malformed URL is refused with the flag and what would do', () => {
  assert.match(failureOf('10.0.0.1:2379'), /^--flag: '10\.0\.0\.1:2379' has no scheme\. Write it as http:/);
  assert.match(failureOf('http://10.0.0.1'), /malformed/);
  assert.match(failureOf('http://10.0.0.1:0'), /malformed/);
  assert.match(failureOf('http://10.0.0.1:65536'), /malformed/);
  assert.match(failureOf('http://10.0.0.1:2379/path'), /malformed/);
  assert.match(failureOf('http://user@10.0.0.1:2379'), /malformed/);
  assert.match(failureOf('http://::1:2379'), /malformed/);
  assert.match(failureOf('http://a:1,,http://b:1'), /an empty URL/);
  assert.match(failureOf('ftp://10.0.0.1:21'), /the scheme 'ftp'/);
});

test('https asks for TLS', () => {
  const [endpoint] = parseEndpoints('https://10.0.0.1:2379', '--flag');
  assert.deepEqual(endpoint, { url: 'https://10.0.0.1:2379', host: '10.0.0.1', port: 2379, secure: true });
  assert.match(failureOf('unixs://10.0.0.1:2379'), /only http and https are offered/);
});

test('clients may leave the scheme out', () => {
  assert.deepEqual(parseClientEndpoints('10.0.0.1:2379,http://b:1', '--endpoints'), [
    'http://10.0.0.1:2379',
    'http://b:1',
  ]);
});

test('a listen URL takes an address of this machine, not a name', () => {
  const endpoint = (url: string) => parseEndpoints(url, '--flag')[0] as ReturnType<typeof parseEndpoints>[0];
  for (const url of ['http://0.0.0.0:1', 'http://[::]:1', 'http://localhost:1'])
    requireBindable(endpoint(url), '--flag');
  assert.throws(() => requireBindable(endpoint('http://example.com:1'), '--flag'), /names a host/);
});

test('loopback is what nobody beyond this machine reaches', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost'])
    assert.equal(isLoopback(host), true, host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '128.0.0.1']) assert.equal(isLoopback(host), false, host);
});
