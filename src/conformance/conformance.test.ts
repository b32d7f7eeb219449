import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import type { Runtime } from '../runtime/types.ts';
import { documentStore } from '../stores/documents/index.ts';
import { MemoryService } from '../stores/documents/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { type ConformanceTarget, conformanceTests, type Fault, faults, faultyStore } from './index.ts';
import { sessionWith, storeWith } from './wrapping.ts';

/** Which test finds which fault (others may, too). */
const foundBy: Record<Fault, string> = {
  'two-leaders': 'the first to come leads and the second waits',
  'token-repeats': 'a token rises after a release, also when nobody was waiting',
  'token-falls': 'a token rises after a lease ran out',
  'lease-over-early': 'a lease is never over early',
  'lease-endless': 'the running out of the leading session wakes a waiter',
  'renewal-without-effect': 'a renewed lease is counted from its last renewal',
  'renewal-after-loss': 'a session that ran out is lost for good and says so',
  'less-time-granted': 'a session is granted at least the time that was asked for',
  'wake-up-lost': 'a release wakes a waiter',
  'wake-up-missed-when-early': 'a release before the waiter began to wait is not missed',
  'wait-ignores-its-signal': 'waiting ends when its signal aborts',
  'acquire-begins-anew': 'acquiring again while leading gives the same leadership',
  'acquire-loses-the-place': 'waiters lead in the order in which they came',
  'release-unguarded': 'a repeated release does not end the next leadership of another',
  'leads-from-memory':
    'the leader on a host that slept for longer than its lease has no say any more, and is not told that it leads',
  'two-of-a-crowd-lead': 'of fifty contenders one leads at a time, each with a higher token',
  'token-restarts-with-its-records': 'a token rises although an outsider deleted the records of its election',
  'holder-taken-for-its-session':
    'a session has no say over the leadership of another, also of the same holder',
  'old-release-promotes': 'a release with an old token makes nobody lead',
  'turn-tells-another-token': 'what waiting for a turn tells of a leadership is what acquiring tells',
  'proclaim-unguarded': 'metadata is not changed with an old token',
  'record-unguarded': 'a record is not written with an old token',
  'record-dies-with-its-session': 'a record outlives the session that wrote it',
  'record-not-written-at-release': 'a release writes its record in the same step',
  'record-of-seven-bits': 'a new election has no record, and a record keeps every byte',
  'hand-off-to-anyone': 'a hand-off to one that does not wait changes nothing',
  'hand-off-to-the-first': 'a hand-off gives the target a higher token, past those who came before it',
  'hand-off-unguarded': 'a repeated hand-off does not disturb the new leader',
  'withdrawal-ignored': 'one who withdrew is not in the way, and may withdraw again',
  'last-come-first-served': 'waiters lead in the order in which they came',
  'priority-ignored': 'waiters of higher priority lead first',
  'closing-ignored': 'one session carries many names, and its closing frees them all',
  'watch-one-change-behind': 'a watch shows each last state, after single changes and after many',
  'watch-shows-only-the-start': 'a watch shows that a lease ran out',
  'read-one-state-behind': 'reading shows nobody, then the leader, then nobody',
  'metadata-in-latin-1': 'metadata comes back as it was given, by acquiring and by proclaiming',
  'names-in-lower-case': 'elections of different names are independent, however odd the names',
  'names-as-paths': 'elections of different names are independent, however odd the names',
  'record-hidden-from-readers': 'reading shows the record, who leads or does not',
  'record-watched-only-at-the-start': 'a watch shows each change of the record, the last one for certain',
  'record-never-forgotten':
    'a record with a time to live is there until then, and forgotten after it when nobody leads',
  'record-forgotten-early':
    'a record with a time to live is there until then, and forgotten after it when nobody leads',
  'transaction-unguarded': 'a transaction with an old token does nothing and says so',
  'transaction-without-its-compares':
    'a transaction takes the branch that its compares say, whatever they look at',
  'transaction-in-reverse':
    'a transaction under the current token writes, reads and deletes in the order given',
  'malformed-transaction-taken': 'a malformed transaction is refused before any effect',
  'watch-of-many-without-the-start':
    'a watch of many elections begins with all there are under the prefix, and no others',
  'watch-of-many-beyond-its-prefix':
    'a watch of many elections begins with all there are under the prefix, and no others',
  'watch-of-many-without-new-elections':
    'a watch of many elections shows the last state of each, also of new ones and those that end',
  'watch-of-many-without-ends': 'a watch of many elections shows that a session ended, in all its elections',
  'watch-of-many-ignores-its-signal': 'a watch of many elections ends when its signal aborts',
  'break-unnoticed': 'a bound session is over soon after its connection broke, and who waits leads',
};

/** Found where records are deleted, or hosts sleep. */
const ofDocuments: readonly (Fault | undefined)[] = ['token-restarts-with-its-records', 'leads-from-memory'];

async function failures(fault: Fault | undefined): Promise<string[]> {
  if (ofDocuments.includes(fault)) return failuresOfDocuments(fault);
  const runtime = manualRuntime();
  const open = async () => {
    const store = memoryStore({ runtime });
    return {
      store: fault === undefined ? store : faultyStore(store, fault),
      passTime: (ms: number) => runtime.advance(ms),
      breakConnection: (holder: string) => store.breakConnections(holder),
      restoreConnection: (holder: string) => store.restoreConnections(holder),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  };
  const failed: string[] = [];
  for (const { name, run } of conformanceTests(open, { runtime })) await run().catch(() => failed.push(name));
  return failed;
}

type Changes = Partial<ConformanceTarget> & {
  readonly forgets?: boolean;
  readonly ownsClock?: boolean;
  /** What a store of the suite's hosts makes of the clocks there. */
  readonly onHost?: (runtime: Runtime) => Runtime;
};

/** A store whose service can be stopped, and whose records an outsider can delete. */
async function failuresOfDocuments(fault?: Fault, changes: Changes = {}): Promise<string[]> {
  const runtime = manualRuntime();
  const { forgets = false, ownsClock = true, onHost = (host) => host, ...rest } = changes;
  const open = async () => {
    const service = new MemoryService({ runtime, ownsClock, tells: true, many: true });
    const connect = (machine: Runtime = runtime) => {
      const store = documentStore(service.driver(), { runtime: machine });
      return fault === undefined ? store : faultyStore(store, fault);
    };
    const store = connect();
    return {
      store,
      another: async () => connect(),
      anotherOn: async (host: Runtime) => connect(onHost(host)),
      passTime: (ms: number) => runtime.advance(ms),
      deleteRecords: async (name: string) => service.wipe({ kind: 'election', name }),
      stopService: async () => {
        service.down = true;
        if (forgets) service.rows.clear();
      },
      startService: async () => {
        service.down = false;
      },
      requests: () => service.requests,
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
      ...rest,
    };
  };
  const failed: string[] = [];
  const skipped: string[] = [];
  for (const { name, run } of conformanceTests(open, { runtime })) {
    await run().then(
      (outcome) => outcome.skipped === undefined || skipped.push(`${name}: ${outcome.skipped}`),
      () => failed.push(name),
    );
  }
  assert(!skipped.some((line) => /the target cannot (stop|delete|run)/.test(line)), skipped.join('; '));
  return failed;
}

test('the suite finds nothing in a sound store of documents, whose service stops and starts', async () => {
  assert.deepEqual(await failuresOfDocuments(), []);
});

test('the suite finds nothing in a sound store of documents, whose waiters judge by clocks of their own', async () => {
  assert.deepEqual(await failuresOfDocuments(undefined, { ownsClock: false }), []);
});

test('the suite finds waiters that judge by the date', async () => {
  const onHost = (host: Runtime): Runtime => ({
    ...host,
    clock: { wallMs: host.clock.wallMs, monotonicMs: host.clock.wallMs },
  });
  const failed = await failuresOfDocuments(undefined, { ownsClock: false, onHost });
  const wanted = 'one who waits, and whose date is set forward, does not take over before the lease is over';
  assert(failed.includes(wanted), failed.join('; '));
});

test('the suite finds a service that forgets in an outage', async () => {
  const failed = await failuresOfDocuments(undefined, { forgets: true });
  const wanted =
    'a leadership and its token outlive a new start of the service, and the next token is higher';
  assert(failed.includes(wanted), failed.join('; '));
});

test('the suite finds a store that asks too often', async () => {
  let count = 0;
  const failed = await failuresOfDocuments(undefined, { requests: () => (count += 1000) });
  assert.deepEqual(failed, ['a thousand elections are watched with few requests a second']);
});

test('the suite finds nothing in a sound store', async () => {
  assert.deepEqual(await failures(undefined), []);
});

test('the suite finds nothing in a sound store on a machine that stalls for longer than a short session lives', async () => {
  const runtime = manualRuntime();
  const failed: string[] = [];
  const stallMs = 1500;
  let stalls = 0;
  const open = async () => {
    const store = memoryStore({ runtime });
    let calls = 0;
    const stall = async () => {
      calls += 1;
      if (calls !== 1 && calls !== 5) return;
      stalls += 1;
      await new Promise<void>((resolve) => void runtime.timers.after(stallMs, resolve));
    };
    const stalling = storeWith(store, {
      openSession: async (options) => {
        const session = await store.openSession(options);
        if (options.ttlMs > 8000) return session;
        return sessionWith(session, {
          acquire: async (...request) => {
            await stall();
            return await session.acquire(...request);
          },
        });
      },
    });
    return {
      store: stalling,
      passTime: (ms: number) => runtime.advance(ms),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  };
  for (const { name, run } of conformanceTests(open, { runtime })) await run().catch(() => failed.push(name));
  assert.deepEqual(failed, []);
  assert(stalls >= 8, `it stalled ${stalls} times`);
});

/** Which cases fail where a call, the `at`th of each target, is carried out and not answered. */
async function failuresWithout(answered: (at: number) => boolean): Promise<string[]> {
  const runtime = manualRuntime();
  const failed: string[] = [];
  const open = async () => {
    const store = memoryStore({ runtime });
    let calls = 0;
    const lost = async <T>(call: Promise<T>) => {
      const outcome = await call;
      calls += 1;
      if (answered(calls)) return outcome;
      throw new ConclaveError('unavailable', 'No answer came.', { retryable: true, outcome: 'unknown' });
    };
    const losing = storeWith(store, {
      read: (...request) => lost(store.read(...request)),
      openSession: async (options) => {
        const session = await lost(store.openSession(options));
        return sessionWith(session, {
          acquire: (...request) => lost(session.acquire(...request)),
          release: (...request) => lost(session.release(...request)),
          renew: (...request) => lost(session.renew(...request)),
          proclaim: (...request) => lost(session.proclaim(...request)),
        });
      },
    });
    return {
      store: losing,
      passTime: (ms: number) => runtime.advance(ms),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  };
  for (const { name, run } of conformanceTests(open, { runtime })) await run().catch(() => failed.push(name));
  return failed;
}

test('the suite finds nothing in a sound store whose service does not answer now and then, but in one where it never does', async () => {
  assert.deepEqual(await failuresWithout((at) => at !== 2 && at !== 5 && at !== 40), []);
  assert((await failuresWithout((at) => at < 5)).length > 20);
});

for (const fault of Object.keys(faults) as Fault[]) {
  test(`the suite finds the fault ${fault}`, async () => {
    const failed = await failures(fault);
    assert(failed.includes(foundBy[fault]), `failed: ${failed.join('; ')}`);
  });
}
