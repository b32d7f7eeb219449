import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { manualRuntime } from '../../runtime/testing.ts';
import type { DocumentChange, DocumentDriver } from './driver.ts';
import { documentStore } from './index.ts';
import { MemoryService } from './testing.ts';

const holder = { holder: 'first', ttlMs: 10_000 };

function stage(tells = false) {
  const runtime = manualRuntime();
  const service = new MemoryService({ runtime, ownsClock: true, tells, many: true });
  const open = (driver: DocumentDriver) => documentStore(driver, { runtime, pollMs: 100 });
  const sessions = () => [...service.rows.values()].filter(({ kind }) => kind === 'session').length;
  return { runtime, service, open, sessions };
}

/** Requests take a while, and none works once it is disposed. */
function closable(driver: DocumentDriver, runtime: ReturnType<typeof manualRuntime>): DocumentDriver {
  let isClosed = false;
  const later = async <T>(call: () => Promise<T>): Promise<T> => {
    await new Promise<void>((resolve) => void runtime.timers.after(50, resolve));
    if (isClosed) throw new Error('It is closed.');
    return call();
  };
  const [write, remove] = [driver.write.bind(driver), driver.remove.bind(driver)];
  driver.write = (...given) => later(() => write(...given));
  driver.remove = (...given) => later(() => remove(...given));
  driver[Symbol.asyncDispose] = async () => {
    isClosed = true;
  };
  return driver;
}

describe('Closing a store of documents', () => {
  test('waits for sessions that are being closed', async () => {
    const { runtime, service, open, sessions } = stage();
    const store = open(closable(service.driver(), runtime));
    const opening = store.openSession(holder);
    await runtime.advance(100);
    const session = await opening;
    assert.equal(sessions(), 1);
    const closing = Promise.allSettled([session[Symbol.asyncDispose](), store[Symbol.asyncDispose]()]);
    await runtime.advance(1000);
    await closing;
    assert.equal(sessions(), 0);
  });

  test('ends sessions that are being opened, and opens none any more', async () => {
    const { runtime, service, open, sessions } = stage();
    const store = open(closable(service.driver(), runtime));
    const opening = store.openSession(holder);
    const closing = store[Symbol.asyncDispose]();
    await assert.rejects(store.openSession(holder), { code: 'closed' });
    await runtime.advance(1000);
    await closing;
    await assert.rejects((await opening).renew(), { code: 'lease-lost' });
    assert.equal(sessions(), 0);
  });

  test('ends a session whose opening was given up, when it has come about', async () => {
    const { runtime, service, open, sessions } = stage();
    const store = open(closable(service.driver(), runtime));
    const giving = new AbortController();
    const opening = store.openSession({ ...holder, signal: giving.signal });
    await runtime.advance(25);
    giving.abort();
    await assert.rejects(opening, { code: 'aborted', outcome: 'unknown' });
    const closing = store[Symbol.asyncDispose]();
    await runtime.advance(25);
    assert.equal(sessions(), 1);
    await runtime.advance(1000);
    await closing;
    assert.equal(sessions(), 0);
  });

  test('ends the stream of changes, although somebody still looks at what it showed', async () => {
    const { runtime, service, open } = stage(true);
    const driver = service.driver();
    let given: AbortSignal | undefined;
    const changes = driver.changes?.bind(driver);
    driver.changes = (signal) => {
      given = signal;
      return changes?.(signal) ?? assert.fail();
    };
    const store = open(driver);
    const { signal } = new AbortController();
    await store.watchAll?.('', { signal })[Symbol.asyncIterator]().next();
    await runtime.advance(0);
    assert.equal(given?.aborted, false);
    await store[Symbol.asyncDispose]();
    assert.equal(given?.aborted, true);
  });

  test('leaves no timer, nor does the last who waited', async () => {
    const { runtime, service, open } = stage();
    const store = open(service.driver());
    const stop = new AbortController();
    const watching = (async () => {
      for await (const _ of store.watch('job', stop)) {
        // Until it ends.
      }
    })();
    await runtime.advance(500);
    assert(runtime.clock.nextTimerMs() !== undefined);
    stop.abort();
    await watching;
    // It is forgotten in the turn after, since another might come in this one.
    await runtime.advance(0);
    assert.equal(runtime.clock.nextTimerMs(), undefined);
    await store[Symbol.asyncDispose]();
    assert.equal(runtime.clock.nextTimerMs(), undefined);
  });
});

test('A stream of changes that ends as soon as it has begun is asked for less and less often', async () => {
  const { runtime, service, open } = stage(true);
  const driver = service.driver();
  let begun = 0;
  driver.changes = async function* (): AsyncGenerator<DocumentChange, void, undefined> {
    begun += 1;
    yield 'all';
  };
  const store = open(driver);
  const stop = new AbortController();
  const watching = (async () => {
    for await (const _ of store.watch('job', stop)) {
      // Until it ends.
    }
  })();
  await runtime.advance(20_000);
  assert(begun > 1 && begun < 20, `${begun} times`);
  stop.abort();
  await watching;
  await store[Symbol.asyncDispose]();
});

test('A call that waits for a driver still connecting is told that the store was closed', async () => {
  const { service, open } = stage(false);
  const driver = service.driver();
  driver.open = () => new Promise(() => {});
  const store = open(driver);
  const refused = assert.rejects(store.read('job'), { code: 'closed', outcome: 'not-applied' });
  await store[Symbol.asyncDispose]();
  await refused;
});
