/** How documents lie in ZooKeeper's tree, and what tells one content of a node from another. */
import type { DocumentChange, DocumentKey, Led, StoredDocument } from '../documents/driver.ts';
import { escapeName, unescapeName } from '../escaped-names.ts';
import type { FoundNode, Stat } from './wire.ts';

/** What stands below the text: the child that marks this node, and how long it is kept after a write. */
const trailer = /\n([\da-f]{24}|-) (\d+|-)$/;

export const noMarker = '-';

export interface NodeVersion {
  readonly madeBy: string;
  readonly version: number;
  /** The name of the child that only this node has, or `noMarker`. */
  readonly marker: string;
}

export interface NodeContent {
  readonly stored: StoredDocument;
  readonly keepMs: number | undefined;
}

/**
 *   <root>/elections/<name>/<marker>
 *   <root>/elections/<name>/<marker>/led-<version>-<session>   for no time at all: see `ledPath`
 *   <root>/sessions/<id>
 *   <root>/counter/<marker>
 */
export function pathOf(root: string, { kind, name }: DocumentKey): string {
  if (kind === 'counter') return `${root}/counter`;
  return `${root}/${kind}s/${escapeName(name)}`;
}

/** undefined: it is no document, but what is above or below one. */
export function keyOf(root: string, path: string): DocumentKey | undefined {
  const [first, ...more] =
    path.slice(0, root.length) === root ? path.slice(root.length).split('/') : ['', ''];
  if (first !== '') return undefined;
  const [folder, segment, ...below] = more;
  if (below.length > 0) return undefined;
  if (folder === 'counter' && segment === undefined) return { kind: 'counter', name: '' };
  const name = unescapeName(segment ?? '/');
  if (name === undefined) return undefined;
  if (folder === 'elections') return { kind: 'election', name };
  return folder === 'sessions' ? { kind: 'session', name } : undefined;
}

/**
 * A node that is made and removed in the same step as a document is written, below its marker, which must be there: who
 * watches hears of it, and that is what it is for. Nobody can make one who could not write the document.
 */
export function ledPath(marking: string, { session, version }: Led): string {
  return `${marking}/led-${version}-${session}`;
}

/** undefined: nothing that a document's readers need to know of. */
export function changeOf(root: string, path: string): DocumentChange | undefined {
  if (!path.includes('/led-')) return keyOf(root, path);
  const [, above = path, version, session = ''] =
    /^(.*)\/[\da-f]{24}\/led-(\d{1,15})-([\da-f]{32})$/s.exec(path) ?? [];
  const key = keyOf(root, above);
  if (version === undefined) return key;
  return key?.kind === 'election' ? { ...key, led: { session, version: Number(version) } } : undefined;
}

export function dataOf(text: string, marker: string, keepMs: number | undefined): string {
  return `${text}\n${marker} ${keepMs === undefined ? '-' : Math.ceil(keepMs)}`;
}

export function contentOf({ data, stat }: FoundNode): NodeContent {
  // What another program wrote has none; it is shown as it is, and replaced by nobody.
  const [end = '', marker = noMarker, keep = '-'] = trailer.exec(data) ?? [];
  const text = end === '' ? data : data.slice(0, -end.length);
  return {
    stored: { text, version: versionOf(stat, marker) },
    keepMs: keep === '-' ? undefined : Number(keep),
  };
}

export function versionOf({ madeBy, version }: Stat, marker: string): string {
  return `${madeBy.toString(16)}.${version}.${marker}`;
}

export function parseVersion(text: string): NodeVersion {
  const [madeBy = '', version = '', marker = noMarker] = text.split('.');
  return { madeBy, version: Number(version), marker };
}
