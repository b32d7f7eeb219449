/** The options of the SQL guards, checked before any effect. */
import { ConclaveError } from '../../errors/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { checkCount } from '../writer.ts';
import type { IsolationLevel } from './dialect.ts';

export interface FenceTableOptions {
  /** The fence table, `name` or `schema.name` of letters, digits and `_`. Default 'conclave_fence'. */
  readonly table?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly runtime?: Runtime | undefined;
}

export interface TransactionFenceOptions {
  /** What is guarded: 1 to 1024 bytes of UTF-8. Default: the name of the election. */
  readonly resource?: string | undefined;
  /** The fence table, `name` or `schema.name` of letters, digits and `_`. Default 'conclave_fence'. */
  readonly table?: string | undefined;
}

export interface SqlFenceOptions extends TransactionFenceOptions {
  /** Gives up while waiting for a connection or for the fence, and before the commit. The work itself is not stopped. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How often the work may be run, 1 to 100, default 1. Above 1 it is run again after a serialization failure, a
   * deadlock or a broken connection of which it is certain that nothing was committed: it must bear that.
   */
  readonly attempts?: number | undefined;
  /**
   * How long to wait for the fence, which another transaction of the resource may hold. Default 60000. On PostgreSQL,
   * MySQL and MariaDB it is set for the transaction, so it bounds each wait of the work for a lock, too.
   */
  readonly lockTimeoutMs?: number | undefined;
  /** How long the database may leave one of our statements (not the work's) unanswered. Default 30000. */
  readonly answerTimeoutMs?: number | undefined;
  readonly runtime?: Runtime | undefined;
}

export interface ServerFenceOptions extends SqlFenceOptions {
  /** Default: as the database or its session is set. */
  readonly isolation?: IsolationLevel | undefined;
  /**
   * The server ends the transaction of a process that sends nothing for so long within it, so that one that is paused
   * or cut off does not hold up the next leader for ever. 0: never. Default 30000.
   */
  readonly idleTimeoutMs?: number | undefined;
}

export interface FenceSettings {
  readonly resource: string;
  readonly table: string;
  readonly signal: AbortSignal | undefined;
  readonly attempts: number;
  readonly lockTimeoutMs: number;
  readonly answerTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly isolation: IsolationLevel | undefined;
  readonly runtime: Runtime;
}

const defaultTable = 'conclave_fence';
const mostMs = 2 ** 31 - 1;
const nameLimitBytes = 1024;
const isolationLevels: readonly unknown[] = ['read committed', 'repeatable read', 'serializable'];

/** @throws 'invalid-argument' */
export function checkSettings(
  options: ServerFenceOptions,
  election: string,
  { waitsToBegin = false }: { readonly waitsToBegin?: boolean | undefined } = {},
): FenceSettings {
  if (typeof options !== 'object' || options === null)
    throw new ConclaveError('invalid-argument', 'The options must be an object.');
  const { isolation, signal } = options;
  if (isolation !== undefined && !isolationLevels.includes(isolation)) {
    const message = `isolation must be one of ${isolationLevels.join(', ')}, not ${JSON.stringify(isolation)}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new ConclaveError('invalid-argument', 'signal must be an AbortSignal.');
  const lockTimeoutMs = checkCount('lockTimeoutMs', options.lockTimeoutMs ?? 60_000, 1, mostMs);
  const answerTimeoutMs = checkCount('answerTimeoutMs', options.answerTimeoutMs ?? 30_000, 1, mostMs);
  return {
    ...{ resource: checkResource(options.resource ?? election), table: checkTable(options.table) },
    ...{ signal, isolation },
    attempts: checkCount('attempts', options.attempts ?? 1, 1, 100),
    lockTimeoutMs,
    answerTimeoutMs: answerTimeoutMs + (waitsToBegin ? lockTimeoutMs : 0),
    idleTimeoutMs: checkCount('idleTimeoutMs', options.idleTimeoutMs ?? 30_000, 0, mostMs),
    runtime: options.runtime ?? nodeRuntime(),
  };
}

/** Goes into SQL text, so no character that could end a quotation passes. @throws 'invalid-argument' */
export function checkTable(table: string = defaultTable): string {
  if (
    typeof table === 'string' &&
    /^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$/.test(table)
  )
    return table;
  const message = `${JSON.stringify(table)} is not a table's name: name or schema.name, each of at most 63 letters, digits and underscores.`;
  throw new ConclaveError('invalid-argument', message);
}

/** @throws 'invalid-argument' */
export function checkResource(resource: string): string {
  const valid =
    typeof resource === 'string' &&
    resource.length > 0 &&
    resource.isWellFormed() &&
    !resource.includes('\0') &&
    new TextEncoder().encode(resource).length <= nameLimitBytes;
  if (valid) return resource;
  const shown = String(JSON.stringify(resource)).slice(0, 80);
  const message = `A resource has a name of 1 to ${nameLimitBytes} bytes of UTF-8 without the character 0, not ${shown}.`;
  throw new ConclaveError('invalid-argument', message);
}
