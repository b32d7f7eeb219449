import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { TestingCall } from '../testing.ts';
import type { CallConnection } from '../types.ts';
import { HeldBodies } from './held-bodies.ts';
import { BodyValues } from './http-call.ts';

const value = `"${'x'.repeat(100_000)}"`;

function bodyOf(maxBytes: number) {
  const request = new PassThrough({ highWaterMark: 1024 * 1024 });
  const share = new HeldBodies(maxBytes);
  const body = bodyOn(request, new TestingCall().connection, share);
  return { request, share, body };
}

function bodyOn(request: PassThrough, connection: CallConnection, share: HeldBodies): BodyValues {
  const bounds = { maxBytes: 10_000_000, maxMembers: 100 };
  return new BodyValues(request as unknown as IncomingMessage, connection, bounds, share);
}

test('values that nobody takes are not read on above a bound, and none of them is lost', async () => {
  const { request, body } = bodyOf(10_000_000);
  for (let count = 0; count < 20; count++) request.write(value);
  request.end();
  while (!request.isPaused()) await new Promise(setImmediate);
  assert.ok(request.readableLength + request.writableLength > 1_000_000, 'most of it waits to be read');
  let taken = 0;
  for await (const one of body) {
    assert.equal(one, value);
    taken += 1;
  }
  assert.equal(taken, 20);
});

test('for each value that is taken no more than one comes, while many wait', async () => {
  const { request, body } = bodyOf(10_000_000);
  const many = '{}'.repeat(1000);
  for (let count = 0; count < 100; count++) request.write(many);
  request.end();
  while (!request.isPaused()) await new Promise(setImmediate);
  const before = request.readableLength + request.writableLength;
  for (let count = 0; count < 500; count++) {
    assert.equal(await body.next(), '{}');
    await new Promise(setImmediate);
  }
  const read = before - request.readableLength - request.writableLength;
  assert.ok(read <= 2 * many.length, `${read} bytes`);
  let rest = 0;
  for await (const one of body) rest += one.length / 2;
  assert.equal(rest, 100_000 - 500);
});

test('what follows the only value of a body is dropped as it comes', async () => {
  const { request, share, body } = bodyOf(10_000_000);
  request.write(`{"first":1} {"second":2} ${value.slice(1000)}`);
  assert.equal(await body.only(), '{"first":1}');
  for (let count = 0; count < 100; count++) request.write(value);
  request.end();
  await once(request, 'end');
  assert.equal(share.bytes, 0);
  assert.equal(await body.next(), undefined);
});

test('a body that is refused holds nothing any more, though its call goes on', async () => {
  const { request, share, body } = bodyOf(50_000);
  request.write(value.slice(0, 60_000));
  await assert.rejects(body.next(), /too many requests/);
  assert.equal(share.bytes, 0);
  request.write(value);
  request.end();
  await once(request, 'end');
  assert.equal(share.bytes, 0);
});

test('bodies of one connection that never end keep no others out, and are refused together', async () => {
  const share = new HeldBodies(300_000);
  const begin = (connection: CallConnection, bytes: number) => {
    const request = new PassThrough({ highWaterMark: 1024 * 1024 });
    const body = bodyOn(request, connection, share);
    request.write(value.slice(0, bytes));
    return { request, body };
  };
  const greedy = new TestingCall().connection;
  // Each no larger than what others send, and so slowly that none ends.
  const endless = Array.from({ length: 4 }, () => begin(greedy, 50_000));
  const others = Array.from({ length: 3 }, () => begin(new TestingCall().connection, 60_000));
  for (const { body } of endless) await assert.rejects(body.next(), /too many requests/);
  for (const { request, body } of others) {
    request.end(value.slice(60_000));
    assert.equal(await body.next(), value);
  }
  assert.equal(share.bytes, 0);
  // Who was refused may come again.
  const again = begin(greedy, 50_000);
  again.request.end(value.slice(50_000));
  assert.equal(await again.body.next(), value);
  assert.equal(share.bytes, 0);
});
