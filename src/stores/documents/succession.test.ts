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
  test('makes the next one lead before it is known whether that one is alive', async () => {
    const { slow, other, hold, letThrough } = stage();
    const first = await opened(slow, 'first');
    const token = await led(first);
    const second = await opened(other, 'second');
    const queued = await second.acquire(name, asked);
    assert(queued.status === 'waiting');
    const turn = second.waitForTurn(name, queued, { signal: new AbortController().signal });
    hold();
    const release = first.release(name, token);
    const given = await turn;
    assert(given && given.token > token);
    letThrough();
    assert.equal(await release, true);
    assert.equal((await other.read(name)).leader?.token, given.token);
  });

  test('passes over a next one that turns out to be over, before it returns', async () => {
    const { slow, other, runtime } = stage();
    const first = await opened(slow, 'first');
    const token = await led(first);
    const [dead, alive] = [await opened(other, 'dead', 1000), await opened(other, 'alive')];
    await dead.acquire(name, asked);
    await alive.acquire(name, asked);
    await runtime.advance(1001);
    assert.equal(await first.release(name, token), true);
    const { leader, waiting } = await other.read(name);
    assert.deepEqual([leader?.holder, waiting], ['alive', []]);
    assert((leader?.token ?? 0) > token);
    await assert.rejects(dead.renew(), { code: 'lease-lost' });
  });

  test('leaves alone who came to lead while it was found that the next one is over', async () => {
    const { slow, other, runtime, hold, letThrough } = stage();
    const first = await opened(slow, 'first');
    const token = await led(first);
    const [dead, alive] = [await opened(other, 'dead', 1000), await opened(other, 'alive')];
    await dead.acquire(name, asked);
    await runtime.advance(1001);
    hold();
    const release = first.release(name, token);
    await settle(
      runtime,
      (async () => {
        while ((await other.read(name)).leader !== undefined);
      })(),
    );
    const next = await led(alive);
    letThrough();
    assert.equal(await release, true);
    assert.equal((await other.read(name)).leader?.token, next);
  });

  test('stands although nobody can say whether the next one is alive', async () => {
    const { slow, other, runtime, hold } = stage();
    const first = await opened(slow, 'first');
    const token = await led(first);
    const second = await opened(other, 'second');
    await second.acquire(name, asked);
    hold();
    const release = first.release(name, token, { timeoutMs: 1000 });
    assert.equal(await settle(runtime, release), true);
    assert.equal((await other.read(name)).leader?.holder, 'second');
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
