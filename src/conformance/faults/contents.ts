/** Faults in names, texts, and in what is asked of many documents at once. */
import type { DocumentKey } from '../../stores/documents/driver.ts';
import type { DriverFaultMaker } from '../faulty-drivers.ts';
import { eachDriver, withKeys, withReads, withWrites } from './driver-wrapping.ts';

const renamed = (map: (name: string) => string) =>
  withKeys((key) => (key.kind === 'election' ? { ...key, name: map(key.name) } : key));

const cut = (text: string, bytes: number) => Buffer.from(text).subarray(0, bytes).toString();
const columnBytes = 65_535;
const pageSize = 100;

export const driverFaultsInContents = {
  'names-fold-letters': renamed((name) => name.toLowerCase()),
  'names-fold-accents': renamed((name) => name.normalize('NFC')),
  'names-lose-their-end': renamed((name) => name.trimEnd()),
  'names-cut': renamed((name) => cut(name, 255)),
  'names-as-folders': renamed((name) => new URL(name, 'file:///').pathname),
  'names-of-few-letters': renamed((name) => name.replace(/[^\w]/g, '_')),
  'names-refused': renamed((name) => {
    if (name.includes('/')) throw new Error(`no such path: ${name}`);
    return name;
  }),
  'kinds-share-their-names': withKeys(({ name }): DocumentKey => ({ kind: 'election', name })),
  'texts-cut': withWrites((text, write) => [cut(text, columnBytes), write]),
  'texts-in-latin-1': withWrites((text, write) => [Buffer.from(text, 'latin1').toString('latin1'), write]),
  'texts-trimmed-of-odd-signs': withReads((found) => ({
    ...found,
    text: found.text.replace(/\u2028/g, ' '),
  })),
  'many-in-another-order': eachDriver((driver) => ({
    ...(driver.readMany && {
      readMany: async (keys, bounds) => {
        const found = (await driver.readMany?.(keys, bounds)) ?? [];
        return [...found].sort((left, right) => Number(left === undefined) - Number(right === undefined));
      },
    }),
  })),
  'many-without-the-missing': eachDriver((driver) => ({
    ...(driver.readMany && {
      readMany: async (keys, bounds) => {
        const found = (await driver.readMany?.(keys, bounds)) ?? [];
        return found.filter((one) => one !== undefined);
      },
    }),
  })),
  'renewals-all-or-nothing': eachDriver((driver) => ({
    ...(driver.renewMany && {
      renewMany: async (renewals, bounds) => {
        const found = await Promise.all(renewals.map(({ key }) => driver.read(key, bounds)));
        const sound = renewals.every(({ replaces }, at) => found[at]?.version === replaces);
        return sound ? ((await driver.renewMany?.(renewals, bounds)) ?? []) : renewals.map(() => undefined);
      },
    }),
  })),
  'renewals-told-as-done': eachDriver((driver) => ({
    ...(driver.renewMany && {
      renewMany: async (renewals, bounds) => {
        const versions = (await driver.renewMany?.(renewals, bounds)) ?? [];
        return versions.map((version, at) => version ?? renewals[at]?.replaces);
      },
    }),
  })),
  'list-of-one-page': listing((names) => names.slice(0, pageSize)),
  'list-repeats-where-pages-meet': listing((names) => [
    ...names.slice(0, pageSize),
    ...names.slice(pageSize - 1),
  ]),
  'list-of-a-pattern': eachDriver((driver) => ({
    ...(driver.list && {
      list: async (prefix, bounds) => {
        const all = (await driver.list?.('', bounds)) ?? [];
        const pattern = prefix.replace(/[.?+^$()[\]{}|\\]/g, '\\$&').replace(/%|\*/g, '.*');
        return all.filter((name) => new RegExp(`^${pattern.replaceAll('_', '.')}`, 's').test(name));
      },
    }),
  })),
  'list-of-the-first-levels': listing((names) => names.map((name) => name.replace(/ .*$/, ''))),
} as const satisfies Record<string, DriverFaultMaker>;

function listing(change: (names: readonly string[]) => readonly string[]): DriverFaultMaker {
  return eachDriver((driver) => ({
    ...(driver.list && {
      list: async (prefix, bounds) => change((await driver.list?.(prefix, bounds)) ?? []),
    }),
  }));
}
