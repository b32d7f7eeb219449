/** One file with one line for each entry, kept in two ways. Whoever adds to it reads it, and writes all of it back. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Leadership } from 'conclave';
import { versionedFile } from 'conclave/fencing';

export interface Ledger {
  /** `interrupt` stands for whatever may stop a process there: garbage collection, swapping, a host that freezes. */
  add(leadership: Leadership, entry: string, interrupt: () => void): Promise<void>;
  read(): Promise<string>;
}

/** By lease alone: ask whether we still lead, then write. */
export function plainLedger(path: string): Ledger {
  const read = () =>
    readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
  return {
    read,
    async add(leadership, entry, interrupt) {
      const before = await read();
      leadership.assertHeld(); // True now ...
      interrupt();
      // ... and nobody asks again. The rename is atomic, so each reader sees a whole file; but whose?
      const temporary = `${path}.${leadership.token}`;
      await writeFile(temporary, `${before}${entry}\n`);
      await rename(temporary, path);
    },
  };
}

/** Fenced: the file itself compares the token that comes with the write. `file.update` does these steps in one call. */
export function fencedLedger(path: string): Ledger {
  const file = versionedFile(path);
  return {
    read: async () => Buffer.from((await file.read()).data).toString(),
    async add(leadership, entry, interrupt) {
      const before = await file.claim(leadership); // From here on, older tokens are refused.
      leadership.assertHeld();
      interrupt();
      // The bare token, so that nothing but the file stands between a stale write and the data.
      await file.write(Buffer.from(`${Buffer.from(before.data)}${entry}\n`), {
        token: leadership.token,
        election: leadership.name,
        expectedVersion: before.version,
      });
    },
  };
}
