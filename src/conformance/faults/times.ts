/** Faults in changes, in times, and in what is said of calls that were not answered. */
import { ConclaveError } from '../../errors/index.ts';
import type { DocumentChange } from '../../stores/documents/driver.ts';
import type { DriverFaultMaker } from '../faulty-drivers.ts';
import { driverWith, eachDriver, idOf, withReads } from './driver-wrapping.ts';

type Changes = AsyncIterable<DocumentChange>;

function telling(
  change: (changes: Changes) => AsyncGenerator<DocumentChange, void, undefined>,
): DriverFaultMaker {
  return eachDriver((driver) => ({
    ...(driver.changes && { changes: (signal) => change(driver.changes?.(signal) ?? nothing()) }),
  }));
}

async function* nothing(): AsyncGenerator<DocumentChange, void, undefined> {}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

export const driverFaultsInTimes = {
  'changes-never-begin': telling(async function* (changes) {
    for await (const change of changes) if (change !== 'all') yield change;
  }),
  'changes-fall-silent': eachDriver((driver) => ({
    ...(driver.changes && {
      changes: async function* (signal) {
        let told = 0;
        for await (const change of driver.changes?.(signal) ?? nothing()) {
          yield change;
          told += 1;
          if (told === 7) await untilAborted(signal);
        }
      },
    }),
  })),
  'changes-without-removals': eachDriver((driver) => ({
    ...(driver.changes && {
      changes: async function* (signal) {
        for await (const change of driver.changes?.(signal) ?? nothing()) {
          const bounds = { signal, timeoutMs: 1000 };
          if (change === 'all' || (await driver.read(change, bounds)) !== undefined) yield change;
        }
      },
    }),
  })),
  'changes-without-sessions': telling(async function* (changes) {
    for await (const change of changes) if (change === 'all' || change.kind !== 'session') yield change;
  }),
  'changes-of-own-writes': eachDriver((driver) => {
    const own = new Set<string>();
    return {
      write: (key, text, write, bounds) => {
        own.add(idOf(key));
        return driver.write(key, text, write, bounds);
      },
      ...(driver.changes && {
        changes: async function* (signal) {
          for await (const change of driver.changes?.(signal) ?? nothing())
            if (change === 'all' || own.has(idOf(change))) yield change;
        },
      }),
    };
  }),
  'changes-of-folded-names': telling(async function* (changes) {
    for await (const change of changes)
      yield change === 'all' ? change : { ...change, name: encodeURI(change.name) };
  }),
  'changes-tell-of-another-who-leads': telling(async function* (changes) {
    for await (const change of changes) {
      yield change === 'all' || change.led === undefined
        ? change
        : { ...change, led: { ...change.led, session: 'cd'.repeat(16) } };
    }
  }),
  'changes-ignore-their-signal': eachDriver((driver) => ({
    ...(driver.changes && { changes: () => driver.changes?.(new AbortController().signal) ?? nothing() }),
  })),
  'what-was-told-not-shown': eachDriver((driver) => {
    const before = new Map<string, Awaited<ReturnType<typeof driver.read>>>();
    return {
      read: async (key, bounds) => {
        const now = await driver.read(key, bounds);
        const shown = bounds.asTold && before.has(idOf(key)) ? before.get(idOf(key)) : now;
        before.set(idOf(key), now);
        return shown;
      },
    };
  }),
  'time-left-stands-still': withReads((found) =>
    found.leftMs === undefined ? found : { ...found, leftMs: 60_000 },
  ),
  'time-left-in-seconds': withReads((found) =>
    found.leftMs === undefined ? found : { ...found, leftMs: Math.floor(found.leftMs / 1000) },
  ),
  'time-left-untold': withReads(({ leftMs: _, ...found }) => found),
  'time-runs-from-the-first-write': (runtime) => {
    const begunMs = new Map<string, number>();
    return (driver) =>
      driverWith(driver, {
        write: (key, text, write, bounds) => {
          const nowMs = runtime.clock.monotonicMs();
          const sinceMs = nowMs - (begunMs.get(idOf(key)) ?? nowMs);
          begunMs.set(idOf(key), nowMs - sinceMs);
          const { ttlMs } = write;
          return driver.write(
            key,
            text,
            ttlMs === undefined ? write : { ...write, ttlMs: ttlMs - sinceMs },
            bounds,
          );
        },
      });
  },
  'time-stays-with-what-has-none': (() => {
    const ttls = new Map<string, number | undefined>();
    return (driver) =>
      driverWith(driver, {
        write: (key, text, write, bounds) => {
          const ttlMs = write.ttlMs ?? ttls.get(idOf(key));
          ttls.set(idOf(key), ttlMs);
          return driver.write(key, text, { ...write, ttlMs }, bounds);
        },
      });
  }) satisfies DriverFaultMaker,
  'forgotten-early': forgetting((keepMs) => keepMs * 0.4),
  'forgotten-though-replaced': forgetting((keepMs) => keepMs * 1.05, { onceForAll: true }),
  'what-was-forgotten-is-in-the-way': forgetting((keepMs) => keepMs),
  'failed-read-told-as-nothing': eachDriver((driver) => ({
    read: (key, bounds) => driver.read(key, bounds).catch(() => undefined),
  })),
  'failed-write-told-as-lost': eachDriver((driver) => ({
    write: (key, text, write, bounds) => driver.write(key, text, write, bounds).catch(() => undefined),
  })),
  'failed-removal-told-as-lost': eachDriver((driver) => ({
    remove: (key, version, bounds) => driver.remove(key, version, bounds).catch(() => false),
  })),
  'failed-list-told-as-empty': eachDriver((driver) => ({
    ...(driver.list && {
      list: async (prefix, bounds) => (await driver.list?.(prefix, bounds).catch(() => [])) ?? [],
    }),
  })),
  'unknown-told-as-not-applied': (runtime) => {
    const writes = new Map<string, number>();
    let answered: string | undefined;
    return (driver) =>
      driverWith(driver, {
        write: async (key, text, write, bounds) => {
          const version = await driver.write(key, text, write, bounds);
          const id = idOf(key);
          const count = (writes.get(id) ?? 0) + 1;
          writes.set(id, count);
          // One document's writes are all answered. The third of each other one stands when the service stops.
          if (count === 2) answered ??= id;
          while (count > 2 && id !== answered && !bounds.signal.aborted) {
            await new Promise<void>((resolve) => void runtime.timers.after(10, resolve));
            await driver.read(key, bounds).catch(() => {
              throw new ConclaveError('unavailable', 'It did not answer.', { retryable: true });
            });
          }
          return version;
        },
      });
  },
} as const satisfies Record<string, DriverFaultMaker>;

/** Documents that the service forgets go by this time. */
function forgetting(
  goneMs: (keepMs: number) => number,
  { onceForAll = false }: { readonly onceForAll?: boolean } = {},
): DriverFaultMaker {
  return (runtime) => {
    const goneAtMs = new Map<string, number>();
    return (driver) =>
      driverWith(driver, {
        read: async (key, bounds) => {
          const atMs = goneAtMs.get(idOf(key)) ?? Number.POSITIVE_INFINITY;
          return runtime.clock.monotonicMs() >= atMs ? undefined : await driver.read(key, bounds);
        },
        write: async (key, text, write, bounds) => {
          const version = await driver.write(key, text, write, bounds);
          const { keepMs } = write;
          if (version === undefined) return version;
          if (keepMs !== undefined) goneAtMs.set(idOf(key), runtime.clock.monotonicMs() + goneMs(keepMs));
          else if (!onceForAll) goneAtMs.delete(idOf(key));
          return version;
        },
      });
  };
}
