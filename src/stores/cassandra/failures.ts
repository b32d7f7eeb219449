/** What the driver's errors mean: whether a write may have been carried out, and what a user can do. */
import { ConclaveError } from '../../errors/index.ts';

export interface FailedCall {
  readonly description: string;
  /** Keyspace and table. */
  readonly table: string;
  /** The CQL that makes it. */
  readonly schema: string;
  readonly changes: boolean;
  /** Why the driver could make no connection, which the errors of later calls do not tell. */
  readonly noConnection?: unknown;
}

/** Of Cassandra's protocol. */
const codes = {
  badCredentials: 0x0100,
  unavailable: 0x1000,
  unauthorized: 0x2100,
  firstOfInvalid: 0x2000,
} as const;

/** The cluster itself says that it does not know: not that the connection broke, after which a request may still run. */
const timedOut: readonly unknown[] = [0x1100, 0x1700];

/** @param error as `cassandraError` made it */
export function hasTimedOut(error: unknown): boolean {
  return ConclaveError.is(error) && timedOut.includes((error.cause as DriverError | undefined)?.code);
}

interface DriverError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: unknown;
  readonly innerErrors?: Readonly<Record<string, unknown>>;
}

export function cassandraError(cause: unknown, call: FailedCall): ConclaveError {
  if (ConclaveError.is(cause)) return cause;
  const error = (typeof cause === 'object' && cause !== null ? cause : {}) as DriverError;
  const { description, changes } = call;
  const inner = Object.values(error.innerErrors ?? {}) as DriverError[];
  const hasTriedNone = error.name === 'NoHostAvailableError' && inner.length === 0;
  const all = inner.length > 0 ? inner : [(hasTriedNone && (call.noConnection as DriverError)) || error];
  const mend = all.map((one) => remedy(one, call)).find((text) => text !== undefined);
  if (mend !== undefined) return new ConclaveError('failed-precondition', mend, { cause });
  const reason = all.map(({ message }) => firstLine(message)).join('; ') || String(cause);
  // Too few replicas are known to live: nothing was begun. Nor was it where no connection could be made.
  const isRefused =
    !hasTriedNone && all.every(({ code }) => code === codes.unavailable || code === 'ECONNREFUSED');
  const timeout = /timeout|timed ?out/i.test(`${error.name} ${reason}`);
  return new ConclaveError(timeout ? 'timeout' : 'unavailable', `${description} cannot answer: ${reason}`, {
    retryable: true,
    // A compare-and-set that timed out is finished, or not, by whoever reads or writes the row next.
    outcome: changes && !isRefused ? 'unknown' : 'not-applied',
    cause,
  });
}

function remedy({ name = '', message, code }: DriverError, call: FailedCall): string | undefined {
  const { description, table, schema } = call;
  const said = firstLine(message);
  if (name === 'AuthenticationError' || code === codes.badCredentials) {
    return `${description} refuses the login (${said}): look at user and password.`;
  }
  if (code === codes.unauthorized) {
    return `${description} does not allow it (${said}): GRANT SELECT ON TABLE ${table} and GRANT MODIFY ON TABLE ${table} to this role.`;
  }
  if (name === 'ArgumentError') return `The driver refuses to ask ${description}: ${said}`;
  if (typeof code !== 'number' || code < codes.firstOfInvalid) return undefined;
  // The last is said of a table that was dropped while it was in use.
  if (/unconfigured|does not exist|^Prepared query with ID/i.test(said)) {
    return `${description} has no table ${table} (${said}): make it with conclave migrate, createCassandraTable() of conclave/cassandra, or with: ${schema}`;
  }
  return `${description} refuses what Conclave asks of table ${table} (${said}): is it a table made for Conclave? ${schema}`;
}

/** The driver puts stacks, and dumps of other errors, into its messages. */
function firstLine(message: unknown): string {
  return String(message ?? '').split('\n')[0] ?? '';
}
