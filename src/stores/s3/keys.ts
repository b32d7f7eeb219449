/** Documents' names as keys of objects, which have at most 1024 bytes. */
import { createHash } from 'node:crypto';
import type { DocumentKey } from '../documents/driver.ts';
import { escapeName, unescapeName } from '../escaped-names.ts';

const folders = { election: 'elections/', session: 'sessions/', counter: '' } as const;
const suffix = '.json';
const longestSegment = 700;
/** No escaped name begins so. */
const hashed = '=long-';

export function keyOf(prefix: string, { kind, name }: DocumentKey): string {
  if (kind === 'counter') return `${prefix}counter${suffix}`;
  const escaped = escapeName(name);
  const hash = () => `${hashed}${createHash('sha256').update(name).digest('hex')}`;
  return `${prefix}${folders[kind]}${escaped.length > longestSegment ? hash() : escaped}${suffix}`;
}

export function folderOf(prefix: string, kind: keyof typeof folders): string {
  return `${prefix}${folders[kind]}`;
}

/** The object's metadata, of which an object with a hash for a name needs its name. */
export function metadataOf({ name }: DocumentKey): Record<string, string> | undefined {
  if (escapeName(name).length <= longestSegment) return undefined;
  return { 'conclave-name': Buffer.from(name).toString('base64url') };
}

export function nameFrom(metadata: Readonly<Record<string, string>> = {}): string | undefined {
  const name = metadata['conclave-name'];
  return name === undefined ? undefined : Buffer.from(name, 'base64url').toString();
}

/** The name of an election's object. `hashed`: its metadata have it. undefined: it is no election's. */
export function nameOf(prefix: string, key: string): string | { readonly hashed: true } | undefined {
  const folder = `${prefix}${folders.election}`;
  if (!key.startsWith(folder) || !key.endsWith(suffix)) return undefined;
  const segment = key.slice(folder.length, -suffix.length);
  return segment.startsWith(hashed) ? { hashed: true } : unescapeName(segment);
}

/** What the keys of elections begin with whose names begin with `name`. */
export function beginnings(prefix: string, name: string): readonly string[] {
  const folder = `${prefix}${folders.election}`;
  const [plain = ''] = /^[\w:@-]*/.exec(name) ?? [];
  return plain === '' ? [folder] : [`${folder}${plain}`, `${folder}${hashed}`];
}
