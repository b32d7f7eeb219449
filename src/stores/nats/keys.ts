/** Documents as keys of a bucket, whose alphabet is small: election.nightly-report, session.<id>, counter. */
import type { DocumentKey } from '../documents/index.ts';

const prefix = 'election.';

export function keyOf({ kind, name }: DocumentKey): string {
  if (kind === 'counter') return 'counter';
  return kind === 'session' ? `session.${name}` : `${prefix}${escapeName(name)}`;
}

/** undefined: a key that is none of ours. */
export function readKey(key: string): DocumentKey | undefined {
  if (key === 'counter') return { kind: 'counter', name: '' };
  if (key.startsWith('session.')) return { kind: 'session', name: key.slice('session.'.length) };
  const name = nameIn(key);
  return name === undefined ? undefined : { kind: 'election', name };
}

/** The election's; undefined for any other key. */
export function nameIn(key: string): string | undefined {
  if (!key.startsWith(prefix)) return undefined;
  const escaped = key.slice(prefix.length);
  const bytes: number[] = [];
  for (const [piece] of escaped.matchAll(/=[0-9A-F]{2}|./gs)) {
    bytes.push(piece.length === 3 ? Number.parseInt(piece.slice(1), 16) : piece.charCodeAt(0));
  }
  const name = Buffer.from(bytes).toString('utf8');
  return escapeName(name) === escaped ? name : undefined;
}

/** Letters, digits, _ and - stay; other bytes of UTF-8 become =XX, also the dot, which parts a key. */
function escapeName(name: string): string {
  return Array.from(Buffer.from(name, 'utf8'), (byte) => {
    const character = String.fromCharCode(byte);
    return /[\w-]/.test(character) ? character : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}
