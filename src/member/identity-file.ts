import { crc32 } from './log/crc32.ts';

/** What the folder's identity file says. */
export interface Identity {
  readonly formatVersion: number;
  readonly clusterId: number;
  readonly memberId: number;
  readonly name: string;
  readonly started: boolean;
  /** Those the cluster began with, or that a joining member was told of. The first folders did not have them. */
  readonly members?: readonly {
    readonly memberId: number;
    readonly name: string;
    readonly peerUrls: readonly string[];
  }[];
  /** It joined a cluster that was there. */
  readonly joined?: boolean;
  /** It was removed from the cluster: nobody starts here again. */
  readonly removed?: boolean;
  /** The cluster took it in no more before it had held anything: the folder counts as an empty one. */
  readonly vacant?: boolean;
}

/** Version of the layout of the folder as a whole. A member reads its own and older ones. */
export const folderFormatVersion = 1;
const nothing = '00000000';
/** The last field, in every format: of the whole text, with zeros in its own place. */
const checksumAtEnd = /"crc32": "([0-9a-f]{8})"\n\}\n$/;

/** JSON that people can read, with a checksum: a flipped bit must not pass for another member's folder, or none's. */
export function encodeIdentity(identity: object): Uint8Array {
  // One that was read has the field already: it would keep its place, which must be the last.
  const { crc32: _read, ...fields } = identity as { readonly crc32?: unknown };
  const text = `${JSON.stringify({ ...fields, crc32: nothing }, null, 2)}\n`;
  return new TextEncoder().encode(withChecksum(text, checksumOf(text)));
}

/** undefined: not what was written. Of a newer format only `formatVersion` is certain to be there. */
export function decodeIdentity(
  bytes: Uint8Array,
): (Partial<Identity> & { formatVersion: number }) | undefined {
  let value: Partial<Identity> | null;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (checksumAtEnd.exec(text)?.[1] !== checksumOf(withChecksum(text, nothing))) return undefined;
    value = JSON.parse(text) as Partial<Identity> | null;
  } catch {
    return undefined;
  }
  const formatVersion = value?.formatVersion;
  if (formatVersion === undefined || !Number.isSafeInteger(formatVersion)) return undefined;
  if (formatVersion > folderFormatVersion) return { formatVersion };
  const whole =
    Number.isSafeInteger(value?.clusterId) &&
    Number.isSafeInteger(value?.memberId) &&
    typeof value?.name === 'string' &&
    typeof value.started === 'boolean';
  return whole ? { ...value, formatVersion } : undefined;
}

function withChecksum(text: string, checksum: string): string {
  return text.replace(checksumAtEnd, `"crc32": "${checksum}"\n}\n`);
}

function checksumOf(text: string): string {
  return crc32(new TextEncoder().encode(text)).toString(16).padStart(8, '0');
}
