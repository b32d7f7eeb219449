/** The fence as an object's metadata, and the line of the body that makes every write's ETag another. */
import { ConclaveError } from '../../errors/index.ts';
import type { Fence } from '../fenced-cell.ts';

const prefix = 'conclave-';
const format = '1';
const electionLimit = 1024;
const countPattern = /^(0|[1-9]\d{0,15})$/;

/** The user's metadata and ours. */
export function encodeMetadata(fence: Fence, own: Readonly<Record<string, string>>): Record<string, string> {
  return {
    ...own,
    [`${prefix}format`]: format,
    [`${prefix}election`]: encodeURIComponent(fence.election),
    [`${prefix}token`]: String(fence.token),
    [`${prefix}version`]: String(fence.version),
    [`${prefix}write`]: fence.writeId,
  };
}

/** @throws 'invalid-argument', 'too-large': a name that would not fit the 2 KiB that S3 has for metadata. */
export function checkElection(name: string): void {
  let encoded: string;
  try {
    encoded = encodeURIComponent(name);
  } catch {
    throw new ConclaveError('invalid-argument', 'The name of the election has half a surrogate pair.');
  }
  if (encoded.length > electionLimit) {
    const message = `The election's name has ${encoded.length} characters when percent-encoded; metadata of an object take ${electionLimit}.`;
    throw new ConclaveError('too-large', message);
  }
}

/** @throws 'failed-precondition' for metadata whose names are ours. */
export function checkOwnMetadata(own: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(own)) {
    if (!name.toLowerCase().startsWith(prefix)) continue;
    const message = `Metadata beginning with "${prefix}" belong to the guard, not ${JSON.stringify(name)}.`;
    throw new ConclaveError('invalid-argument', message);
  }
}

/** undefined: the object was not written through the guard. */
export function decodeMetadata(
  name: string,
  metadata: Readonly<Record<string, string>>,
): { readonly fence: Fence | undefined; readonly own: Readonly<Record<string, string>> } {
  const own = Object.fromEntries(Object.entries(metadata).filter(([key]) => !key.startsWith(prefix)));
  const field = (key: string) => metadata[`${prefix}${key}`];
  const [found, election, token, version, writeId] = [
    field('format'),
    field('election'),
    field('token'),
    field('version'),
    field('write'),
  ];
  if (found === undefined && token === undefined) return { fence: undefined, own };
  if (found !== undefined && found !== format) {
    const message = `${name} has a fence of format ${JSON.stringify(found)}: update this program.`;
    throw new ConclaveError('data-incompatible', message);
  }
  const counts = [token ?? '', version ?? ''];
  if (
    election === undefined ||
    !counts.every((count) => countPattern.test(count) && Number.isSafeInteger(Number(count))) ||
    !/^[0-9a-f]{32}$/.test(writeId ?? '')
  ) {
    const message = `The metadata of ${name} are damaged, so its highest token is unknown. Look who else writes it.`;
    throw new ConclaveError('data-damaged', message);
  }
  const fence = {
    election: decodeElection(name, election),
    token: Number(token),
    version: Number(version),
    writeId: writeId ?? '',
  };
  return { fence, own };
}

function decodeElection(name: string, encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch (cause) {
    throw new ConclaveError('data-damaged', `The metadata of ${name} name no election.`, { cause });
  }
}

const line = (stamp: string) => new TextEncoder().encode(`conclave-write ${stamp}\n`);

/** The default stamp: one line of 48 bytes before the data. */
export function prependStamp(data: Uint8Array, stamp: string): Uint8Array {
  const first = line(stamp);
  const body = new Uint8Array(first.length + data.length);
  body.set(first);
  body.set(data, first.length);
  return body;
}

/** @throws 'data-damaged' where the body is not the one that the metadata were written with. */
export function removeStamp(name: string, body: Uint8Array, stamp: string): Uint8Array {
  const first = line(stamp);
  if (first.some((byte, position) => body[position] !== byte)) {
    const message = `The body of ${name} does not begin with the line of its last write. Was it made with another option "stamp"?`;
    throw new ConclaveError('data-damaged', message);
  }
  return body.slice(first.length);
}
