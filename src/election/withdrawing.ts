/** How a campaign that is given up leaves no place in the queue and no leadership behind, on a session that goes on. */
import type { LiveSession } from './live-session.ts';
import type { SessionSettings } from './options.ts';
import { retryOnSession } from './retry.ts';
import type { LeaseStore, StoreCallOptions } from './store.ts';
import { sleep } from './waiting.ts';

/**
 * `acquiring` settles with the last attempt, whose answer nobody may wait for any more. A hand-off or an unseen answer
 * may have made us leader meanwhile, so it looks. Never rejects.
 */
export async function withdrawOnSession(
  on: { readonly store: LeaseStore; readonly live: LiveSession; readonly settings: SessionSettings },
  name: string,
  acquiring: Promise<void>,
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
  do {
    const enough = new AbortController();
    await Promise.race([answered, sleep(settings.runtime, live.stored.ttlMs, live.lost, enough.signal)]);
    enough.abort();
    const bounds = { what: 'Withdrawing', maxMs: Number.POSITIVE_INFINITY };
    await retryOnSession(on, bounds, leave).catch(() => live.lose('closed'));
  } while (!settled && !live.lost.aborted);
}
