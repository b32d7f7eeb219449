/**
 * The record of an election: a small value without a lease, which outlives sessions. It says whether the last
 * leadership ended cleanly, and how long nobody may lead when it did not (lock-delay).
 */
import { ConclaveError } from '../errors/index.ts';

export interface GraceRecord {
  /** The leadership that wrote it. */
  readonly token: number;
  readonly graceMs: number;
  /** Written in the step of a resignation or hand-off. */
  readonly clean: boolean;
}

export function encodeGraceRecord(record: GraceRecord): Uint8Array {
  const { token, graceMs, clean } = record;
  return new TextEncoder().encode(JSON.stringify({ format: 1, token, graceMs, clean }));
}

/** `placeOf`: where it is, for messages. @throws 'data-damaged' or 'data-incompatible': an election must not ignore a grace that it cannot read. */
export function decodeGraceRecord(
  name: string,
  bytes: Uint8Array,
  placeOf?: () => string | undefined,
): GraceRecord {
  const where = () => {
    const place = placeOf?.();
    return place === undefined ? '' : ` (${place})`;
  };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw damaged(name, where(), cause);
  }
  if (typeof value !== 'object' || value === null) throw damaged(name, where());
  const { format, token, graceMs, clean } = value as Record<string, unknown>;
  if (typeof format === 'number' && format > 1) {
    throw new ConclaveError(
      'data-incompatible',
      `The record of election ${JSON.stringify(name)}${where()} has format ${format}; this version reads format 1. Update this program.`,
    );
  }
  if (format !== 1 || !isCount(token) || !isCount(graceMs) || typeof clean !== 'boolean')
    throw damaged(name, where());
  return { token, graceMs, clean };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function damaged(name: string, where: string, cause?: unknown): ConclaveError {
  return new ConclaveError(
    'data-damaged',
    `The record of election ${JSON.stringify(name)}${where} is not one that Conclave wrote, and is left as it is: choose another name, or delete it in the store if nothing needs it.`,
    { cause },
  );
}
