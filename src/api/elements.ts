/**
 * A compare takes two bytes in a request and some microseconds to decode: a megabyte of them would hold up the loop, and
 * everybody else, for seconds. So what a large transaction consists of is counted before it is decoded.
 */

/** Compares and operations of one request, nested ones included. Far above any transaction that makes sense. */
export const mostElements = 50_000;
/** Shorter requests cannot have enough of them to matter. */
const shortBytes = 16 * 1024;

/** Where transactions stand in a message: their own lists, or fields that hold a message in which they stand. */
type Place = 'txn' | { readonly [field: number]: Place };

const operation: Place = { 4: 'txn' };
export const txnPlace: Place = 'txn';
/** Of the Conclave service's proposals: one transaction, or a sequence. */
export const proposalPlace: Place = { 6: 'txn', 10: { 1: 'txn' } };

/** Whether it has more than `mostElements`. What is malformed is left to the decoder. */
export function hasTooManyElements(bytes: Uint8Array, place: Place): boolean {
  return bytes.length > shortBytes && count(bytes, place) > mostElements;
}

/** Stops where there are too many. */
function count(bytes: Uint8Array, place: Place): number {
  const waiting: { at: number; readonly end: number; readonly place: Place }[] = [
    { at: 0, end: bytes.length, place },
  ];
  let at = 0;
  const varint = (end: number): number => {
    let value = 0;
    for (let factor = 1; at < end; factor *= 0x80) {
      const byte = bytes[at++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    return Number.POSITIVE_INFINITY;
  };
  let elements = 0;
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    const { end } = part;
    at = part.at;
    while (at < end) {
      const tag = varint(end);
      const [field, wireType] = [Math.floor(tag / 8), tag % 8];
      if (wireType === 0) varint(end);
      else if (wireType === 1) at += 8;
      else if (wireType === 5) at += 4;
      if (wireType !== 2) {
        if (wireType === 0 || wireType === 1 || wireType === 5) continue;
        return elements;
      }
      const length = varint(end);
      if (!(length <= end - at)) return elements;
      const isList = part.place === 'txn' && field >= 1 && field <= 3;
      if (isList && ++elements > mostElements) return elements;
      const inner: Place | undefined =
        part.place === 'txn' ? (isList && field > 1 ? operation : undefined) : part.place[field];
      if (inner !== undefined && length > 0) waiting.push({ at, end: at + length, place: inner });
      at += length;
    }
  }
  return elements;
}
