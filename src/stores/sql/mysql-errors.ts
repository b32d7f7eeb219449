/** What the errors of MySQL, of MariaDB and of their driver mean. */
import {
  brokenCodes,
  errorFields,
  isCertificateCode,
  type SqlFailure,
  unreachableCodes,
} from './failures.ts';

export const duplicateKey = 1062;

const meanings: Readonly<
  Record<Exclude<SqlFailure, 'refused' | 'no-password' | 'certificate' | 'file'>, readonly number[]>
> = {
  // 1020: MariaDB with innodb_snapshot_isolation.
  conflict: [1213, 1020],
  // Shutting down, killed, closed for being idle, the network.
  connection: [1053, 1927, 4031, 1158, 1159, 1160, 1161],
  // Too many connections; a node of Galera that is not in its cluster.
  unreachable: [1040, 1203, 1226, 1047],
  // An error during the commit.
  unfinished: [1180],
  // A lock, a query that was killed, max_statement_time.
  slow: [1205, 1317, 1969, 3024],
  'missing-table': [1146],
  'missing-database': [1049],
  'no-database': [1046],
  'other-table': [1054, 1364, 1072],
  'read-only': [1290, 1792, 1836, 3100],
  'not-allowed': [1044, 1142, 1143, 1227, 1370],
  // 1129, 1130: this host is blocked, or not let in. 3118, 4151: the account is locked. 1820, 1862: the password expired.
  credentials: [1045, 1698, 1129, 1130, 1251, 1820, 1862, 3118, 4151],
  'disk-full': [1021, 1114],
  taken: [duplicateKey],
};
const numbers = new Map(
  Object.entries(meanings).flatMap(([failure, all]) => all.map((number) => [number, failure as SqlFailure])),
);
/** undefined: no error of the database or its driver. */
export function classify(error: unknown): SqlFailure | undefined {
  const { code, errno, fatal, message, sqlState } = errorFields(error);
  const text = String(code ?? '');
  const known = text.startsWith('ER_') && typeof errno === 'number' ? numbers.get(errno) : undefined;
  if (known === 'credentials' && /using password: NO/.test(String(message))) return 'no-password';
  if (known !== undefined) return known;
  if (text === 'HANDSHAKE_SSL_ERROR' || isCertificateCode(text)) return 'certificate';
  if (unreachableCodes.includes(text)) return 'unreachable';
  if (brokenCodes.includes(text) || /^(PROTOCOL_CONNECTION_LOST|CONNECTION_CLOSED)$/.test(text))
    return 'connection';
  if (/closed state|connection is closed|pool is closed/i.test(String(message ?? ''))) return 'connection';
  if (sqlState !== undefined || text.startsWith('ER_')) return 'refused';
  return fatal === true ? 'connection' : undefined;
}
