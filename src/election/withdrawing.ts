/** How a campaign that is given up leaves no place in the queue and no leadership behind, on a session that goes on. */
import type { Claims } from './claims.ts';
import type { LiveSession } from './live-session.ts';
import type { SessionSettings } from './options.ts';
import { retryOnSession } from './retry.ts';
import type { LeaseStore, StoreCallOptions } from './store.ts';
import { sleep } from './waiting.ts';

/**
 * Resolves when it has withdrawn. `acquiring` settles with the last attempt, whose answer nobody may wait for any more;
 * while it has not, this goes on in the background, between others that use the name with this session. A hand-off or
 * an unseen answer may have made us leader meanwhile, so it looks. Never rejects.
 */
export async function withdrawOnSession(
  on: { readonly store: LeaseStore; readonly live: LiveSession; readonly settings: SessionSettings },
  name: string,
  acquiring: Promise<void>,
  claims: Claims,
): Promise<void> {
  const { store, live, settings } = on;
  const leave = async (options: StoreCallOptions) => {
    await live.stored.withdraw(name, options);
    const { leader } = await store.read(name, options);
    if (leader?.holder === settings.holder) await live.stored.release(name, leader.token, options);
  };
  let settled = false;
  const answered = acquiring.then(() => {
    settled = true;
  });
  const wait = async () => {
    const enough = new AbortController();
    await Promise.race([answered, sleep(settings.runtime, live.stored.ttlMs, live.lost, enough.signal)]);
    enough.abort();
  };
  const withdraw = async () => {
    const bounds = { what: 'Withdrawing', maxMs: Number.POSITIVE_INFINITY };
    await retryOnSession(on, bounds, leave).catch(() => live.lose('closed'));
  };
  const goOn = async () => {
    while (!settled && !live.lost.aborted) {
      await wait();
      const claim = await claims.take(name, { queue: true, signal: live.lost });
      await withdraw();
      claim.release();
    }
  };
  await wait();
  await withdraw();
  // Ends with the session at the latest.
  if (!settled) void goOn().catch(() => {});
}
