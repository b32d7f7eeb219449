import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storeWith } from '../conformance/wrapping.ts';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime, settle } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import {
  type ElectionEvent,
  type ElectOptions,
  elect,
  type Job,
  type Leadership,
  type LeaseStore,
  lock,
  observe,
  readWriteLock,
  Session,
  semaphore,
  withLock,
} from './index.ts';

const untilAborted = ({ signal }: Leadership) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));

function setUp() {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  const stop = new AbortController();
  const start = (job: Job, options: ElectOptions = {}) => {
    const all = { ttlMs: 1000, holder: 'one', runtime, signal: stop.signal, ...options };
    const elected = elect(store, 'n', job, all);
    elected.catch(() => {});
    return elected;
  };
  return { runtime, store, stop, start };
}

test('two processes take turns: one job at a time, with rising tokens, until the signal aborts', async () => {
  const { runtime, start, stop, store } = setUp();
  let running = 0;
  const tokens: number[] = [];
  const job: Job = async (leadership) => {
    running += 1;
    assert.equal(running, 1);
    tokens.push(leadership.token);
    await new Promise<void>((resolve) => void runtime.timers.after(300, resolve));
    running -= 1;
  };
  const both = [start(job, { holder: 'one' }), start(job, { holder: 'two' })];
  await runtime.advance(10_000);
  stop.abort();
  await settle(runtime, Promise.all(both));
  assert(tokens.length >= 4);
  assert.deepEqual(
    tokens,
    [...tokens].sort((left, right) => left - right),
  );
  assert.equal((await store.read('n')).leader, undefined);
});

test('aborting waits for the job, then resigns', async () => {
  const { runtime, start, stop, store } = setUp();
  const { promise: work, resolve: finish } = Promise.withResolvers<void>();
  const elected = start(() => work);
  await runtime.advance(100);
  stop.abort();
  await runtime.advance(5000);
  assert.equal((await store.read('n')).leader?.holder, 'one');
  finish();
  await settle(runtime, elected, 0);
  assert.equal((await store.read('n')).leader, undefined);
});

test('a job that throws ends the leadership, and elect rejects with its error as the cause', async () => {
  const { runtime, start, store } = setUp();
  const failure = new Error('the job broke');
  await assert.rejects(
    settle(
      runtime,
      start(() => Promise.reject(failure)),
    ),
    (error: Error) => ConclaveError.is(error, 'job-failed') && error.cause === failure,
  );
  assert.equal((await store.read('n')).leader, undefined);
  const thrown = start(() => {
    throw failure;
  });
  await assert.rejects(settle(runtime, thrown), { code: 'job-failed' });
});

test('onJobError can decide to go on; a job that fails at once does not make a busy loop', async () => {
  const { runtime, start, stop } = setUp();
  let runs = 0;
  const elected = start(
    () => {
      runs += 1;
      throw new Error('again');
    },
    { onJobError: () => 'campaign' },
  );
  await runtime.advance(20_000);
  assert(runs > 10 && runs < 60, `${runs} runs`);
  stop.abort();
  await settle(runtime, elected);
});

test('an onJobError that throws leaves the error of the job as the one that counts', async () => {
  const { runtime, start } = setUp();
  const onJobError = () => {
    throw new Error('the handler broke');
  };
  const elected = start(() => Promise.reject(new Error('the job broke')), { onJobError });
  await assert.rejects(
    settle(runtime, elected),
    (error: Error) => (error.cause as Error).message === 'the job broke',
  );
});

test('a job that returns by itself can end it', async () => {
  const { runtime, start } = setUp();
  let runs = 0;
  await settle(
    runtime,
    start(() => ++runs, { whenJobReturns: 'stop' }),
  );
  assert.equal(runs, 1);
});

test('a job may await its own resignation', async () => {
  const { runtime, start, store } = setUp();
  const ends: string[] = [];
  const job: Job = async (leadership) => {
    void leadership.ended.then((cause) => ends.push(cause));
    await leadership.resign();
    assert.throws(() => leadership.assertHeld(), { code: 'not-leading' });
  };
  await settle(runtime, start(job, { whenJobReturns: 'stop' }));
  assert.deepEqual(ends, ['resigned']);
  assert.equal((await store.read('n')).leader, undefined);
});

test('after a loss it campaigns again, and never runs two jobs at once, even if one ignores its signal', async () => {
  const { runtime, start, stop } = setUp();
  const events: ElectionEvent[] = [];
  let running = 0;
  const { promise: stuck, resolve: release } = Promise.withResolvers<void>();
  let runs = 0;
  const job: Job = async (leadership) => {
    running += 1;
    runs += 1;
    assert.equal(running, 1);
    await (runs === 1 ? stuck : untilAborted(leadership));
    running -= 1;
    leadership.signal.throwIfAborted();
  };
  const elected = start(job, { onEvent: (event) => events.push(event) });
  await runtime.advance(100);
  runtime.clock.jumpWall(5000);
  await runtime.advance(5000);
  assert.equal(runs, 1);
  assert(events.some((event) => event.type === 'lost' && event.cause === 'expired'));
  assert(events.some((event) => event.type === 'job-overran'));
  release();
  await runtime.advance(3000);
  assert.equal(runs, 2);
  stop.abort();
  await settle(runtime, elected);
});

test('observing shows each leader once and nobody between, and survives a store that breaks its watches', async () => {
  const { runtime, store, stop, start } = setUp();
  let watches = 0;
  const shaky = storeWith(store, {
    watch: async function* (name, options) {
      watches += 1;
      let states = 0;
      for await (const state of store.watch(name, options)) {
        yield state;
        states += 1;
        if (states === 2) throw new ConclaveError('unavailable', 'The watch broke.', { retryable: true });
      }
    },
  });
  const seen: (string | undefined)[] = [];
  const observed = (async () => {
    for await (const leader of observe(shaky, 'n', { signal: stop.signal, runtime }))
      seen.push(leader?.holder);
  })();
  const job: Job = () => new Promise<void>((resolve) => void runtime.timers.after(500, resolve));
  const both = [start(job, { holder: 'one' }), start(job, { holder: 'two' })];
  await runtime.advance(5000);
  stop.abort();
  await settle(runtime, Promise.all([...both, observed]));
  assert(watches > 1);
  assert(seen.includes('one') && seen.includes('two'));
  for (const [at, holder] of seen.entries()) assert(at === 0 || holder !== seen[at - 1]);
});

test('breaking off an observation ends the watch', async () => {
  const { runtime, store } = setUp();
  let aborted = false;
  const watched = storeWith(store, {
    watch: (name, options) => {
      options.signal.addEventListener('abort', () => {
        aborted = true;
      });
      return store.watch(name, options);
    },
  });
  for await (const leader of observe(watched, 'n', { runtime })) {
    assert.equal(leader, undefined);
    break;
  }
  assert.equal(aborted, true);
});

test('a lock excludes, and its end lets the next one in', async () => {
  const { runtime, store } = setUp();
  const options = { ttlMs: 1000, runtime };
  const first = await settle(runtime, lock(store, 'n', options));
  const waiting = lock(store, 'n', options);
  const impatient = new AbortController();
  const given = lock(store, 'n', { ...options, signal: impatient.signal });
  given.catch(() => {});
  await runtime.advance(3000);
  first.assertHeld();
  assert(first.remainingMs() > 0 && first.validUntil > runtime.clock.monotonicMs());
  impatient.abort();
  await assert.rejects(settle(runtime, given), { code: 'aborted' });
  await settle(runtime, first.release());
  assert.equal(first.signal.aborted, true);
  const second = await settle(runtime, waiting);
  assert(second.token > first.token);
  await settle(runtime, second.release());
  assert.equal((await store.read('n')).leader, undefined);
});

test('withLock returns what the block returned, passes on what it threw, and frees the lock', async () => {
  const { runtime, store } = setUp();
  const options = { ttlMs: 1000, runtime };
  assert.equal(
    await settle(
      runtime,
      withLock(store, 'n', (held) => held.name, options),
    ),
    'n',
  );
  const failing = withLock(store, 'n', () => Promise.reject(new Error('the block broke')), options);
  await assert.rejects(settle(runtime, failing), { message: 'the block broke' });
  assert.equal((await store.read('n')).leader, undefined);
});

test('withLock says so when the lock was lost while the block ran', async () => {
  const { runtime, store } = setUp();
  const block = async () => {
    runtime.clock.jumpWall(5000);
    return 'done';
  };
  const running = withLock(store, 'n', block, { ttlMs: 1000, runtime });
  await assert.rejects(settle(runtime, running), { code: 'not-leading', outcome: 'unknown' });
});

test('withLock refuses a block that is none before it takes the lock', async () => {
  const { runtime, store } = setUp();
  const refused = { code: 'invalid-argument', message: /third argument of withLock must be a function/ };
  const openSession = () => assert.fail('a session was opened');
  const untouched = { ...store, capabilities: store.capabilities, openSession } as unknown as typeof store;
  for (const block of [undefined, {}, Promise.resolve()])
    await assert.rejects(withLock(untouched, 'n', block as never, { runtime }), refused);
});

test('a block that releases the lock itself has not lost it; one that releases what it lost has', async () => {
  const { runtime, store } = setUp();
  const releasing = withLock(
    store,
    'n',
    async (held) => {
      await held.release();
      assert.throws(() => held.assertHeld(), { code: 'not-leading' });
      return 'done';
    },
    { ttlMs: 1000, runtime },
  );
  assert.equal(await settle(runtime, releasing), 'done');
  const late = async (held: AsyncDisposable) => {
    runtime.clock.jumpWall(5000);
    await held[Symbol.asyncDispose]();
  };
  const running = withLock(store, 'n', late, { ttlMs: 1000, runtime });
  await assert.rejects(settle(runtime, running), { code: 'not-leading', outcome: 'unknown' });
});

/** Nobody answers, or all is well again from the `healthyFrom`th session that is asked for. */
function troubled(store: LeaseStore, healthyFrom = Number.POSITIVE_INFINITY): LeaseStore {
  let asked = 0;
  return storeWith(store, {
    openSession: async (options) => {
      asked += 1;
      if (asked >= healthyFrom) return await store.openSession(options);
      throw new ConclaveError('unavailable', 'nobody is at 10.0.0.1:2379', { retryable: true });
    },
  });
}

test('who gives up waiting for a lock learns that the store could not be reached', async () => {
  const { runtime, store } = setUp();
  const down = troubled(store);
  const options = { ttlMs: 1000, waitMs: 700, runtime };
  const says = (error: unknown) => {
    assert(ConclaveError.is(error, 'timeout'));
    assert.match(
      error.message,
      /longer than 700 ms; nothing is held\. Opening a session failed last: nobody is/,
    );
    assert(ConclaveError.is(error.cause, 'unavailable'));
    return true;
  };
  await assert.rejects(settle(runtime, lock(down, 'n', options)), says);
  await assert.rejects(settle(runtime, semaphore(down, 'n', { ...options, permits: 2 })), says);
  await assert.rejects(settle(runtime, readWriteLock(down, 'n', { ...options, mode: 'read' })), says);
  await using session = new Session(down, { ttlMs: 1000, runtime });
  await assert.rejects(settle(runtime, lock(down, 'n', { session, waitMs: 700, runtime })), says);
});

test('trouble that is over is not named by who gives up waiting for a lock that another holds', async () => {
  const { runtime, store } = setUp();
  await using other = await settle(runtime, lock(store, 'n', { runtime, holder: 'other' }));
  const waiting = lock(troubled(store, 2), 'n', { ttlMs: 1000, waitMs: 2000, runtime });
  await assert.rejects(settle(runtime, waiting), {
    code: 'timeout',
    message: 'Waiting for lock "n" took longer than 2000 ms; nothing is held.',
  });
  await settle(runtime, other.release());
});

test('waitMs is refused in words that a person reads', async () => {
  const { runtime, store } = setUp();
  const message = 'waitMs must be a number above 0 and at most 86400000, not 0.';
  await assert.rejects(lock(store, 'n', { runtime, waitMs: 0 }), { code: 'invalid-argument', message });
});
