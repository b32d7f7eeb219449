/** Taking the fence row within an open transaction. */
import { ConclaveError } from '../../errors/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { type CheckedWriter, checkLeadership, checkToken, type FencedLeadership } from '../writer.ts';
import { type Dialect, type Query, type TakenRow, tableVersion } from './dialect.ts';
import { convertError } from './failures.ts';
import { checkResource, checkSettings, checkTable, type TransactionFenceOptions } from './options.ts';

export function newAttempt(runtime: Runtime): string {
  return Array.from(runtime.random.bytes(16), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Locks the row until the transaction ends, stores a higher token, refuses a lower one: then it must be rolled back. */
export async function takeRow(
  dialect: Dialect,
  query: Query,
  writer: Pick<CheckedWriter, 'token' | 'election'>,
  at: {
    readonly table: string;
    readonly resource: string;
    readonly attempt: string;
    signal?: AbortSignal | undefined;
  },
): Promise<TakenRow> {
  const { table, resource, attempt, signal } = at;
  const { token, election } = writer;
  let rows: Awaited<ReturnType<Query>> = [];
  for (const statement of dialect.take(table, { resource, election, token, attempt }))
    rows = await query(statement, signal).catch((error: unknown) => {
      throw dialect.isStatementTimeout?.(error) ? waitCutShort(dialect, resource, error) : error;
    });
  const [row] = rows;
  if (row === undefined) {
    const message = `The fence table ${table} gave no row for ${JSON.stringify(resource)}: a rule or trigger on it stands in the way.`;
    throw new ConclaveError('failed-precondition', message);
  }
  const taken = dialect.decodeTaken(row);
  checkVersion(table, taken.version);
  checkToken(`${dialect.name} resource ${JSON.stringify(resource)}`, writer, taken);
  return taken;
}

/** Taking the fence is one row: what takes long is the wait for its lock. */
function waitCutShort({ name }: Dialect, resource: string, cause: unknown): ConclaveError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const message = `${name} ended the wait for the fence of ${JSON.stringify(resource)} (${reason}): another transaction holds it, perhaps one of a process that is paused. Nothing was committed.`;
  return new ConclaveError('timeout', message, { retryable: true, cause, details: { resource } });
}

/** @throws 'data-incompatible' */
export function checkVersion(table: string, version: number): void {
  if (version === tableVersion) return;
  const message = `The fence table ${table} has version ${version}; this release of conclave works with version ${tableVersion}. Use the release that made it, or another table.`;
  throw new ConclaveError('data-incompatible', message, { details: { table, version } });
}

/** For a transaction of the caller's own, which the caller commits or, when this throws, rolls back. */
export async function takeFenceIn(
  dialect: Dialect,
  query: Query,
  leadership: FencedLeadership,
  options: TransactionFenceOptions & { readonly runtime?: Runtime | undefined },
): Promise<void> {
  const writer = checkLeadership(leadership);
  const table = checkTable(options.table);
  const resource = checkResource(options.resource ?? writer.election);
  const { runtime } = checkSettings({ runtime: options.runtime }, writer.election);
  writer.assertHeld();
  try {
    if (!(await dialect.inTransaction(query))) {
      const message = `takeFence() needs an open transaction, which keeps the fence of ${JSON.stringify(resource)} locked until it ends: begin one first.`;
      throw new ConclaveError('failed-precondition', message);
    }
    await takeRow(dialect, query, writer, { table, resource, attempt: newAttempt(runtime) });
  } catch (error) {
    throw convertError({ dialect }, table, error);
  }
}
