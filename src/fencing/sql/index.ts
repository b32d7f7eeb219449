/**
 * The fence of SQL databases: one row for each resource holds the highest token, is locked and compared first in the
 * transaction of the work, and stays locked until that transaction ends.
 *
 * Guarantees: work that commits did so under a token that was not below any that had committed before it; the
 * transactions of one resource take effect one after the other, at every isolation level.
 *
 * Must not: import a driver; decide by a clock; run the work again without leave; take an unanswered commit for
 * done or undone without asking the database.
 *
 * What is common to all databases is here; `postgres.ts`, `mysql.ts` and `sqlite.ts` are what users import.
 */
export type { Failure, FenceSql, IsolationLevel } from './dialect.ts';
export type { FenceTableOptions, SqlFenceOptions, TransactionFenceOptions } from './options.ts';
