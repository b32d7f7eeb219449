/** Faults in the conditions of writes and removals, in versions, and in what is answered. */
import type { DocumentKey, StoredDocument } from '../../stores/documents/driver.ts';
import type { DriverFaultMaker } from '../faulty-drivers.ts';
import { anyhow, driverWith, eachDriver, idOf, withVersions } from './driver-wrapping.ts';

export const driverFaultsInConditions = {
  'own-write-not-read': eachDriver((driver) => {
    const before = new Map<string, StoredDocument | undefined>();
    return {
      read: async (key, bounds) => {
        const now = await driver.read(key, bounds);
        const shown = before.has(idOf(key)) ? before.get(idOf(key)) : now;
        before.set(idOf(key), now);
        return shown;
      },
    };
  }),
  'reads-from-a-cache': eachDriver((driver) => {
    const cache = new Map<string, StoredDocument | undefined>();
    return {
      read: async (key, bounds) => {
        const found = cache.get(idOf(key)) ?? (await driver.read(key, bounds));
        cache.set(idOf(key), found);
        return found;
      },
      write: async (key, text, write, bounds) => {
        const version = await driver.write(key, text, write, bounds);
        if (version !== undefined) cache.set(idOf(key), { text, version });
        return version;
      },
    };
  }),
  'creation-overwrites': eachDriver((driver) => ({
    write: (key, text, write, bounds) =>
      anyhow(driver, key, bounds, (standing) =>
        driver.write(key, text, { ...write, replaces: write.replaces ?? standing }, bounds),
      ),
  })),
  'write-ignores-its-version': eachDriver((driver) => ({
    write: (key, text, write, bounds) =>
      anyhow(driver, key, bounds, async (standing) =>
        standing === undefined || write.replaces === undefined
          ? await driver.write(key, text, write, bounds)
          : await driver.write(key, text, { ...write, replaces: standing }, bounds),
      ),
  })),
  'write-makes-what-is-missing': eachDriver((driver) => ({
    write: (key, text, write, bounds) =>
      anyhow(driver, key, bounds, (standing) =>
        driver.write(key, text, standing === undefined ? { ...write, replaces: standing } : write, bounds),
      ),
  })),
  'lost-race-told-as-won': eachDriver((driver) => ({
    write: async (key, text, write, bounds) =>
      (await driver.write(key, text, write, bounds)) ?? (await driver.read(key, bounds))?.version ?? 'v0',
  })),
  'write-that-looks-first': () => (driver) =>
    driverWith(driver, {
      write: async (key, text, write, bounds) => {
        if ((await driver.read(key, bounds))?.version !== write.replaces) return undefined;
        for (;;) {
          // Another may have written since it looked.
          const replaces = (await driver.read(key, bounds))?.version;
          const version = await driver.write(key, text, { ...write, replaces }, bounds);
          if (version !== undefined) return version;
        }
      },
    }),
  'removal-ignores-its-version': eachDriver((driver) => ({
    remove: async (key, _version, bounds) =>
      (await anyhow(driver, key, bounds, (standing) => driver.remove(key, standing ?? '', bounds))) ?? false,
  })),
  'removal-always-told-as-done': eachDriver((driver) => ({
    remove: async (key, version, bounds) => {
      await driver.remove(key, version, bounds);
      return true;
    },
  })),
  'removal-never-told-as-done': eachDriver((driver) => ({
    remove: async (key, version, bounds) => {
      await driver.remove(key, version, bounds);
      return false;
    },
  })),
  'late-renewal-brings-back': eachDriver((driver) => {
    const ended = new Set<string>();
    return {
      remove: async (key, version, bounds) => {
        const removed = await driver.remove(key, version, bounds);
        if (removed && key.kind === 'session') ended.add(idOf(key));
        return removed;
      },
      write: (key, text, write, bounds) =>
        driver.write(key, text, ended.has(idOf(key)) ? { ...write, replaces: undefined } : write, bounds),
    };
  }),
  'prepared-is-sent-at-once': eachDriver((driver) => ({
    prepare: (key, text, write) => {
      const sent = driver.write(key, text, write, { signal: new AbortController().signal, timeoutMs: 1000 });
      sent.catch(() => {});
      return () => sent;
    },
  })),
  'prepared-replaces-what-stands-then': eachDriver((driver) => ({
    prepare: (key, text, write) => (bounds) =>
      anyhow(driver, key, bounds, (replaces) => driver.write(key, text, { ...write, replaces }, bounds)),
  })),
  'versions-begin-again': withVersions((ofDocument) => String(ofDocument + 1)),
  'versions-of-a-coarse-clock': withVersions((_, ofAll) => `t${Math.floor(ofAll / 2)}`),
  'versions-as-numbers': withNumbers,
  'nothing-as-null': eachDriver((driver) => ({
    read: async (key, bounds) => (await driver.read(key, bounds)) ?? (null as unknown as undefined),
  })),
  'lost-race-as-false': eachDriver((driver) => ({
    write: async (key, text, write, bounds) =>
      (await driver.write(key, text, write, bounds)) ?? (false as unknown as undefined),
  })),
  'removal-as-a-count': eachDriver((driver) => ({
    remove: async (key, version, bounds) =>
      Number(await driver.remove(key, version, bounds)) as unknown as boolean,
  })),
} as const satisfies Record<string, DriverFaultMaker>;

function withNumbers(): ReturnType<DriverFaultMaker> {
  const numbers = new Map<string, number>();
  const texts: string[] = [];
  const numberOf = (version: string): string => {
    const number = numbers.get(version) ?? texts.push(version) - 1;
    numbers.set(version, number);
    return number as unknown as string;
  };
  const textOf = (given: string) => texts[given as unknown as number] ?? given;
  return (driver) =>
    driverWith(driver, {
      read: async (key: DocumentKey, bounds) => {
        const found = await driver.read(key, bounds);
        return found && { ...found, version: numberOf(found.version) };
      },
      write: async (key, text, { replaces, ...write }, bounds) => {
        const now = replaces === undefined ? undefined : textOf(replaces);
        const version = await driver.write(key, text, { ...write, replaces: now }, bounds);
        return version === undefined ? undefined : numberOf(version);
      },
      remove: (key, version, bounds) => driver.remove(key, textOf(version), bounds),
    });
}
