/** What the model of the keyspace is made of, and etcd's rules for ranges and compares. */
import type { CommandFailure, Compare, KeyValue } from '../../keyspace/index.ts';
import type { Pair, RangeShape, StepAnswer } from './history.ts';

/** One change of one key, in the order of the log. */
export interface Change {
  readonly revision: number;
  readonly key: string;
  /** undefined: the key was deleted. */
  readonly pair: Pair | undefined;
  readonly previous: Pair | undefined;
}

export interface ModelLease {
  readonly id: bigint;
  readonly ttlMs: number;
  deadlineMs: number;
  attachment: number;
  attached: boolean;
  readonly keys: Set<string>;
}

export type ModelAnswer =
  | StepAnswer
  | { readonly type: 'sequence'; readonly answers: readonly StepAnswer[] }
  | { readonly type: 'renew'; readonly ttlsMs: readonly number[] }
  | { readonly type: 'grant'; readonly ttlMs: number }
  | { readonly type: 'attach'; readonly attachment: number }
  | { readonly type: 'detach'; readonly current: boolean }
  | { readonly type: 'register'; readonly incarnation: number }
  | { readonly type: 'done' }
  /** `refused`: to its author, so that it was not applied at all, and may be when it comes again. */
  | { readonly type: 'failed'; readonly failure: CommandFailure; readonly refused?: boolean };

/** What a command did and left behind. */
export interface Applied {
  /** The store's revision after it. */
  readonly revision: number;
  readonly answer: ModelAnswer;
}

export function textOf(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at++) text += String.fromCharCode(bytes[at] as number);
  return text;
}

/** One byte for each char; the workload writes nothing but ASCII. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Of a key as members and clients have it. */
export function pairOf(kv: KeyValue): Pair {
  return {
    key: textOf(kv.key),
    value: textOf(kv.value),
    create: kv.createRevision,
    mod: kv.modRevision,
    version: kv.version,
    lease: kv.lease,
  };
}

/** All keys of a range, by etcd's rules for its end. */
export function inRange(key: string, from: string, end: string): boolean {
  if (end === '') return key === from;
  return key >= from && (end === '\0' || key < end);
}

/** The order of a pair, or of a key that is not there, against what a compare names. */
export function orderOf(pair: Pair | undefined, { target }: Compare): number {
  switch (target.kind) {
    case 'value': {
      const value = textOf(target.value);
      return pair === undefined || pair.value < value ? -1 : pair.value > value ? 1 : 0;
    }
    case 'lease': {
      const lease = pair?.lease ?? 0n;
      return lease < target.lease ? -1 : lease > target.lease ? 1 : 0;
    }
    default:
      return (pair?.[target.kind] ?? 0) - target.revision;
  }
}

export function inOrder(order: number, result: Compare['result']): boolean {
  if (result === 'equal') return order === 0;
  if (result === 'not-equal') return order !== 0;
  return result === 'greater' ? order > 0 : order < 0;
}

/** What a range of this shape shows of all pairs of its keys, which are in the order of the keys. */
export function shaped(pairs: readonly Pair[], shape?: RangeShape): StepAnswer & { type: 'range' } {
  const count = pairs.length;
  if (shape === undefined) return { type: 'range', pairs, count, more: false };
  const { limit, sortOrder, sortTarget, keysOnly, countOnly } = shape;
  if (countOnly) return { type: 'range', pairs: [], count, more: false };
  let shown = [...pairs];
  if (sortTarget !== 'key') {
    const sign = sortOrder === 'descend' ? -1 : 1;
    const compare = (left: Pair, right: Pair): number => {
      if (sortTarget !== 'value') return left[sortTarget] - right[sortTarget];
      return left.value < right.value ? -1 : left.value > right.value ? 1 : 0;
    };
    // Ties stay in the order of the keys.
    shown.sort((left, right) => sign * compare(left, right));
  } else if (sortOrder === 'descend') shown.reverse();
  const more = limit > 0 && shown.length > limit;
  if (more) shown = shown.slice(0, limit);
  if (keysOnly) shown = shown.map((pair) => ({ ...pair, value: '' }));
  return { type: 'range', pairs: shown, count, more };
}
