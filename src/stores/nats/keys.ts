/** Documents as keys of a bucket, whose alphabet is small: election.nightly-report, session.<id>, counter. */
import type { DocumentKey } from '../documents/index.ts';
import { escapeName, unescapeName } from '../escaped-names.ts';

const prefix = 'election.';
/** The dot parts a key. */
const plain = /[\w-]/;

export function keyOf({ kind, name }: DocumentKey): string {
  if (kind === 'counter') return 'counter';
  return kind === 'session' ? `session.${name}` : `${prefix}${escapeName(name, plain)}`;
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
  return unescapeName(key.slice(prefix.length), plain);
}
