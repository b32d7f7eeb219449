import type { Disk, File } from '../../src/runtime/types.ts';

/** A disk on which `step` is awaited ahead of every operation, also of the files that it opens. */
export function steppingDisk(disk: Disk, step: () => Promise<void>): Disk {
  return stepping(disk, step, {
    open: async (...args: Parameters<Disk['open']>): Promise<File> => {
      await step();
      return stepping(await disk.open(...args), step, {});
    },
  });
}

function stepping<T extends object>(target: T, step: () => Promise<void>, instead: Partial<T>): T {
  return new Proxy(target, {
    get(_, property) {
      const other = instead[property as keyof T];
      if (other !== undefined) return other;
      const value: unknown = target[property as keyof T];
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        await step();
        return await value.apply(target, args);
      };
    },
  });
}
