import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { manualRuntime, settle } from '../../runtime/testing.ts';
import type { DocumentDriver } from './driver.ts';
import { documentStore } from './index.ts';
import { MemoryService } from './testing.ts';

const name = 'job';
const once = { metadata: '', priority: 0 };

function stage(many: boolean) {
  const runtime = manualRuntime();
  const service = new MemoryService({ runtime, ownsClock: true, tells: false, many });
  const driver = service.driver();
  const open = (given: DocumentDriver = driver) => documentStore(given, { runtime, pollMs: 100 });
  return { runtime, service, driver, open };
}

/** Places of sessions that are over. */
const deadPlaces = (count: number) =>
  Array.from({ length: count }, (_, at) => ({
    session: at.toString(16).padStart(32, '0'),
    holder: `dead ${at}`,
    metadata: '',
    priority: 0,
    order: 2,
  }));

describe('A store of documents with many who wait', () => {
  for (const many of [true, false])
    test(`looks at few of a long queue, and never lets one lead who is over, ${many ? 'many' : 'one'} at a time`, async () => {
      const { runtime, service, open } = stage(many);
      const store = open();
      const first = await store.openSession({ holder: 'first', ttlMs: 1_000_000 });
      const leader = { session: first.id, holder: 'first', token: 3, metadata: '' };
      const document = { conclave: 1, write: 'x', version: 3, leader, waiting: deadPlaces(2000) };
      service.write({ kind: 'election', name }, JSON.stringify(document), { replaces: undefined });
      const second = await store.openSession({ holder: 'second', ttlMs: 1_000_000 });
      service.requests = 0;
      assert.equal((await settle(runtime, second.acquire(name, once))).status, 'waiting');
      assert(service.requests < 30, `${service.requests} requests`);
      assert(await settle(runtime, first.release(name, 3)));
      assert.equal((await settle(runtime, second.acquire(name, once))).status, 'acquired');
      const { leader: now, waiting } = await settle(runtime, store.read(name));
      assert.deepEqual([now?.holder, waiting], ['second', []]);
    });

  test('raises the counter by one request after the other, so that nobody is in their own way', async () => {
    const { runtime, driver, open } = stage(false);
    let underWay = 0;
    let most = 0;
    const [read, write] = [driver.read.bind(driver), driver.write.bind(driver)];
    const slowly = async <T>(kind: string, call: () => Promise<T>): Promise<T> => {
      if (kind !== 'counter') return call();
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise<void>((resolve) => void runtime.timers.after(20, resolve));
      underWay -= 1;
      return call();
    };
    driver.read = (key, bounds) => slowly(key.kind, () => read(key, bounds));
    driver.write = (key, text, how, bounds) => slowly(key.kind, () => write(key, text, how, bounds));
    const store = open(driver);
    const session = await settle(runtime, store.openSession({ holder: 'first', ttlMs: 1_000_000 }));
    const acquiring = Array.from({ length: 50 }, async (_, at) => {
      await new Promise<void>((resolve) => void runtime.timers.after(at, resolve));
      return session.acquire(`job-${at}`, once);
    });
    const outcomes = await settle(runtime, Promise.all(acquiring));
    assert(outcomes.every(({ status }) => status === 'acquired'));
    assert.equal(most, 1);
  });

  test('has few requests under way at once, however much there is to look at', async () => {
    const { runtime, service, driver, open } = stage(false);
    let underWay = 0;
    let most = 0;
    const read = driver.read.bind(driver);
    driver.read = async (key, bounds) => {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise<void>((resolve) => void runtime.timers.after(5, resolve));
      underWay -= 1;
      return read(key, bounds);
    };
    const document = { conclave: 1, write: 'x', version: 3, waiting: deadPlaces(300) };
    service.write({ kind: 'election', name }, JSON.stringify(document), { replaces: undefined });
    const store = open(driver);
    assert.deepEqual((await settle(runtime, store.read(name))).waiting, []);
    const stop = new AbortController();
    const seen = new Set<string>();
    const watching = Array.from({ length: 500 }, async (_, at) => {
      for await (const _ of store.watch(`job ${at}`, stop)) seen.add(`job ${at}`);
    });
    await runtime.advance(20_000);
    assert.equal(seen.size, 500);
    assert(most > 1 && most <= 16, `${most} at once`);
    stop.abort();
    await Promise.all(watching);
    await store[Symbol.asyncDispose]();
  });

  test('gives up in its time where others are faster each time', async () => {
    const { runtime, driver, open } = stage(true);
    const write = driver.write.bind(driver);
    driver.write = async (key, ...given) =>
      key.kind === 'election' && given[1].replaces !== undefined ? undefined : write(key, ...given);
    const session = await open(driver).openSession({ holder: 'first', ttlMs: 100_000 });
    const acquiring = assert.rejects(session.acquire(name, { ...once, timeoutMs: 2000 }), {
      code: 'timeout',
      outcome: 'not-applied',
      retryable: true,
    });
    await runtime.advance(3000);
    let isSettled = false;
    void acquiring.then(() => {
      isSettled = true;
    });
    await runtime.advance(0);
    assert(isSettled);
  });
});
