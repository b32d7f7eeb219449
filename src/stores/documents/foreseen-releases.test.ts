import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StoreSession } from '../../election/store.ts';
import { manualRuntime } from '../../runtime/testing.ts';
import type { DocumentDriver } from './driver.ts';
import { documentStore } from './index.ts';
import { MemoryService, type MemoryServiceOptions } from './testing.ts';

const name = 'job';
const asked = { metadata: '', priority: 0 };

/** One who leads and watches, in a store that tells what its driver does; others come by a store of their own. */
async function stage({ tells = true }: Partial<Pick<MemoryServiceOptions, 'tells'>> = {}) {
  const runtime = manualRuntime();
  const service = new MemoryService({ runtime, ownsClock: true, tells, many: true });
  const driver = service.driver();
  const done: string[] = [];
  const noting: DocumentDriver = {
    description: driver.description,
    traits: driver.traits,
    read: (key, bounds) => {
      done.push(`read ${key.kind}`);
      return driver.read(key, bounds);
    },
    write: (key, text, write, bounds) => driver.write(key, text, write, bounds),
    prepare: (key, text, write) => {
      done.push(`prepare ${key.kind}`);
      return (bounds) => {
        done.push(`send ${key.kind}`);
        return driver.write(key, text, write, bounds);
      };
    },
    remove: (key, version, bounds) => driver.remove(key, version, bounds),
    ...(tells && { changes: (signal) => driver.changes?.(signal) ?? (async function* () {})() }),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  };
  const watched = documentStore(noting, { runtime, pollMs: 10_000 });
  const other = documentStore(service.driver(), { runtime });
  const leader = await watched.openSession({ holder: 'leader', ttlMs: 60_000 });
  const outcome = await leader.acquire(name, asked);
  assert(outcome.status === 'acquired');
  const { token } = outcome;
  const stop = new AbortController();
  const watching = (async () => {
    for await (const _ of watched.watch(name, { signal: stop.signal }));
  })();
  await runtime.advance(0);
  return {
    ...{ runtime, service, done, leader, token },
    opened: (holder: string, ttlMs = 60_000) => other.openSession({ holder, ttlMs }),
    shown: () => other.read(name),
    /** What the driver does from now on. */
    async doneBy(work: () => Promise<unknown>) {
      done.length = 0;
      await work();
      return [...done];
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await watching;
    },
  };
}

async function queues(session: StoreSession, priority = 0): Promise<void> {
  assert.equal((await session.acquire(name, { ...asked, priority })).status, 'waiting');
}

describe('A release that was foreseen', () => {
  test('is made ready when somebody is seen to wait, and only sent when it is called for', async () => {
    await using place = await stage();
    const { leader, token, opened, runtime, doneBy, shown } = place;
    await queues(await opened('next'));
    await runtime.advance(0);
    assert(place.done.includes('prepare election'));
    const sent = await doneBy(async () => assert(await leader.release(name, token)));
    assert.deepEqual(sent.slice(0, 1), ['send election']);
    assert(!sent.includes('prepare election'));
    const { leader: now, waiting } = await shown();
    assert.deepEqual([now?.holder, waiting.length], ['next', 0]);
    assert((now?.token ?? 0) > token);
  });

  test('is made anew where another has come that was not seen', async () => {
    await using place = await stage({ tells: false });
    const { leader, token, opened, runtime, doneBy, shown } = place;
    await queues(await opened('first'));
    await runtime.advance(11_000);
    await queues(await opened('urgent'), 5);
    const sent = await doneBy(async () => assert(await leader.release(name, token)));
    assert.deepEqual(sent.slice(0, 4), [
      'send election',
      'read election',
      'prepare election',
      'send election',
    ]);
    const { leader: now, waiting } = await shown();
    assert.deepEqual([now?.holder, waiting.map(({ holder }) => holder)], ['urgent', ['first']]);
  });

  test('is not that of a release which leaves a record', async () => {
    await using place = await stage();
    const { leader, token, opened, runtime, shown } = place;
    await queues(await opened('next'));
    await runtime.advance(0);
    assert(await leader.release(name, token, { record: Uint8Array.of(1, 2, 3) }));
    const { leader: now, record } = await shown();
    assert.deepEqual([now?.holder, record], ['next', Uint8Array.of(1, 2, 3)]);
  });

  test('is not that of another token, nor of another session', async () => {
    await using place = await stage();
    const { leader, token, opened, runtime, shown } = place;
    const next = await opened('next');
    await queues(next);
    await runtime.advance(0);
    assert.equal(await leader.release(name, token + 1), false);
    assert.equal(await next.release(name, token), false);
    assert.equal((await shown()).leader?.token, token);
  });

  test('does not give way to one who was seen to be over', async () => {
    await using place = await stage();
    const { leader, token, opened, runtime, shown } = place;
    await queues(await opened('dead', 1000));
    await queues(await opened('alive'));
    // Those who wait are all looked at now and then, by the look that comes for safety at the latest.
    await runtime.advance(120_000 / 4);
    assert(await leader.release(name, token));
    await runtime.advance(20);
    assert.equal((await shown()).leader?.holder, 'alive');
  });

  test('is sent once: after an answer that was lost, and after one that comes late, nobody leads twice', async () => {
    for (const fate of ['lost', 'late'] as const) {
      await using place = await stage();
      const { leader, token, opened, runtime, service, shown } = place;
      await queues(await opened('next'));
      await runtime.advance(0);
      service.writes.push(fate);
      await assert.rejects(leader.release(name, token), { code: 'timeout', outcome: 'unknown' });
      assert.equal(await leader.release(name, token), fate === 'late');
      const led = (await shown()).leader;
      assert.equal(led?.holder, 'next');
      for (const write of service.late) assert.equal(write(), undefined);
      assert.deepEqual((await shown()).leader, led);
    }
  });
});
