/** A store that is in trouble, for tests of what is built on it. */
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { sessionWith, storeWith } from './wrapping.ts';

/** Calls are late, fail before or after they were carried out, or hang; while `calm`, none does. */
export function shakyStore(
  store: LeaseStore,
  runtime: Runtime,
  random: { unit(): number; below(bound: number): number },
  calm: () => boolean,
): LeaseStore {
  const pause = (ms: number) => new Promise<void>((resolve) => void runtime.timers.after(ms, resolve));
  const fail = (outcome: 'unknown' | 'not-applied') =>
    new ConclaveError('unavailable', 'The store is shaky.', { retryable: true, outcome });
  const shaky = async <T>(call: () => Promise<T>): Promise<T> => {
    if (calm()) return await call();
    const fate = random.unit();
    if (fate < 0.1) throw fail('not-applied');
    if (fate < 0.15) await pause(random.below(3000));
    const value = await call();
    if (fate > 0.9) throw fail('unknown');
    if (fate > 0.85) await new Promise(() => {});
    if (fate > 0.6) await pause(random.below(400));
    return value;
  };
  return storeWith(store, {
    // Without the watch over its own leadership, which would hide a lease that is trusted for too long.
    capabilities: { ...store.capabilities, watch: 'poll' },
    read: (name, options) => shaky(() => store.read(name, options)),
    openSession: (options) =>
      shaky(async () => {
        const session = await store.openSession(options);
        return sessionWith(session, {
          renew: (more) => shaky(() => session.renew(more)),
          acquire: (name, more) => shaky(() => session.acquire(name, more)),
          release: (name, token, more) => shaky(() => session.release(name, token, more)),
          transfer: (name, token, to, more) => shaky(() => session.transfer(name, token, to, more)),
          withdraw: (name, more) => shaky(() => session.withdraw(name, more)),
          writeRecord: (name, token, record, more) =>
            shaky(() => session.writeRecord(name, token, record, more)),
        });
      }),
  });
}
