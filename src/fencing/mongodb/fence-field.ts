/** The fence inside a document: { election, token, version, writeId }. */
import { ConclaveError } from '../../errors/index.ts';
import type { Fence } from '../fenced-cell.ts';

/** @throws 'data-damaged'. undefined: there is none. The election is missing where none was ever named. */
export function decodeFence(name: string, value: unknown): Fence | undefined {
  if (value === undefined) return undefined;
  const { election = '', token, version, writeId } = (value ?? {}) as Record<string, unknown>;
  const [tokenNumber, versionNumber] = [countOf(token), countOf(version)];
  const sound =
    typeof election === 'string' &&
    typeof writeId === 'string' &&
    Number.isSafeInteger(tokenNumber) &&
    tokenNumber >= 0 &&
    Number.isSafeInteger(versionNumber) &&
    versionNumber >= 1;
  if (sound) return { election, token: tokenNumber, version: versionNumber, writeId };
  const message = `The fence of ${name} is damaged, so its highest token is unknown. Look who else writes it.`;
  throw new ConclaveError('data-damaged', message);
}

/** Of a number, or of the driver's own type for one; other types compare with no number in a filter. */
function countOf(value: unknown): number {
  const isNumber = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'object';
  return isNumber && value !== null ? Number(value) : Number.NaN;
}

/** Matches where this token may write. */
export function mayWrite(field: string, writer: { readonly election: string; readonly token: number }) {
  return {
    [`${field}.token`]: { $lte: writer.token },
    ...(writer.election !== '' && { [`${field}.election`]: { $in: [writer.election, '', null] } }),
  };
}
