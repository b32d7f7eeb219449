import type { DatabaseSync } from 'node:sqlite';
import { threadId } from 'node:worker_threads';
import type { FencedLeadership } from '../../../fencing/index.ts';
import { fenced, fenceSql } from '../../../fencing/sql/sqlite.ts';
import type { Process } from '../../world/process.ts';
import type { Draw } from '../../world/random.ts';
import {
  type CallOptions,
  decodeEntries,
  type Guarded,
  type GuardServer,
  readDirectly,
  resource,
  type ServerParts,
} from './guarded.ts';
import { addEntry, fenceTimes, lingerer } from './table-store.ts';

const account = {
  select: 'SELECT content FROM account WHERE id = ?',
  update: 'UPDATE account SET content = ? WHERE id = ?',
};
let files = 0;

/**
 * The real SQLite of Node, on a file in memory that all processes of a life have open, with the locks of one. It never
 * waits for the host. Its own crash recovery is not looked at: the file does not outlive the life.
 */
export class SqliteFile implements GuardServer {
  readonly #parts: ServerParts;
  readonly #path: string;
  /** Keeps the file there, and reads it. */
  readonly #anchor: DatabaseSync;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    // Files in memory belong to the whole host process: no two lives may share one.
    files += 1;
    this.#path = `file:/conclave-life-${threadId}-${files}?vfs=memdb`;
    this.#anchor = this.#open();
    this.#anchor.exec(`${fenceSql().createTable};
CREATE TABLE account (id INTEGER PRIMARY KEY, content TEXT NOT NULL);
INSERT INTO account VALUES (1, '')`);
  }

  connect(process: Process, random: Draw): Guarded {
    const database = this.#open();
    // A process that ends lets go of its locks; what it had begun is undone.
    process.onDeath.push(() => database.close());
    const exec = database.exec.bind(database);
    database.exec = (text: string) => {
      exec(text);
      if (text === 'COMMIT') this.#look(database);
    };
    return new SqliteTable(database, process, random);
  }

  close(): void {
    if (this.#anchor.isOpen) this.#anchor.close();
  }

  #open(): DatabaseSync {
    // Not imported: only lives that need it load it, and Node 22 warns where it is loaded.
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
    return new DatabaseSync(this.#path);
  }

  #look(database: DatabaseSync): void {
    this.#parts.reports.guardedChanged(resource, entriesIn(database));
  }
}

function entriesIn(database: DatabaseSync): string[] {
  return decodeEntries(String(database.prepare(account.select).get(1)?.content ?? ''));
}

class SqliteTable implements Guarded {
  readonly #database: DatabaseSync;
  readonly #process: Process;
  readonly #linger: () => Promise<void>;

  constructor(database: DatabaseSync, process: Process, random: Draw) {
    this.#database = database;
    this.#process = process;
    this.#linger = lingerer(process, random);
  }

  async append(writer: FencedLeadership, entry: string, { signal }: CallOptions): Promise<void> {
    const work = (tx: DatabaseSync) =>
      addEntry(
        async (text, values) =>
          tx
            .prepare(text)
            .all(...values)
            .map((row) => Object.values(row) as string[]),
        account,
        entry,
        this.#linger,
      );
    await this.#fenced(writer, work, signal);
  }

  async claim(writer: FencedLeadership, { signal }: CallOptions): Promise<void> {
    await this.#fenced(writer, async () => {}, signal);
  }

  async read(): Promise<readonly string[]> {
    return await readDirectly((async () => entriesIn(this.#database))());
  }

  async #fenced(
    writer: FencedLeadership,
    work: (tx: DatabaseSync) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { runtime } = this.#process;
    await fenced(this.#database, writer, work, { ...fenceTimes, resource, signal, runtime });
  }
}
