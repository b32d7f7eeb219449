import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { Inbox } from './inbox.ts';

const broken = new ConclaveError('unavailable', 'The stream broke.');

describe('An inbox', () => {
  test('gives what was pushed, before and while it is read, then ends', async () => {
    const inbox = new Inbox<number>();
    inbox.push(1);
    inbox.push(2);
    const read: number[] = [];
    for await (const item of inbox) {
      read.push(item);
      if (item === 2) setImmediate(() => inbox.push(3));
      if (item === 3) inbox.push(4);
      if (item === 4) setImmediate(() => inbox.end());
    }
    assert.deepEqual(read, [1, 2, 3, 4]);
  });

  test('throws what it ended with after all that came before, once', async () => {
    const inbox = new Inbox<number>();
    inbox.push(1);
    inbox.end(broken);
    inbox.push(2);
    const reader = inbox[Symbol.asyncIterator]();
    assert.deepEqual(await reader.next(), { done: false, value: 1 });
    await assert.rejects(reader.next(), broken);
    assert.deepEqual(await reader.next(), { done: true, value: undefined });
  });

  test('throws to a reader who waits already', async () => {
    const inbox = new Inbox<number>();
    const waiting = inbox[Symbol.asyncIterator]().next();
    inbox.end(broken);
    await assert.rejects(waiting, broken);
  });

  test('tells that its reader left before the end, once, and releases one who waits', async () => {
    let left = 0;
    const inbox = new Inbox<number>({ onLeave: () => left++ });
    const reader = inbox[Symbol.asyncIterator]();
    const waiting = reader.next();
    await reader.return?.();
    await reader.return?.();
    assert.deepEqual(await waiting, { done: true, value: undefined });
    assert.deepEqual(await reader.next(), { done: true, value: undefined });
    assert.equal(left, 1);
  });

  test('tells nothing of a reader who read to the end', async () => {
    let left = 0;
    const inbox = new Inbox<number>({ onLeave: () => left++ });
    inbox.push(1);
    inbox.end();
    for await (const item of inbox) assert.equal(item, 1);
    assert.equal(left, 0);
  });

  test('asks for a pause above its mark, and for more when the reader has caught up', async () => {
    const asked: string[] = [];
    const flow = { pause: () => asked.push('pause'), resume: () => asked.push('resume') };
    const inbox = new Inbox<number>({ highMark: 2, flow });
    for (let item = 0; item < 4; item++) inbox.push(item);
    assert.deepEqual(asked, ['pause']);
    const reader = inbox[Symbol.asyncIterator]();
    for (let item = 0; item < 4; item++) assert.deepEqual(await reader.next(), { done: false, value: item });
    assert.deepEqual(asked, ['pause']);
    const waiting = reader.next();
    assert.deepEqual(asked, ['pause', 'resume']);
    inbox.push(4);
    assert.deepEqual(await waiting, { done: false, value: 4 });
  });
});
