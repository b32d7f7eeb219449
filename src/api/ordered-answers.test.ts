import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answersInOrder } from './ordered-answers.ts';
import { TestingRequests } from './testing.ts';

const never = new AbortController().signal;

test('answers come in the order of the requests, whichever is ready first', async () => {
  const requests = new TestingRequests<number>();
  const resolvers: (() => void)[] = [];
  const answers = answersInOrder(
    requests,
    (request) => new Promise<number>((resolve) => resolvers.push(() => resolve(request * 10))),
    { signal: never, atOnce: 10 },
  );
  requests.send(1, 2, 3);
  requests.end();
  const first = answers.next();
  await new Promise(setImmediate);
  assert.equal(resolvers.length, 3);
  for (const resolve of resolvers.reverse()) resolve();
  assert.equal((await first).value, 10);
  assert.deepEqual([(await answers.next()).value, (await answers.next()).value], [20, 30]);
  assert.equal((await answers.next()).done, true);
});

test('no more requests are read than may be unanswered', async () => {
  const requests = new TestingRequests<number>();
  let started = 0;
  const answers = answersInOrder(
    requests,
    () => {
      started += 1;
      return Promise.resolve(started);
    },
    { signal: never, atOnce: 4 },
  );
  requests.send(...Array.from({ length: 20 }, (_, at) => at));
  await answers.next();
  await new Promise(setImmediate);
  assert.ok(started <= 5, `${started}`);
  for (let at = 1; at < 20; at++) assert.equal((await answers.next()).value, at + 1);
});

test('a failed answer ends the stream after those before it', async () => {
  const requests = new TestingRequests<number>();
  const answer = (request: number) =>
    request === 2 ? Promise.reject(new Error('two')) : Promise.resolve(request);
  const answers = answersInOrder(requests, answer, { signal: never, atOnce: 10 });
  requests.send(1, 2, 3);
  assert.equal((await answers.next()).value, 1);
  await assert.rejects(answers.next(), /two/);
});

test('an aborted call ends while it waits for requests', async () => {
  const controller = new AbortController();
  const answers = answersInOrder(new TestingRequests<number>(), (request) => Promise.resolve(request), {
    signal: controller.signal,
    atOnce: 10,
  });
  const next = answers.next();
  controller.abort(new Error('enough'));
  await assert.rejects(next, /enough/);
});
