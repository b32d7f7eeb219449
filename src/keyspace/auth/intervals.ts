/** Intervals of keys, merged where they meet, so that several permissions together may cover one range. */
import { compareBytes, isUnboundedEnd } from '../bytes.ts';

/** From `start` up to but not including `end`; undefined: without an end. */
export interface Interval {
  readonly start: Uint8Array;
  readonly end: Uint8Array | undefined;
}

/** What (key, rangeEnd) of a request or a permission stands for. It may be empty, where the end is not above the key. */
export function intervalOf(key: Uint8Array, rangeEnd: Uint8Array): Interval {
  if (isUnboundedEnd(rangeEnd)) return { start: key, end: undefined };
  if (rangeEnd.length > 0) return { start: key, end: rangeEnd };
  const end = new Uint8Array(key.length + 1);
  end.set(key);
  return { start: key, end };
}

function isAbove(end: Uint8Array | undefined, key: Uint8Array): boolean {
  return end === undefined || compareBytes(end, key) > 0;
}

function reaches(end: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (end === undefined) return true;
  return other !== undefined && compareBytes(end, other) >= 0;
}

/** In order, with a gap between each and the next; empty ones left out. */
export function mergeIntervals(intervals: readonly Interval[]): Interval[] {
  const sorted = intervals
    .filter(({ start, end }) => isAbove(end, start))
    .sort((left, right) => compareBytes(left.start, right.start));
  const merged: Interval[] = [];
  for (const interval of sorted) {
    const last = merged.at(-1);
    if (last === undefined || (last.end !== undefined && compareBytes(last.end, interval.start) < 0)) {
      merged.push(interval);
    } else if (!reaches(last.end, interval.end)) {
      merged[merged.length - 1] = { start: last.start, end: interval.end };
    }
  }
  return merged;
}

/** Whether one of `merged` contains the whole interval; of an empty one, where it starts. */
export function covers(merged: readonly Interval[], interval: Interval): boolean {
  let low = 0;
  let high = merged.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes((merged[middle] as Interval).start, interval.start) <= 0) low = middle + 1;
    else high = middle;
  }
  const candidate = merged[low - 1];
  return (
    candidate !== undefined && isAbove(candidate.end, interval.start) && reaches(candidate.end, interval.end)
  );
}
