import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeRuntime } from '../../runtime/index.ts';
import { serveApi } from '../serve.ts';
import { TestingMember } from '../testing.ts';

test('a large answer in JSON is made in many turns of the loop', async () => {
  const machine = nodeRuntime();
  let turns = 0;
  const nextTurn = (callback: () => void): void => {
    turns += 1;
    machine.timers.nextTurn(callback);
  };
  const timers = { nextTurn, after: machine.timers.after.bind(machine.timers) };
  const member = new TestingMember(machine);
  await using server = await serveApi(member, {
    listen: { host: '127.0.0.1', port: 0 },
    runtime: { ...machine, timers },
    closeGraceMs: 500,
  });
  const options = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
  for (let number = 0; number < 2000; number++) {
    const [key, value] = [Buffer.from(`k${number}`), Buffer.alloc(200, number)];
    await member.propose({ type: 'put', request: { key, value, ...options } });
  }
  const before = turns;
  const response = await fetch(`http://127.0.0.1:${server.address.port}/v3/kv/deleterange`, {
    method: 'POST',
    body: JSON.stringify({ key: btoa('k'), range_end: btoa('l'), prev_kv: true }),
  });
  const text = await response.text();
  assert.equal(response.headers.get('content-length'), String(text.length));
  const { deleted, prev_kvs: kvs, header } = JSON.parse(text);
  assert.equal(header.revision, '2002');
  assert.equal(deleted, '2000');
  assert.equal(kvs.length, 2000);
  assert.deepEqual(
    kvs.find(({ key }: { key: string }) => key === btoa('k77')).value,
    Buffer.alloc(200, 77).toString('base64'),
  );
  assert.ok(turns - before >= 6, `${turns - before} turns`);
});
