import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, held, resultOf, world } from '../../../test/fencing/once-stopping.ts';
import { storeWith } from '../../conformance/wrapping.ts';
import { Candidate, Session } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type OnceContext, once } from './index.ts';

test('the signal ends the waiting, on a session of its own and on a shared one, and others go on', async () => {
  for (const shared of [false, true]) {
    const { runtime, store, options } = world();
    const session = new Session(store, { ...options, holder: 'shared' });
    const asked = shared ? { session } : options;
    const { fn, open } = held('late');
    const first = once(store, 'a', fn, options);
    await runtime.advance(10);
    const stop = new AbortController();
    const aborted = once(store, 'a', fn, { ...asked, signal: stop.signal });
    const behind = once(store, 'a', fn, asked);
    await runtime.advance(10);
    stop.abort('enough');
    const error = await errorOf(runtime, aborted);
    assert(ConclaveError.is(error, 'aborted'));
    assert.deepEqual([error.outcome, error.cause], ['not-applied', 'enough']);
    open();
    assert.deepEqual(await resultOf(runtime, Promise.all([first, behind])), ['late', 'late']);
    const before = AbortSignal.abort();
    assert(
      ConclaveError.is(await errorOf(runtime, once(store, 'b', fn, { ...asked, signal: before })), 'aborted'),
    );
    assert.equal((await store.read('once/b')).record, undefined);
    await session[Symbol.asyncDispose]();
  }
});

test('a caller that gives up in the queue leaves no place there, on a shared session either', async () => {
  const { runtime, store, options } = world();
  const rival = new Candidate(store, 'once/a', { ...options, holder: 'rival' });
  const session = new Session(store, { ...options, holder: 'shared' });
  const stop = new AbortController();
  // Between its read and its claim somebody else comes first.
  const late = storeWith(store, {
    read: async (name, asked) => {
      const state = await store.read(name, asked);
      await rival.campaign();
      return state;
    },
  });
  const lateSession = new Session(late, { ...options, holder: 'late' });
  const waiting = once(late, 'a', () => 1, { session: lateSession, signal: stop.signal });
  await runtime.advance(100);
  assert.deepEqual(
    (await store.read('once/a')).waiting.map(({ holder }) => holder),
    ['late'],
  );
  stop.abort();
  assert(ConclaveError.is(await errorOf(runtime, waiting), 'aborted'));
  await runtime.advance(100);
  assert.deepEqual((await store.read('once/a')).waiting, []);
  await rival[Symbol.asyncDispose]();
  await session[Symbol.asyncDispose]();
  await lateSession[Symbol.asyncDispose]();
});

test('aborting while it runs aborts the signal of the function; what it throws then is not recorded', async () => {
  const { runtime, store, options } = world();
  const stop = new AbortController();
  const fn = (context: OnceContext) =>
    new Promise<string>((_resolve, reject) => {
      context.signal.addEventListener('abort', () =>
        reject(new Error('cut off', { cause: context.signal.reason })),
      );
    });
  const running = once(store, 'a', fn, { ...options, signal: stop.signal });
  await runtime.advance(10);
  stop.abort('enough');
  const error = await errorOf(runtime, running);
  assert(ConclaveError.is(error, 'aborted'));
  assert.equal(error.outcome, 'unknown');
  assert.equal((error.cause as Error).message, 'cut off');
  assert.equal((await store.read('once/a')).leader, undefined);
  const next = once(store, 'a', ({ attempt, takenOver }) => ({ attempt, takenOver }), options);
  assert.deepEqual(await resultOf(runtime, next), { attempt: 2, takenOver: false });
});

test('a function that finishes in spite of the abort has its result recorded and returned', async () => {
  const { runtime, store, options } = world();
  const stop = new AbortController();
  const { fn, open } = held('finished');
  const running = once(store, 'a', fn, { ...options, signal: stop.signal });
  await runtime.advance(10);
  stop.abort();
  await runtime.advance(10);
  open();
  assert.equal(await resultOf(runtime, running), 'finished');
  assert.equal(
    await resultOf(
      runtime,
      once(store, 'a', () => assert.fail(), options),
    ),
    'finished',
  );
});

test('the store may be down: callers wait, and nothing is guessed', async () => {
  const { runtime, store, options } = world();
  let down = true;
  const shaky = storeWith(store, {
    read: async (name, asked) => {
      if (down) throw new ConclaveError('unavailable', 'Away.', { retryable: true });
      return await store.read(name, asked);
    },
  });
  const events: string[] = [];
  const onEvent = ({ type }: { type: string }) => void events.push(type);
  const call = once(shaky, 'a', () => 'there', { ...options, onEvent });
  await runtime.advance(20_000);
  down = false;
  assert.equal(await resultOf(runtime, call), 'there');
  assert(events.includes('trouble'));
});
