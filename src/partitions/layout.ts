/** Which partitions there are: agreed by all through the record of the roster's election, and only ever growing. */
import { hashKeys, hashText, modulo } from './hash.ts';

/** `count`: partitions '0' to count - 1, to which keys are hashed. `keys`: each key is a partition of its own. */
export type Layout =
  | { readonly count: number; readonly keys?: undefined }
  | { readonly keys: readonly string[]; readonly count?: undefined };

export function partitionsOf(layout: Layout): readonly string[] {
  return layout.keys ?? Array.from({ length: layout.count }, (_, partition) => String(partition));
}

/** undefined: there is no partition of that key. */
export function partitionOf(layout: Layout, key: string): string | undefined {
  if (layout.keys !== undefined) return layout.keys.includes(key) ? key : undefined;
  return String(modulo(hashText(hashKeys.routed, key), layout.count));
}

/** The smallest layout that holds both; undefined where one has a count and the other keys. */
export function grown(layout: Layout | undefined, other: Layout): Layout | undefined {
  if (layout === undefined) return other;
  if (layout.keys !== undefined && other.keys !== undefined) {
    const keys = [...new Set([...layout.keys, ...other.keys])].sort();
    return keys.length === layout.keys.length ? layout : { keys };
  }
  if (layout.count === undefined || other.count === undefined) return undefined;
  return other.count > layout.count ? { count: other.count } : layout;
}

export function describeLayout(layout: Layout): string {
  return layout.keys === undefined ? `${layout.count} partitions` : `${layout.keys.length} keys`;
}
