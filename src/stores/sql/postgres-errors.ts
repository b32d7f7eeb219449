/** What the errors of PostgreSQL, of its relatives and of its drivers mean. */
import {
  brokenCodes,
  errorFields,
  isCertificateCode,
  isFileError,
  type SqlFailure,
  unreachableCodes,
} from './failures.ts';

const codes: Readonly<Record<string, SqlFailure>> = {
  '40001': 'conflict',
  '40P01': 'conflict',
  // CockroachDB: the statement may have been committed.
  '40003': 'unfinished',
  '55P03': 'slow',
  '57014': 'slow',
  '42P01': 'missing-table',
  '3F000': 'missing-database',
  '3D000': 'missing-database',
  '42703': 'other-table',
  '42P10': 'other-table',
  '42804': 'other-table',
  '42883': 'other-table',
  '42809': 'other-table',
  '25006': 'read-only',
  '42501': 'not-allowed',
  '28000': 'credentials',
  '28P01': 'credentials',
  '23505': 'taken',
  '53300': 'unreachable',
  '57P03': 'unreachable',
  // The database takes no connections (ALLOW_CONNECTIONS false).
  '55000': 'unreachable',
  '53100': 'disk-full',
};
/** 08: of connections; 57P: shut down, crashed, idle for too long. */
const connectionClasses = /^(08|57P|25P03)/;
/** The drivers' own errors carry no code, or a word as their code. */
const unreachableMessages = /timeout exceeded when trying to connect|server does not support SSL/i;
const brokenMessages =
  /connection (terminated|ended|error)|not queryable|client was closed|query read timeout|connection timeout/i;
/** What `pg` says where it has none, or an empty one. */
const noPasswordMessages = /client password must be a/;
const credentialMessages = /\b(SASL|SCRAM|password|authentication)\b/i;

/** undefined: no error of the database or its driver. */
export function classify(error: unknown): SqlFailure | undefined {
  const { code, severity, severity_local, message } = errorFields(error);
  const text = String(code ?? '');
  if (severity !== undefined || severity_local !== undefined)
    return codes[text] ?? (connectionClasses.test(text) ? 'connection' : 'refused');
  if (isCertificateCode(text)) return 'certificate';
  if (isFileError(error)) return 'file';
  if (unreachableCodes.includes(text) || text === 'CONNECT_TIMEOUT') return 'unreachable';
  if (brokenCodes.includes(text) || /^CONNECTION_/.test(text)) return 'connection';
  const said = String(message ?? '');
  if (noPasswordMessages.test(said)) return 'no-password';
  if (unreachableMessages.test(said)) return 'unreachable';
  if (brokenMessages.test(said)) return 'connection';
  return credentialMessages.test(said) || /^(SASL|AUTH)/.test(text) ? 'credentials' : undefined;
}
