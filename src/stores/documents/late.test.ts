import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LeaseStore, StoreSession } from '../../election/store.ts';
import { manualRuntime, settle } from '../../runtime/testing.ts';
import type { DocumentDriver } from './driver.ts';
import { documentStore } from './index.ts';
import { MemoryService } from './testing.ts';

const name = 'job';
const election = { kind: 'election', name } as const;
const counter = { kind: 'counter', name: '' } as const;
const once = { metadata: '', priority: 0 };

function stage() {
  const runtime = manualRuntime();
  const service = new MemoryService({ runtime, ownsClock: true, tells: false, many: true });
  const open = (driver: DocumentDriver = service.driver()) => documentStore(driver, { runtime, pollMs: 100 });
  return { runtime, service, open };
}

async function token(session: StoreSession, of = name): Promise<number> {
  const outcome = await session.acquire(of, once);
  assert(outcome.status === 'acquired', `${session.holder} leads`);
  return outcome.token;
}

const holders = async (store: LeaseStore) => {
  const { leader, waiting } = await store.read(name);
  return [leader?.holder, ...waiting.map(({ holder }) => holder)];
};

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

describe('Requests to documents that come late or twice', () => {
  for (const writesBefore of [0, 1, 2])
    test(`no token falls when write ${writesBefore + 1} of a first leadership arrives after others led and the election was deleted`, async () => {
      const { service, open } = stage();
      const [first, second] = [
        await open().openSession({ holder: 'first', ttlMs: 100_000 }),
        await open().openSession({ holder: 'second', ttlMs: 100_000 }),
      ];
      service.writes.push(...Array.from({ length: writesBefore }, () => undefined), 'late');
      await assert.rejects(first.acquire(name, once), { code: 'timeout' });
      let last = await token(second);
      assert(await second.release(name, last));
      service.wipe(election);
      for (const write of service.late) write();
      for (const session of [first, second]) {
        const next = await token(session);
        assert(next > last, `${next} came after ${last}`);
        assert(await session.release(name, next));
        last = next;
      }
    });

  test('a withdrawal holds although an attempt was about to be written', async () => {
    const { service, open, runtime } = stage();
    const store = open();
    const first = await store.openSession({ holder: 'first', ttlMs: 100_000 });
    await token(first);
    const { open: letGo, opened } = gate();
    const slow = service.driver();
    const read = slow.read.bind(slow);
    slow.read = async (key, bounds) => {
      const found = await read(key, bounds);
      if (key.kind === 'session') await opened;
      return found;
    };
    const second = await open(slow).openSession({ holder: 'second', ttlMs: 100_000 });
    const acquiring = assert.rejects(second.acquire(name, once), { code: 'aborted', retryable: true });
    await runtime.advance(0);
    await second.withdraw(name);
    letGo();
    await acquiring;
    assert.deepEqual(await holders(store), ['first']);
  });

  test('a session that others ended does not come back with the request that opened it', async () => {
    const { service, open } = stage();
    service.writes.push('twice');
    const first = await open().openSession({ holder: 'first', ttlMs: 1000 });
    await token(first);
    await first.renew();
    // By the clock of the service its time is over, by its own it is not.
    service.clockOffsetMs = 2000;
    const second = await open().openSession({ holder: 'second', ttlMs: 1000 });
    await token(second);
    for (const write of service.late) write();
    await assert.rejects(first.renew(), { code: 'lease-lost' });
    await assert.rejects(first.renew(), { code: 'lease-lost' });
  });

  test('tokens rise although an outsider deleted the counter', async () => {
    const { service, open } = stage();
    const session = await open().openSession({ holder: 'first', ttlMs: 100_000 });
    for (const other of ['a', 'b', 'c']) await token(session, other);
    let last = await token(session);
    service.wipe(counter);
    for (let round = 0; round < 600; round++) {
      assert(await session.release(name, last));
      const next = await token(session);
      assert(next > last, `${next} came after ${last}`);
      last = next;
    }
    service.wipe(election);
    assert((await token(session)) > last);
  });

  test('tokens rise although an outsider deleted everything, for a store that has seen them', async () => {
    const { service, open } = stage();
    const store = open();
    const lead = async (of: LeaseStore) => {
      const session = await of.openSession({ holder: 'one', ttlMs: 100_000 });
      const led = await token(session);
      assert(await session.release(name, led));
      return led;
    };
    const others = await open().openSession({ holder: 'others', ttlMs: 100_000 });
    for (const other of ['a', 'b', 'c']) await token(others, other);
    const first = await lead(store);
    service.rows.clear();
    const second = await lead(store);
    assert(second > first, `${second} came after ${first}`);
    service.rows.clear();
    const byWhoKnowsNothing = await lead(open());
    assert(byWhoKnowsNothing < first);
    const third = await lead(store);
    assert(third > second, `${third} came after ${second}`);
    assert((await lead(open())) > third);
  });

  test('who gives up does not end the attempts of others that need the counter at the same time', async () => {
    const { service, open, runtime } = stage();
    const { open: letGo, opened } = gate();
    const slow = service.driver();
    const read = slow.read.bind(slow);
    slow.read = async (key, bounds) => {
      if (key.kind === 'counter') await opened;
      return read(key, bounds);
    };
    const session = await open(slow).openSession({ holder: 'first', ttlMs: 100_000 });
    const stop = new AbortController();
    const { signal } = stop;
    const given = assert.rejects(session.acquire('a', { ...once, signal }), { code: 'aborted' });
    const kept = token(session, 'b');
    await runtime.advance(0);
    stop.abort();
    await given;
    letGo();
    assert((await kept) > 0);
  });

  test('a renewal that nobody waits for any more fails unheard', async () => {
    const { service, open, runtime } = stage();
    const store = open();
    const opening = Array.from({ length: 10 }, () => store.openSession({ holder: 'h', ttlMs: 10_000 }));
    const [session] = await settle(runtime, Promise.all(opening));
    assert(session !== undefined);
    const unheard: unknown[] = [];
    const hear = (reason: unknown) => void unheard.push(reason);
    process.on('unhandledRejection', hear);
    const stop = new AbortController();
    const first = assert.rejects(session.renew(), { code: 'unavailable' });
    const second = assert.rejects(session.renew({ signal: stop.signal }), { code: 'aborted' });
    stop.abort();
    service.down = true;
    await runtime.advance(1000);
    await Promise.all([first, second]);
    await runtime.advance(1000);
    process.off('unhandledRejection', hear);
    assert.deepEqual(unheard, []);
  });

  test('who waits in the process of the leader learns in time that its lease ran out', async () => {
    const runtime = manualRuntime();
    const service = new MemoryService({ runtime, ownsClock: true, tells: true, many: true });
    const store = documentStore(service.driver(), { runtime });
    const first = await store.openSession({ holder: 'first', ttlMs: 3000 });
    await token(first);
    const second = await store.openSession({ holder: 'second', ttlMs: 100_000 });
    const outcome = await second.acquire(name, once);
    assert(outcome.status === 'waiting');
    const { signal } = new AbortController();
    let isTurn = false;
    void second.waitForTurn(name, outcome, { signal }).then(() => {
      isTurn = true;
    });
    await runtime.advance(2990);
    assert.equal(isTurn, false);
    await runtime.advance(200);
    assert.equal(isTurn, true);
    await token(second);
  });

  test('the counter of a slow service has as long as calls to that store have', async () => {
    const { runtime, service } = stage();
    const driver = service.driver();
    const read = driver.read.bind(driver);
    driver.read = async (key, bounds) => {
      if (key.kind === 'counter') await new Promise<void>((done) => void runtime.timers.after(15_000, done));
      return await read(key, bounds);
    };
    const store = documentStore(driver, { runtime, pollMs: 100, timeoutMs: 60_000 });
    const session = await store.openSession({ holder: 'first', ttlMs: 100_000 });
    assert((await settle(runtime, token(session), 1000)) > 0);
  });
});
