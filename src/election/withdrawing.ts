/** How a campaign that is given up leaves no place in the queue and no leadership behind, on a session that goes on. */
import type { Claims } from './claims.ts';
import type { LiveSession } from './live-session.ts';
import type { SessionSettings } from './options.ts';
import { retryOnSession } from './retry.ts';
import type { LeaseStore, StoreCallOptions } from './store.ts';
import { sleep } from './waiting.ts';

interface Withdrawing {
  readonly store: LeaseStore;
  readonly live: LiveSession;
  readonly settings: SessionSettings;
}

/**
 * Resolves when it has withdrawn. `acquiring` settles with all attempts, whose answers nobody may wait for any more;
 * while it has not, this goes on in the background, as `withdrawLate`. Never rejects.
 */
export async function withdrawOnSession(
  on: Withdrawing,
  name: string,
  acquiring: Promise<void>,
  claims: Claims,
): Promise<void> {
  const attempts = watched(on, acquiring);
  await attempts.wait();
  const isLast = attempts.settled;
  await withdraw(on, name);
  if (!isLast) void withdrawLate(on, name, acquiring, claims);
}

/**
 * Attempts that were given up may still be carried out, after a withdrawal or a release: withdraws again and again
 * until all are answered, between others that use the name with this session. Ends with the session at the latest.
 * Never rejects.
 */
export async function withdrawLate(
  on: Withdrawing,
  name: string,
  acquiring: Promise<void>,
  claims: Claims,
): Promise<void> {
  const { lost } = on.live;
  const attempts = watched(on, acquiring);
  for (let isLast = false; !isLast && !lost.aborted; ) {
    await attempts.wait();
    const claim = await claims
      .take(name, { queue: true, leaving: true, signal: lost })
      .catch(() => undefined);
    if (claim === undefined) return;
    isLast = attempts.settled;
    await withdraw(on, name);
    claim.release();
  }
}

/** `wait`: for the answers, but no longer than a lease. */
function watched({ live, settings }: Withdrawing, acquiring: Promise<void>) {
  const attempts = {
    settled: false,
    async wait(): Promise<void> {
      const enough = new AbortController();
      await Promise.race([answered, sleep(settings.runtime, live.stored.ttlMs, live.lost, enough.signal)]);
      enough.abort();
    },
  };
  const answered = acquiring.then(() => {
    attempts.settled = true;
  });
  return attempts;
}

/** A hand-off or an unseen answer may have made us leader meanwhile, so it looks. */
async function withdraw(on: Withdrawing, name: string): Promise<void> {
  const { store, live, settings } = on;
  const leave = async (options: StoreCallOptions) => {
    await live.stored.withdraw(name, options);
    const { leader } = await store.read(name, options);
    if (leader?.holder === settings.holder) await live.stored.release(name, leader.token, options);
  };
  const bounds = { what: 'Withdrawing', maxMs: Number.POSITIVE_INFINITY };
  await retryOnSession(on, bounds, leave).catch(() => live.lose('closed'));
}
