import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProgram } from './program.ts';

const store = ['--store', 'etcd://127.0.0.1:1'];
const elect = (...flags: string[]) => ['elect', 'x', ...store, ...flags, '--', 'true'];

const refused: readonly (readonly [string[], RegExp])[] = [
  [elect('--ttl', '200ms'), /--ttl: 200ms is less than etcd at .* can keep: give 2000ms or more/],
  [elect('--grace', '25h'), /--grace: 25h is more than 24h/],
  [elect('--timeout', '600h'), /--timeout: 600h is more than 596h/],
  [elect('--holder', ''), /--holder is empty/],
  [elect('--release-on-disconnect'), /cannot bind .*: leave out --release-on-disconnect/],
  [['observe', 'x', ...store, '--timeout', '2s'], /--timeout means nothing without --once/],
  [elect('--user', 'a:b'), /--user is for Conclave's own members, not for --store/],
  [
    ['observe', 'x', ...store, '--insecure-skip-tls-verify'],
    /--insecure-skip-tls-verify is for Conclave's own/,
  ],
  [['migrate', ...store, '--replicas', '3'], /--replicas is for NATS and Cassandra/],
];

for (const [words, says] of refused) {
  test(`${words.filter((word) => !store.includes(word)).join(' ')} is bad usage, told of in flags`, async (t) => {
    let said = '';
    t.mock.method(process.stderr, 'write', (text: string) => {
      said += text;
      return true;
    });
    assert.equal(await runProgram(words), 100);
    assert.match(said, says);
  });
}
