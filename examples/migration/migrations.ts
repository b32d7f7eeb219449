/** What the database has been through, in order. Each runs in one transaction, and none may run twice. */
import type { DatabaseSync } from 'node:sqlite';

export interface Migration {
  readonly name: string;
  up(db: DatabaseSync): void;
}

const sql = (name: string, text: string): Migration => ({ name, up: (db) => db.exec(text) });

export const migrations: readonly Migration[] = [
  sql(
    'accounts',
    'CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, balance INTEGER NOT NULL)',
  ),
  {
    name: 'first accounts',
    up(db) {
      const insert = db.prepare('INSERT INTO accounts (owner, balance) VALUES (?, ?)');
      for (let id = 1; id <= 100; id++) insert.run(`owner ${id}`, id);
    },
  },
  sql('currency', "ALTER TABLE accounts ADD COLUMN currency TEXT NOT NULL DEFAULT 'EUR'"),
  // Twice would be a hundred times too much.
  sql('balances in cents', 'UPDATE accounts SET balance = balance * 100'),
  sql('owners in capitals', 'UPDATE accounts SET owner = upper(owner)'),
  sql('index of owners', 'CREATE UNIQUE INDEX accounts_by_owner ON accounts (owner)'),
];
