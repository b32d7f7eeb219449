/** The order of a range's records, and the first of them without sorting all. */
import { compareBytes } from './bytes.ts';
import type { Store } from './store.ts';
import { rowInPage } from './tables.ts';
import type { RangeRequest, SortTarget } from './types.ts';

type Comparison = (left: number, right: number) => number;

/** Compares two of the records, given by their places. What is compared is looked up once for each. */
function comparisonOf(
  store: Store,
  records: readonly number[],
  target: Exclude<SortTarget, 'key'>,
): Comparison {
  if (target === 'value') {
    const values = records.map((record) => store.valueView(record));
    return (left, right) => compareBytes(values[left] as Uint8Array, values[right] as Uint8Array);
  }
  const column = target === 'version' ? 'version' : target === 'create' ? 'createRevision' : 'modRevision';
  const numbers = Float64Array.from(
    records,
    (record) => store.records.page(record)[column][rowInPage(record)] as number,
  );
  return (left, right) => (numbers[left] as number) - (numbers[right] as number);
}

/**
 * The first `wanted` of the records, which come in key order, in the order of etcd 3.4: keys in order unless asked
 * otherwise; a sort target without an order means ascending. Ties stay in key order, descending too.
 */
export function firstSorted(
  store: Store,
  records: readonly number[],
  { sortOrder, sortTarget }: RangeRequest,
  wanted: number,
): readonly number[] {
  if (sortTarget === 'key') {
    if (sortOrder !== 'descend') return records.slice(0, wanted);
    return records.slice(Math.max(0, records.length - wanted)).reverse();
  }
  const compare = comparisonOf(store, records, sortTarget);
  const ordered: Comparison =
    sortOrder === 'descend'
      ? (left, right) => compare(right, left) || left - right
      : (left, right) => compare(left, right) || left - right;
  // Where most of them are wanted, a sort of all is as good.
  const places =
    wanted < records.length / 4
      ? firstPlaces(records.length, ordered, wanted)
      : Uint32Array.from(records, (_, place) => place).sort(ordered);
  return Array.from(places.slice(0, wanted), (place) => records[place] as number);
}

/** The first places of an order, from a heap with the last of them on top: most others are compared with that one only. */
function firstPlaces(count: number, order: Comparison, wanted: number): number[] {
  const heap: number[] = [];
  for (let place = 0; place < count; place++) {
    if (heap.length < wanted) rise(heap, place, order);
    else if (order(place, heap[0] as number) < 0) replaceTop(heap, place, order);
  }
  return heap.sort(order);
}

function rise(heap: number[], place: number, order: Comparison): void {
  let at = heap.length;
  while (at > 0) {
    const above = (at - 1) >> 1;
    if (order(place, heap[above] as number) <= 0) break;
    heap[at] = heap[above] as number;
    at = above;
  }
  heap[at] = place;
}

function replaceTop(heap: number[], place: number, order: Comparison): void {
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    if (below >= heap.length) break;
    const right = below + 1;
    if (right < heap.length && order(heap[right] as number, heap[below] as number) > 0) below = right;
    if (order(place, heap[below] as number) >= 0) break;
    heap[at] = heap[below] as number;
    at = below;
  }
  heap[at] = place;
}
