/** What a database's refusals mean to a lease store, in words that name the remedy. */
import { ConclaveError, type ErrorCode } from '../../errors/index.ts';

/**
 * `conflict`: rolled back for the sake of another transaction. `connection`: it broke, or the server is going away;
 * `unreachable`: there was none to begin with; `certificate`: for the server's, which is not trusted; `file`: for one
 * that the url names. `unfinished`: the database itself cannot tell. `slow`: given up for a lock or a bound of the
 * server's. `taken`: a row of that key stands there. `refused`: any other answer.
 */
export type SqlFailure =
  | 'conflict'
  | 'connection'
  | 'unreachable'
  | 'certificate'
  | 'file'
  | 'unfinished'
  | 'slow'
  | 'missing-table'
  | 'missing-database'
  | 'no-database'
  | 'other-table'
  | 'read-only'
  | 'not-allowed'
  | 'credentials'
  | 'no-password'
  | 'disk-full'
  | 'taken'
  | 'refused';

/** Names for messages. */
export interface SqlService {
  /** "PostgreSQL at db:5432/app" */
  readonly description: string;
  readonly table: string;
  /** As of `migrationBy`. */
  readonly migration: string;
  /** What to grant, as SQL. */
  readonly grant: string;
  /** Where a password may stand besides the URL. */
  readonly passwordIn: string;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly retryable?: boolean;
  readonly unknown?: boolean;
  readonly says: (service: SqlService) => string;
}

const meanings: Readonly<Record<SqlFailure, Meaning>> = {
  conflict: {
    code: 'unavailable',
    retryable: true,
    says: () => 'was rolled back again and again for the sake of other transactions',
  },
  connection: { code: 'unavailable', retryable: true, unknown: true, says: () => 'lost its connection' },
  unreachable: { code: 'unavailable', retryable: true, says: () => 'got no connection' },
  certificate: {
    code: 'unavailable',
    retryable: true,
    says: () =>
      'got no connection, since the certificate of the server is not trusted: name the authority that signed it in NODE_EXTRA_CA_CERTS, and the host as the certificate does',
  },
  file: {
    code: 'invalid-argument',
    says: () => 'cannot begin: a file that the url names cannot be read',
  },
  unfinished: {
    code: 'unavailable',
    retryable: true,
    unknown: true,
    says: () => 'has an outcome that the database cannot tell',
  },
  slow: {
    code: 'timeout',
    retryable: true,
    says: ({ table }) =>
      `waited too long for the server: perhaps a transaction holds rows of ${table} locked`,
  },
  'missing-table': {
    code: 'failed-precondition',
    says: ({ table, migration }) =>
      `found no table ${table}: make it, once, by ${migration}, or by hand with the SQL of --print`,
  },
  'missing-database': {
    code: 'failed-precondition',
    says: () => 'named a database or schema that does not exist: create it, or correct the name',
  },
  'no-database': {
    code: 'failed-precondition',
    says: () => 'named no database: write one into the URL (…/database)',
  },
  'other-table': {
    code: 'data-incompatible',
    says: ({ table, migration }) =>
      `found a table ${table} that is not one of Conclave's: give another name in the option table, and make it by ${migration}`,
  },
  'read-only': {
    code: 'failed-precondition',
    says: () => 'met a server or session that takes no writes: connect to the primary',
  },
  'not-allowed': {
    code: 'failed-precondition',
    says: ({ grant }) => `lacks a permission: ${grant}`,
  },
  credentials: {
    code: 'failed-precondition',
    says: () => 'was not let in: check user and password, and from where the server lets that user in',
  },
  'no-password': {
    code: 'failed-precondition',
    says: ({ passwordIn }) =>
      `was asked for a password and has none: set ${passwordIn}, or write it into the URL (user:password@host)`,
  },
  'disk-full': { code: 'disk-full', retryable: true, says: () => 'met a disk without space' },
  taken: { code: 'failed-precondition', says: () => 'found a row of that key' },
  refused: { code: 'failed-precondition', says: () => 'was refused' },
};

/** `what`: "Writing", as the beginning of a sentence. */
export function explain(
  service: SqlService,
  what: string,
  failure: SqlFailure,
  cause: unknown,
  changes: Partial<Pick<Meaning, 'code' | 'retryable' | 'says'>> = {},
): ConclaveError {
  const { code, retryable = false, unknown = false, says } = { ...meanings[failure], ...changes };
  // Drivers tell of a password that is missing in the terms of a protocol.
  const tells = cause instanceof Error && cause.message !== '' && failure !== 'no-password';
  const reason = tells ? ` (${cause.message})` : '';
  const message = `${what} ${what === 'Connecting' ? 'to' : 'in'} ${service.description} ${says(service)}${reason}.`;
  const outcome = unknown ? 'unknown' : 'not-applied';
  return new ConclaveError(code, message, { retryable, outcome, cause });
}

/** By a command, and by a function: `migratePostgres` of conclave/postgres. `options`: those that are not usual. */
export function migrationBy(
  name: 'postgres' | 'mysql',
  call: string,
  options: Readonly<Record<string, string | undefined>>,
): string {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const query = given.map(([option, value]) => `${option}=${value}`).join('&');
  const fields = given.map(([option, value]) => `, ${option}: '${value}'`).join('');
  return `conclave migrate --store '${name}://…${query === '' ? '' : `?${query}`}', or ${call}({ url${fields} }) of conclave/${name}`;
}

export const usualTable = 'conclave_documents';

/** What a driver's error says of itself. */
export function errorFields(error: unknown): Readonly<Record<string, unknown>> {
  return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {};
}

/** Errors of sockets and of looking up hosts from which it is certain that nothing was sent. */
export const unreachableCodes: readonly string[] = [
  ...['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT'],
];
/** Those of a connection that there was. */
export const brokenCodes: readonly string[] = ['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT'];

/** Of a file that was to be read before anybody was asked: a socket that does not exist is missed by `connect`. */
export function isFileError(error: unknown): boolean {
  const { code, syscall, path } = errorFields(error);
  return (
    typeof code === 'string' &&
    (syscall === 'open' || syscall === 'read') &&
    (path !== undefined || code === 'EISDIR')
  );
}

/** Of Node's and OpenSSL's checks of a certificate: its authority, its time, its names. */
export function isCertificateCode(code: string): boolean {
  return /^(CERT_|ERR_TLS_CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_SELF_SIGNED_)/.test(code);
}

/** Goes into SQL text, so no character that could end a quotation passes. @throws 'invalid-argument' */
export function checkTable(table: unknown): string {
  if (
    typeof table === 'string' &&
    /^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$/.test(table)
  )
    return table;
  const message = `${JSON.stringify(table)} is not a table's name: name or schema.name, each of at most 63 letters, digits and underscores.`;
  throw new ConclaveError('invalid-argument', message);
}

/** `schema.table`, each part quoted. */
export function quoteTable(table: string, quote: '"' | '`'): string {
  return table
    .split('.')
    .map((part) => `${quote}${part}${quote}`)
    .join('.');
}

/** For LIKE … ESCAPE '|'. */
export function likePrefix(prefix: string): string {
  return `${prefix.replace(/[|%_]/g, '|$&')}%`;
}
