import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AcquireOutcome, LeaseStore, StoreSession } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import { manualRuntime } from '../../runtime/testing.ts';
import type { Bonds } from './driver.ts';
import { documentStore } from './index.ts';
import { MemoryService } from './testing.ts';

const asked = { metadata: '', priority: 0 };
const ttlMs = 60_000;

/** Bonds that the test ends, and who watches them. */
class TestingBonds implements Bonds {
  readonly watches = new Map<string, ((byHolder: boolean) => void)[]>();
  readonly #broken = new Map<string, AbortController>();
  deaf = false;

  async bind(session: string) {
    const broken = new AbortController();
    this.#broken.set(session, broken);
    const confirm = () => (this.deaf ? Promise.reject(new Error('no answer')) : Promise.resolve());
    return { mark: 'one', broken: broken.signal, confirm, end: async () => broken.abort() };
  }

  endedByHolder(session: string, _mark: string, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const watches = this.watches.get(session) ?? [];
      this.watches.set(session, [...watches, resolve]);
      signal.addEventListener('abort', () => {
        this.watches.set(session, this.watches.get(session)?.filter((one) => one !== resolve) ?? []);
        reject(signal.reason);
      });
    });
  }

  watching(session: StoreSession): number {
    return this.watches.get(session.id)?.length ?? 0;
  }

  /** Of one whose process is gone. */
  end(session: StoreSession, byHolder: boolean): void {
    for (const resolve of this.watches.get(session.id) ?? []) resolve(byHolder);
  }

  break(session: StoreSession): void {
    this.#broken.get(session.id)?.abort();
  }
}

async function stage(graceMs = 0) {
  const runtime = manualRuntime();
  const service = new MemoryService({ runtime, ownsClock: true, tells: true, many: true });
  const bonds = new TestingBonds();
  const store = (): LeaseStore => documentStore(Object.assign(service.driver(), { bonds }), { runtime });
  const first = await store().openSession({ holder: 'first', ttlMs, releaseOnDisconnect: { graceMs } });
  const token = await led(first, 'job');
  const signal = new AbortController();
  /** In the queue, and looking; its token as soon as it leads. */
  const waits = async (holder: string, name = 'job', of = store()) => {
    const session = await of.openSession({ holder, ttlMs: 10 * ttlMs });
    let outcome: AcquireOutcome = await session.acquire(name, asked);
    const waiting: { token?: number } = {};
    void (async () => {
      while (outcome.status === 'waiting') {
        await session.waitForTurn(name, outcome, { signal: signal.signal });
        outcome = await session.acquire(name, asked);
      }
      waiting.token = outcome.token;
    })().catch(() => {});
    await runtime.advance(10);
    return waiting;
  };
  return { runtime, bonds, store, first, token, waits, leave: () => signal.abort() };
}

async function led(session: StoreSession, name: string): Promise<number> {
  const outcome = await session.acquire(name, asked);
  assert(outcome.status === 'acquired', `${session.holder} leads`);
  return outcome.token;
}

describe('A session in documents that is bound to its connection', () => {
  test('is over when its holder ended that, and the next one leads, with a higher token', async () => {
    const { runtime, bonds, first, token, waits } = await stage();
    const next = await waits('second');
    assert.equal(bonds.watching(first), 1);
    bonds.end(first, true);
    await runtime.advance(10);
    assert((next.token ?? 0) > token);
  });

  test('is over only after its grace', async () => {
    const { runtime, bonds, first, waits } = await stage(1000);
    const next = await waits('second');
    bonds.end(first, true);
    await runtime.advance(999);
    assert.equal(next.token, undefined);
    await runtime.advance(10);
    assert(next.token !== undefined);
  });

  test('lives on where nobody can tell who ended it, until its time is over', async () => {
    const { runtime, bonds, first, waits } = await stage();
    const next = await waits('second');
    bonds.end(first, false);
    await runtime.advance(ttlMs - 100);
    assert.equal(next.token, undefined);
    await runtime.advance(1000);
    assert(next.token !== undefined);
  });

  test('is watched by who comes next, once for all elections of a process, and for no longer', async () => {
    const { runtime, bonds, store, first, waits, leave } = await stage();
    await led(first, 'other');
    const second = store();
    await waits('second', 'job', second);
    await waits('third', 'job');
    await waits('fourth', 'other', second);
    assert.equal(bonds.watching(first), 1);
    leave();
    await runtime.advance(10);
    assert.equal(bonds.watching(first), 0);
  });

  test('is left to its time by who cannot watch it at all, and is in the way of no other', async () => {
    const { runtime, bonds, store, waits } = await stage();
    const second = store();
    const told = bonds.endedByHolder.bind(bonds);
    let asked = 0;
    bonds.endedByHolder = async () => {
      asked += 1;
      throw new ConclaveError('unsupported', 'met a pooler');
    };
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) {
      const leader = await store().openSession({ holder: name, ttlMs, releaseOnDisconnect: { graceMs: 0 } });
      await led(leader, name);
      await waits(`next of ${name}`, name, second);
    }
    await runtime.advance(10_000);
    assert.equal(asked, names.length);
    bonds.endedByHolder = told;
    const fifth = await store().openSession({ holder: 'e', ttlMs, releaseOnDisconnect: { graceMs: 0 } });
    await led(fifth, 'e');
    await waits('next of e', 'e', second);
    assert.equal(bonds.watching(fifth), 1);
  });

  test('tells its holder of a break, and is not renewed any more', async () => {
    const { runtime, bonds, first } = await stage(1000);
    const states: string[] = [];
    first.connection?.subscribe((state) => states.push(state));
    bonds.break(first);
    assert.deepEqual(states, ['attached', 'broken']);
    await assert.rejects(first.renew(), { code: 'unavailable' });
    await runtime.advance(1000);
    await assert.rejects(first.renew(), { code: 'lease-lost' });
  });

  test('is renewed only by an answer on its own connection', async () => {
    const { bonds, first } = await stage();
    await first.renew();
    bonds.deaf = true;
    await assert.rejects(first.renew(), { code: 'unavailable' });
    bonds.deaf = false;
    await first.renew();
  });
});
