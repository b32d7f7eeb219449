/** Brings a database up to date from any number of processes at once: one of them does it, the others wait. */
import type { DatabaseSync } from 'node:sqlite';
import type { LeaseStore } from 'conclave';
import { ConclaveError } from 'conclave/errors';
import { fenced, migrate as makeFenceTable } from 'conclave/fencing/sqlite';
import { type OperationLeadership, once } from 'conclave/once';
import { migrations } from './migrations.ts';

export interface Migrated {
  readonly version: number;
  /** The versions that the last process to migrate applied; another may have applied those before. */
  readonly applied: readonly number[];
  readonly by: string;
}

export interface MigrateOptions {
  /** What the database is called, the same in every process, and not what another one was called before. */
  readonly name: string;
  /** Called after each migration that this process applied. */
  readonly onApplied?: (version: number, name: string) => unknown;
}

/**
 * Resolves when all migrations are applied, whichever process did it. If that one dies or loses its lease in the
 * middle, one of those who wait goes on from there.
 */
export async function migrateOnce(
  store: LeaseStore,
  db: DatabaseSync,
  options: MigrateOptions,
): Promise<Migrated> {
  for (;;) {
    try {
      return await once(
        store,
        `migrate ${options.name} to version ${migrations.length}`,
        ({ leadership }) => applyAll(db, leadership, options),
        {
          ttlMs: 2000,
          // A process that is killed is replaced when its connection breaks, not only when its lease has run out.
          releaseOnDisconnect: { graceMs: 100 },
          // A migration that failed is not the last word: whoever is started next tries again.
          isRetryable: () => true,
        },
      );
    } catch (error) {
      // Such as 'lease-lost': this process was replaced in the middle, and so was who replaced it. Take part again.
      if (!ConclaveError.is(error) || !error.retryable) throw error;
    }
  }
}

async function applyAll(
  db: DatabaseSync,
  leadership: OperationLeadership,
  { onApplied }: MigrateOptions,
): Promise<Migrated> {
  await makeFenceTable(db);
  const applied: number[] = [];
  for (const [position, migration] of migrations.entries()) {
    const version = position + 1;
    // What it does, that it is done, and the fence are one transaction: after a crash there is all of it or nothing.
    const done = await fenced(db, leadership, (tx) => {
      tx.exec('CREATE TABLE IF NOT EXISTS applied (version INTEGER PRIMARY KEY, name TEXT, token INTEGER)');
      if (tx.prepare('SELECT 1 FROM applied WHERE version = ?').get(version) !== undefined) return false;
      migration.up(tx);
      tx.prepare('INSERT INTO applied VALUES (?, ?, ?)').run(version, migration.name, leadership.token);
      return true;
    });
    if (!done) continue;
    applied.push(version);
    await onApplied?.(version, migration.name);
  }
  return { version: migrations.length, applied, by: leadership.holder };
}
