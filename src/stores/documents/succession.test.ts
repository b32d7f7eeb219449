import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LeaseStore, StoreSession } from '../../election/store.ts';
import { manualRuntime, settle } from '../../runtime/testing.ts';
import type { DocumentDriver } from './index.ts';
import { documentStore } from './index.ts';
import { MemoryService } from './testing.ts';

const name = 'job';
const asked = { metadata: '', priority: 0 };

/** A store whose looks at sessions can be kept from being answered. */
function stage() {
  const runtime = manualRuntime();
  const service = new MemoryService({ runtime, ownsClock: true, tells: true, many: true });
  const driver = service.driver();
  let held: Promise<void> = Promise.resolve();
  let letThrough = () => {};
  const slow: DocumentDriver = {
    description: driver.description,
    traits: driver.traits,
    read: async (key, bounds) => {
      if (key.kind === 'session') await held;
      return await driver.read(key, bounds);
    },
    readMany: async (keys, bounds) => {
      if (keys.some(({ kind }) => kind === 'session')) await held;
      return (await driver.readMany?.(keys, bounds)) ?? [];
    },
    write: (key, text, write, bounds) => driver.write(key, text, write, bounds),
    remove: (key, version, bounds) => driver.remove(key, version, bounds),
    changes: (signal) => driver.changes?.(signal) ?? (async function* () {})(),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  };
  const hold = () => {
    held = new Promise((resolve) => {
      letThrough = resolve;
    });
  };
  return {
    ...{ runtime, service, hold, letThrough: () => letThrough() },
    slow: documentStore(slow, { runtime }),
    other: documentStore(service.driver(), { runtime }),
  };
}

async function opened(store: LeaseStore, holder: string, ttlMs = 60_000): Promise<StoreSession> {
  return await store.openSession({ holder, ttlMs });
}

async function led(session: StoreSession): Promise<number> {
  const outcome = await session.acquire(name, asked);
  assert(outcome.status === 'acquired', `${session.holder} leads`);
  return outcome.token;
}

describe('A release in documents', () => {
  test('makes the next one lead before anybody asks whether that one is alive', async () => {
    const { slow, other, hold, letThrough } = stage();
    const first = await opened(slow, 'first');
    const token = await led(first);
    const second = await opened(other, 'second');
    const queued = await second.acquire(name, asked);
    assert(queued.status === 'waiting');
    const turn = second.waitForTurn(name, queued, { signal: new AbortController().signal });
    hold();
    assert.equal(await first.release(name, token), true);
    const given = await turn;
    assert(given && given.token > token);
    letThrough();
    assert.equal((await other.read(name)).leader?.token, given.token);
  });

  test('passes over a next one that turns out to be over, soon after', async () => {
    const { slow, other, runtime } = stage();
    const first = await opened(slow, 'first');
    const token = await led(first);
    const [dead, alive] = [await opened(other, 'dead', 1000), await opened(other, 'alive')];
    await dead.acquire(name, asked);
    await alive.acquire(name, asked);
    await runtime.advance(1001);
    assert.equal(await first.release(name, token), true);
    await runtime.advance(20);
    const { leader, waiting } = await other.read(name);
    assert.deepEqual([leader?.holder, waiting], ['alive', []]);
    assert((leader?.token ?? 0) > token);
    await assert.rejects(dead.renew(), { code: 'lease-lost' });
  });

  test('passes over one that is over before its own session has ended', async () => {
    const { slow, other, runtime } = stage();
    const first = await opened(slow, 'first');
    const token = await led(first);
    const [dead, alive] = [await opened(other, 'dead', 1000), await opened(other, 'alive')];
    await dead.acquire(name, asked);
    await alive.acquire(name, asked);
    await runtime.advance(1001);
    assert.equal(await first.release(name, token), true);
    await first[Symbol.asyncDispose]();
    assert.equal((await other.read(name)).leader?.holder, 'alive');
  });

  test('leaves alone who came to lead while it was found that the next one is over', async () => {
    const { slow, other, runtime, hold, letThrough } = stage();
    const first = await opened(slow, 'first');
    const token = await led(first);
    const [dead, alive] = [await opened(other, 'dead', 1000), await opened(other, 'alive')];
    await dead.acquire(name, asked);
    await runtime.advance(1001);
    hold();
    assert.equal(await first.release(name, token), true);
    const next = await led(alive);
    letThrough();
    await first[Symbol.asyncDispose]();
    assert.equal((await other.read(name)).leader?.token, next);
  });

  test('stands although nobody can say whether the next one is alive', async () => {
    const { slow, other, runtime, hold } = stage();
    const first = await opened(slow, 'first');
    const token = await led(first);
    const second = await opened(other, 'second');
    await second.acquire(name, asked);
    hold();
    assert.equal(await first.release(name, token), true);
    await runtime.advance(20_000);
    assert.equal((await other.read(name)).leader?.holder, 'second');
  });
});

describe('A service that tells who came to lead', () => {
  /** One leads, the other waits on a store whose reads of the election can be kept from being answered. */
  async function stageOfTwo({
    record,
    open,
  }: {
    readonly record?: Uint8Array;
    readonly open?: boolean;
  } = {}) {
    const runtime = manualRuntime();
    const about = { ownsClock: true, tells: true, many: false, tellsLed: true, open };
    const service = new MemoryService({ runtime, ...about });
    const driver = service.driver();
    let held = Promise.withResolvers<void>();
    held.resolve();
    const read: DocumentDriver['read'] = async (key, bounds) => {
      if (key.kind === 'election') await held.promise;
      return await driver.read(key, bounds);
    };
    const first = await opened(documentStore(service.driver(), { runtime }), 'first');
    const token = await led(first);
    if (record !== undefined) assert.equal(await first.writeRecord(name, token, record), true);
    const second = await opened(
      documentStore(Object.assign(service.driver(), { read }), { runtime }),
      'second',
    );
    const queued = await second.acquire(name, asked);
    assert(queued.status === 'waiting');
    const stop = new AbortController();
    const wait = () => second.waitForTurn(name, queued, { signal: stop.signal });
    const hold = () => {
      held = Promise.withResolvers();
    };
    return { runtime, service, first, second, token, wait, stop, hold, letThrough: () => held.resolve() };
  }

  test('lets the next one lead without reading', async () => {
    const { runtime, service, first, token, wait, hold } = await stageOfTwo();
    const turn = wait();
    await runtime.advance(0);
    hold();
    assert.equal(await first.release(name, token), true);
    const given = await turn;
    assert(given?.status === 'acquired' && given.token > token);
    const { text = '{}' } = service.read({ kind: 'election', name }) ?? {};
    assert.deepEqual(JSON.parse(text).leader.token, given.token);
  });

  test('is believed where anybody may tell only if the leader that gave up proves it', async () => {
    const { runtime, service, first, second, token, wait, hold } = await stageOfTwo({ open: true });
    const turn = wait();
    let settled = false;
    turn.then(() => {
      settled = true;
    });
    await runtime.advance(0);
    const forged = { session: second.id, version: 10_000 };
    for (const proof of [undefined, 'A'.repeat(43)]) {
      service.tell({ kind: 'election', name, led: { ...forged, proof } });
    }
    await runtime.advance(10);
    assert.equal(settled, false);
    hold();
    assert.equal(await first.release(name, token), true);
    const given = await turn;
    assert(given?.status === 'acquired' && given.token > token && given.token < forged.version);
  });

  test('lets it read all the same where there is a record', async () => {
    const { runtime, first, token, wait, hold, letThrough } = await stageOfTwo({ record: Uint8Array.of(7) });
    const turn = wait();
    let settled = false;
    turn.then(() => {
      settled = true;
    });
    await runtime.advance(0);
    hold();
    assert.equal(await first.release(name, token), true);
    await runtime.advance(0);
    assert.equal(settled, false);
    letThrough();
    assert.deepEqual((await turn)?.record, Uint8Array.of(7));
  });

  test('is not heard by another session, nor when it tells late of an earlier turn', async () => {
    const { runtime, service, second, token, wait, stop } = await stageOfTwo();
    const turn = wait();
    let settled = false;
    const done = () => {
      settled = true;
    };
    turn.then(done, done);
    await runtime.advance(0);
    service.tell({ kind: 'election', name, led: { session: 'f'.repeat(32), version: 10_000 } });
    service.tell({ kind: 'election', name, led: { session: second.id, version: token } });
    await runtime.advance(10);
    assert.equal(settled, false);
    stop.abort();
    await assert.rejects(turn, { code: 'aborted' });
  });
});

test('A look that the service asked for by a change takes what that shows; others ask for the latest', async () => {
  const runtime = manualRuntime();
  const service = new MemoryService({ runtime, ownsClock: true, tells: true, many: true });
  const driver = service.driver();
  const asked: (boolean | undefined)[] = [];
  const read: DocumentDriver['read'] = (key, bounds) => {
    if (key.kind === 'election') asked.push(bounds.asTold);
    return driver.read(key, bounds);
  };
  const watching = documentStore(Object.assign(service.driver(), { read }), { runtime });
  const stop = new AbortController();
  const states = watching.watch(name, { signal: stop.signal })[Symbol.asyncIterator]();
  await settle(runtime, states.next());
  assert(asked.length > 0 && asked.every((asTold) => asTold !== true), 'to begin with');
  asked.length = 0;
  service.tell({ kind: 'election', name });
  await runtime.advance(10);
  assert.deepEqual(asked, [true], 'told of a change');
  asked.length = 0;
  service.tell('all');
  await runtime.advance(10);
  assert.deepEqual(asked, [false], 'told that anything may have changed');
  asked.length = 0;
  await runtime.advance(15_000);
  assert(asked.length > 0 && asked.every((asTold) => asTold === false), 'looking all the same');
  asked.length = 0;
  await settle(runtime, watching.read(name));
  assert.deepEqual(asked, [undefined], 'a read');
  stop.abort();
  await runtime.advance(10);
});
