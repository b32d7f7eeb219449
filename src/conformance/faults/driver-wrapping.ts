/** Wrappers around a driver that change some of what it does. */
import type {
  CallBounds,
  DocumentDriver,
  DocumentKey,
  DocumentWrite,
  StoredDocument,
} from '../../stores/documents/driver.ts';

export type DriverChange = (driver: DocumentDriver) => Partial<DocumentDriver>;

export function driverWith(driver: DocumentDriver, changes: Partial<DocumentDriver>): DocumentDriver {
  const { readMany, renewMany, changes: tell, list } = driver;
  return {
    description: driver.description,
    traits: driver.traits,
    read: driver.read.bind(driver),
    write: driver.write.bind(driver),
    remove: driver.remove.bind(driver),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
    ...(readMany && { readMany: readMany.bind(driver) }),
    ...(renewMany && { renewMany: renewMany.bind(driver) }),
    ...(tell && { changes: tell.bind(driver) }),
    ...(list && { list: list.bind(driver) }),
    ...changes,
  };
}

/** A fault that each driver has for itself. */
export function eachDriver(change: DriverChange) {
  return () => (driver: DocumentDriver) => driverWith(driver, change(driver));
}

export function idOf({ kind, name }: DocumentKey): string {
  return `${kind} ${name}`;
}

/** Replaces or removes whatever stands there, as one without a condition does. */
export async function anyhow<T>(
  driver: DocumentDriver,
  key: DocumentKey,
  bounds: CallBounds,
  change: (standing: string | undefined) => Promise<T | undefined>,
): Promise<T | undefined> {
  const standing = await driver.read(key, bounds);
  return await change(standing?.version);
}

/** Keys as the engine gives them become other keys below, in all calls but `changes` and `list`. */
export function withKeys(map: (key: DocumentKey) => DocumentKey) {
  return eachDriver((driver) => ({
    read: (key, bounds) => driver.read(map(key), bounds),
    write: (key, text, write, bounds) => driver.write(map(key), text, write, bounds),
    remove: (key, version, bounds) => driver.remove(map(key), version, bounds),
  }));
}

/** What is written, as it is below. */
export function withWrites(map: (text: string, write: DocumentWrite) => [string, DocumentWrite]) {
  return eachDriver((driver) => ({
    write: (key, text, write, bounds) => driver.write(key, ...map(text, write), bounds),
  }));
}

/** What is read, as it is shown. */
export function withReads(map: (found: StoredDocument) => StoredDocument) {
  return eachDriver((driver) => ({
    read: async (key, bounds) => {
      const found = await driver.read(key, bounds);
      return found && map(found);
    },
  }));
}

/**
 * Versions as they are below are shown as others; what comes in is the latest below that was shown so. `next` names each
 * new one by how many the document, and the whole service, had before.
 */
export function withVersions(next: (ofDocument: number, ofAll: number) => string) {
  return () => {
    const shown = new Map<string, string>();
    const below = new Map<string, string>();
    const counts = new Map<string, number>();
    let ofAll = 0;
    return (driver: DocumentDriver): DocumentDriver => {
      const name = (key: DocumentKey, version: string): string => {
        const before = shown.get(version);
        if (before !== undefined) return before;
        const ofDocument = counts.get(idOf(key)) ?? 0;
        counts.set(idOf(key), ofDocument + 1);
        const made = next(ofDocument, ofAll);
        ofAll += 1;
        shown.set(version, made);
        below.set(`${idOf(key)} ${made}`, version);
        return made;
      };
      const given = (key: DocumentKey, version: string) => below.get(`${idOf(key)} ${version}`) ?? version;
      return driverWith(driver, {
        read: async (key, bounds) => {
          const found = await driver.read(key, bounds);
          return found && { ...found, version: name(key, found.version) };
        },
        write: async (key, text, { replaces, ...write }, bounds) => {
          const version = await driver.write(
            key,
            text,
            { ...write, replaces: replaces === undefined ? undefined : given(key, replaces) },
            bounds,
          );
          return version === undefined ? undefined : name(key, version);
        },
        remove: async (key, version, bounds) => {
          const removed = await driver.remove(key, given(key, version), bounds);
          if (removed) counts.delete(idOf(key));
          return removed;
        },
      });
    };
  };
}
