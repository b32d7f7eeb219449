import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LeaseStore, StoreSession } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import { manualRuntime, settle } from '../../runtime/testing.ts';
import { documentStore } from './index.ts';
import { MemoryService, type MemoryServiceOptions } from './testing.ts';

const name = 'job';
const election = { kind: 'election', name } as const;
const once = { metadata: '', priority: 0 };

function stage(options: Partial<MemoryServiceOptions> = {}) {
  const runtime = manualRuntime();
  const service = new MemoryService({ runtime, ownsClock: true, tells: true, many: true, ...options });
  const open = () => documentStore(service.driver(), { runtime, pollMs: 100 });
  return { runtime, service, open };
}

async function token(session: StoreSession): Promise<number> {
  const outcome = await session.acquire(name, once);
  assert(outcome.status === 'acquired', `${session.holder} leads`);
  return outcome.token;
}

const holders = async (store: LeaseStore) => {
  const { leader, waiting } = await store.read(name);
  return [leader?.holder, ...waiting.map(({ holder }) => holder)];
};

describe('A store of documents', () => {
  test('does not let a place in the queue arrive after it was withdrawn', async () => {
    const { service, open } = stage();
    const store = open();
    const first = await store.openSession({ holder: 'first', ttlMs: 1000 });
    await token(first);
    const second = await store.openSession({ holder: 'second', ttlMs: 1000 });
    service.writes.push('late');
    await assert.rejects(second.acquire(name, once), { code: 'timeout' });
    await second.withdraw(name);
    for (const write of service.late) write();
    assert.deepEqual(await holders(store), ['first']);
  });

  test('does not let a first leadership arrive after it was withdrawn', async () => {
    const { service, open } = stage();
    const store = open();
    const session = await store.openSession({ holder: 'first', ttlMs: 1000 });
    // The document is begun and the counter raised first.
    service.writes.push(undefined, undefined, 'late');
    await assert.rejects(session.acquire(name, once), { code: 'timeout' });
    await session.withdraw(name);
    for (const write of service.late) write();
    assert.deepEqual(await holders(store), [undefined]);
  });

  test('takes an attempt that a withdrawal overtook for none', async () => {
    const { open } = stage();
    const store = open();
    const first = await store.openSession({ holder: 'first', ttlMs: 1000 });
    await token(first);
    const second = await store.openSession({ holder: 'second', ttlMs: 1000 });
    const acquiring = second.acquire(name, once);
    await second.withdraw(name);
    await acquiring.catch((error: unknown) => assert(ConclaveError.is(error, 'aborted')));
    assert.deepEqual(await holders(store), ['first']);
  });

  test('finds out that a renewal whose answer was lost took place', async () => {
    const { service, open, runtime } = stage();
    const session = await open().openSession({ holder: 'first', ttlMs: 1000 });
    service.writes.push('lost');
    await assert.rejects(session.renew(), { code: 'timeout' });
    await runtime.advance(900);
    await session.renew();
    await runtime.advance(900);
    await session.renew();
  });

  test('a session that others ended cannot be renewed, nor come back by a late renewal', async () => {
    const { service, open, runtime } = stage();
    const [one, two] = [open(), open()];
    const first = await one.openSession({ holder: 'first', ttlMs: 1000 });
    const before = await token(first);
    service.writes.push('late');
    await assert.rejects(first.renew(), { code: 'timeout' });
    await runtime.advance(1001);
    const second = await two.openSession({ holder: 'second', ttlMs: 1000 });
    assert((await token(second)) > before);
    for (const write of service.late) write();
    await assert.rejects(first.renew(), { code: 'lease-lost' });
    assert.equal(await first.proclaim(name, before, 'ghost').catch(() => false), false);
    assert.deepEqual(await holders(two), ['second']);
  });

  test('tokens rise although an outsider deleted the election', async () => {
    const { service, open } = stage();
    const store = open();
    const session = await store.openSession({ holder: 'first', ttlMs: 1000 });
    let last = 0;
    for (let round = 0; round < 5; round++) {
      const next = await token(session);
      assert(next > last);
      last = next;
      await session.proclaim(name, next, `round ${round}`);
      service.wipe(election);
    }
  });

  test('tokens rise past the size of a generation', async () => {
    const { open } = stage();
    const session = await open().openSession({ holder: 'first', ttlMs: 100_000 });
    let last = await token(session);
    for (let round = 0; round < 1100; round++) {
      assert(await session.release(name, last));
      const next = await token(session);
      assert(next > last, `${next} came after ${last}`);
      last = next;
    }
  });

  test('who waits judges by clocks of their own where the service has none, and never early', async () => {
    const { open, runtime } = stage({ ownsClock: false, tells: false });
    const [one, two] = [open(), open()];
    const first = await one.openSession({ holder: 'first', ttlMs: 1000 });
    await token(first);
    const second = await two.openSession({ holder: 'second', ttlMs: 100_000 });
    for (let elapsedMs = 0; elapsedMs < 5000; elapsedMs += 500) {
      await first.renew();
      await runtime.advance(500);
      assert.equal((await second.acquire(name, once)).status, 'waiting');
    }
    // Seen for the first time just now, since it was renewed: it has all its time.
    await first.renew();
    await second.acquire(name, once);
    await runtime.advance(999);
    assert.equal((await second.acquire(name, once)).status, 'waiting');
    await runtime.advance(2);
    assert.equal((await second.acquire(name, once)).status, 'acquired');
  });

  test('a renewal between the last look and the end of a session saves it', async () => {
    const { service, open, runtime } = stage();
    const [one, two] = [open(), open()];
    const first = await one.openSession({ holder: 'first', ttlMs: 1000 });
    await token(first);
    const second = await two.openSession({ holder: 'second', ttlMs: 100_000 });
    await runtime.advance(999);
    // The service's clock steps on: it believes that the time is over, while the owner renews.
    service.clockOffsetMs = 10;
    const racing = [second.acquire(name, once), first.renew().catch(() => {})] as const;
    const [outcome] = await settle(runtime, Promise.all(racing));
    const { leader } = await two.read(name);
    assert.equal(leader?.holder, outcome.status === 'acquired' ? 'second' : 'first');
  });

  test('the first in the queue leads although it is dead only until that is known', async () => {
    const { open, runtime } = stage();
    const store = open();
    const first = await store.openSession({ holder: 'first', ttlMs: 100_000 });
    const before = await token(first);
    const dead = await store.openSession({ holder: 'dead', ttlMs: 1000 });
    await dead.acquire(name, once);
    const alive = await store.openSession({ holder: 'alive', ttlMs: 100_000 });
    await alive.acquire(name, once);
    await runtime.advance(1001);
    assert(await first.release(name, before));
    await runtime.advance(20);
    assert.deepEqual(await holders(store), ['alive']);
  });

  test('looks at a thousand elections that wait with few requests', async () => {
    for (const tells of [true, false]) {
      const { service, open, runtime } = stage({ tells });
      const store = open();
      const stop = new AbortController();
      const names = Array.from({ length: 1000 }, (_, at) => `job ${at}`);
      const seen = new Set<string>();
      const watching = names.map(async (one) => {
        for await (const _ of store.watch(one, { signal: stop.signal })) seen.add(one);
      });
      await runtime.advance(20_000);
      assert.equal(seen.size, names.length);
      service.requests = 0;
      await runtime.advance(60_000);
      assert(service.requests <= 60 * 20, `${service.requests} requests in a minute`);
      assert(service.requests > 0);
      stop.abort();
      await Promise.all(watching);
      await store[Symbol.asyncDispose]();
    }
  });

  test('renews a thousand sessions with few requests, each for itself', async () => {
    const { service, open, runtime } = stage();
    const store = open();
    const opening = Array.from({ length: 1000 }, (_, at) =>
      store.openSession({ holder: `holder ${at}`, ttlMs: 10_000 }),
    );
    const sessions = await settle(runtime, Promise.all(opening));
    const lost = sessions[500];
    assert(lost !== undefined);
    service.wipe({ kind: 'session', name: lost.id });
    service.requests = 0;
    const outcomes: string[] = [];
    for (const [at, session] of sessions.entries()) {
      runtime.timers.after(at * 3, () => {
        const done = (outcome: string) => void outcomes.push(outcome);
        session.renew().then(
          () => done('renewed'),
          (error: ConclaveError) => done(error.code),
        );
      });
    }
    await runtime.advance(4000);
    assert.equal(outcomes.length, 1000);
    assert.deepEqual(
      outcomes.filter((outcome) => outcome !== 'renewed'),
      ['lease-lost'],
    );
    assert(service.requests < 60, `${service.requests} requests`);
    await runtime.advance(5500);
    await settle(runtime, Promise.all(sessions.filter((one) => one !== lost).map((one) => one.renew())));
  });

  test('leaves what another program wrote as it is, and says so', async () => {
    for (const [text, says] of [
      ['hello', /not written by Conclave/],
      ['{"some":"thing"}', /not written by Conclave/],
      ['{"conclave":2}', /format 2/],
    ] as const) {
      const { service, open } = stage();
      service.write(election, text, { replaces: undefined });
      const store = open();
      const session = await store.openSession({ holder: 'first', ttlMs: 1000 });
      await assert.rejects(session.acquire(name, once), { code: 'data-incompatible', message: says });
      await assert.rejects(store.read(name), { code: 'data-incompatible' });
      assert.equal(service.read(election)?.text, text);
    }
  });

  test('tells those who wait what is wrong, and goes on when it is mended', async () => {
    const { service, open, runtime } = stage({ tells: false });
    const store = open();
    const first = await store.openSession({ holder: 'first', ttlMs: 1000 });
    const before = await token(first);
    const second = await store.openSession({ holder: 'second', ttlMs: 100_000 });
    const outcome = await second.acquire(name, once);
    assert(outcome.status === 'waiting');
    const { signal } = new AbortController();
    const waiting = second.waitForTurn(name, outcome, { signal });
    await runtime.advance(0);
    service.down = true;
    const failed = assert.rejects(waiting, { code: 'unavailable', retryable: true });
    await runtime.advance(500);
    await failed;
    service.down = false;
    const again = second.waitForTurn(name, outcome, { signal });
    await first.release(name, before);
    await runtime.advance(500);
    assert.equal((await again)?.status, 'acquired');
  });

  test('a call that its service never answers ends in its time, or with its signal', async () => {
    const { service, runtime } = stage();
    const driver = service.driver();
    driver.read = () => new Promise(() => {});
    const store = documentStore(driver, { runtime });
    const timing = assert.rejects(store.read(name, { timeoutMs: 50 }), {
      code: 'timeout',
      outcome: 'not-applied',
    });
    await runtime.advance(51);
    await timing;
    const stop = new AbortController();
    const aborting = assert.rejects(store.read(name, { signal: stop.signal }), { code: 'aborted' });
    stop.abort();
    await aborting;
    await store[Symbol.asyncDispose]();
    await assert.rejects(store.read(name), { code: 'closed' });
  });

  test('closing ends sessions, waits and watches', async () => {
    const { service, open, runtime } = stage();
    const store = open();
    const first = await store.openSession({ holder: 'first', ttlMs: 1000 });
    await token(first);
    const { signal } = new AbortController();
    const watching = (async () => {
      for await (const _ of store.watch(name, { signal })) {
        // Until it ends.
      }
    })();
    await runtime.advance(0);
    const ended = assert.rejects(watching, { code: 'closed' });
    await store[Symbol.asyncDispose]();
    await ended;
    assert.deepEqual(await holders(open()), [undefined]);
    assert.equal([...service.rows.values()].filter(({ kind }) => kind === 'session').length, 0);
  });
});
