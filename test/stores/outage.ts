// What a user sees of an outage, whatever the store: the leader is told in time, and one leads again afterwards.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elect } from '../../src/election/index.ts';
import type { LeaseStore } from '../../src/election/store.ts';
import type { DocumentDriver } from '../../src/stores/documents/index.ts';
import { untilAborted } from '../until-aborted.ts';
import { patience, registerConformance } from './checks.ts';

export interface Outage {
  open(): LeaseStore;
  driver?(): DocumentDriver;
  /** Ends the service; what it confirmed stays. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Two processes' worth of `elect` on one name, through an outage that outlasts the lease. */
export async function leadsAgainAfter({ open, stop, start }: Outage): Promise<void> {
  await using first = open();
  await using second = open();
  const ttlMs = first.capabilities.minTtlMs;
  const ending = new AbortController();
  const told: { readonly event: 'began' | 'aborted'; readonly token: number }[] = [];
  const waiting = new Map<string, () => void>();
  const tell = (event: 'began' | 'aborted', token: number) => {
    told.push({ event, token });
    waiting.get(`${event} ${told.filter((one) => one.event === event).length}`)?.();
  };
  const happened = (event: 'began' | 'aborted', times: number) =>
    new Promise<void>((resolve) => {
      if (told.filter((one) => one.event === event).length >= times) resolve();
      else waiting.set(`${event} ${times}`, resolve);
    });
  const electing = [first, second].map((store) =>
    elect(
      store,
      'through-an-outage',
      async (leadership) => {
        const { token } = leadership;
        tell('began', token);
        await untilAborted(leadership);
        tell('aborted', token);
      },
      { ttlMs, signal: ending.signal },
    ),
  );
  const failed = Promise.all(electing).then(() => new Promise<never>(() => {}));
  await Promise.race([happened('began', 1), failed]);
  await stop();
  await Promise.race([happened('aborted', 1), failed]);
  await start();
  await Promise.race([happened('began', 2), failed]);
  ending.abort();
  await Promise.allSettled(electing);
  for (const [at, { event, token }] of told.entries()) {
    assert.equal(event, at % 2 === 0 ? 'began' : 'aborted', 'one began before the other was told');
    const before = told[at - 1];
    if (event === 'began' && before !== undefined) assert(token > before.token, JSON.stringify(told));
  }
}

/** A server of its own for each case. `asUsed`: a store as its users open it, if not as `open` does. */
export function testsOfOutages(
  restartable: () => Promise<Outage & AsyncDisposable>,
  asUsed: (store: LeaseStore) => LeaseStore = (store) => store,
): void {
  registerConformance(async () => {
    const server = await restartable();
    const store = server.open();
    return {
      store,
      another: async () => server.open(),
      ...(server.driver && { driver: server.driver }),
      stopService: server.stop,
      startService: server.start,
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  }, /service|outage/);

  test('leads again after an outage, and tells the old leader before', patience, async () => {
    await using server = await restartable();
    await leadsAgainAfter({ ...server, open: () => asUsed(server.open()) });
  });
}
