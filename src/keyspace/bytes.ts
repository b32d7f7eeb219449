/** Byte strings: comparison, copying, hashing, and UTF-8, without anything from the host. */

export const emptyBytes = new Uint8Array(0);

/** Bytewise order, as etcd orders keys: negative, zero or positive. */
export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const shared = Math.min(left.length, right.length);
  for (let i = 0; i < shared; i++) {
    const difference = (left[i] as number) - (right[i] as number);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let i = left.length - 1; i >= 0; i--) {
    if (left[i] !== right[i]) return false;
  }
  return true;
}

/** A copy with a buffer of its own. Small ones by hand: that stays on the JavaScript heap and is faster. */
export function copyBytes(source: Uint8Array, start = 0, end = source.length): Uint8Array {
  const length = end - start;
  if (length === 0) return emptyBytes;
  const copy = new Uint8Array(length);
  if (length <= 48) {
    for (let i = 0; i < length; i++) copy[i] = source[start + i] as number;
  } else {
    copy.set(source.subarray(start, end));
  }
  return copy;
}

/** In etcd's ranges an end of one zero byte means: no upper bound. */
export function isUnboundedEnd(rangeEnd: Uint8Array): boolean {
  return rangeEnd.length === 1 && rangeEnd[0] === 0;
}

/** Whether `key` lies in the range as etcd reads (key, rangeEnd): see RangeRequest. */
export function rangeContains(start: Uint8Array, rangeEnd: Uint8Array, key: Uint8Array): boolean {
  if (rangeEnd.length === 0) return equalBytes(start, key);
  if (compareBytes(key, start) < 0) return false;
  return isUnboundedEnd(rangeEnd) || compareBytes(key, rangeEnd) < 0;
}

/** One step of a 32-bit mixing hash (the body of MurmurHash3). */
export function mixHash(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  k = Math.imul(k, 0x1b873593);
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** Mixes a number of up to 53 bits. */
export function mixNumber(hash: number, value: number): number {
  return mixHash(mixHash(hash, value | 0), Math.floor(value / 0x1_0000_0000) | 0);
}

export function mixBigInt(hash: number, value: bigint): number {
  if (value === 0n) return mixHash(hash, 0);
  return mixHash(mixHash(hash, Number(BigInt.asIntN(32, value))), Number(BigInt.asIntN(32, value >> 32n)));
}

/** The last step: spreads every bit over all. Unsigned. */
export function finishHash(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** From so many bytes on, a view that reads whole words is worth its cost. */
const longBytes = 1024;
const isLittleEndian = new Uint8Array(new Int32Array([1]).buffer)[0] === 1;

/** Unsigned 32-bit hash of bytes[start, end). */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed | 0;
  let i = start;
  if (end - start >= longBytes && isLittleEndian && ((bytes.byteOffset + start) & 3) === 0) {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + start, (end - start) >>> 2);
    for (let at = 0; at < words.length; at++) hash = mixHash(hash, words[at] as number);
    i += words.length * 4;
  }
  for (; i + 4 <= end; i += 4) {
    hash = mixHash(
      hash,
      (bytes[i] as number) |
        ((bytes[i + 1] as number) << 8) |
        ((bytes[i + 2] as number) << 16) |
        ((bytes[i + 3] as number) << 24),
    );
  }
  let rest = 0;
  for (let shift = 0; i < end; i++, shift += 8) rest |= (bytes[i] as number) << shift;
  return finishHash(mixHash(hash, rest) ^ (end - start));
}

/** Half a surrogate pair becomes U+FFFD, as everywhere. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const read = character.codePointAt(0) ?? 0xfffd;
    const point = read >= 0xd800 && read < 0xe000 ? 0xfffd : read;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 0x3f));
    else if (point < 0x10000)
      bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f));
    else
      bytes.push(
        0xf0 | (point >> 18),
        0x80 | ((point >> 12) & 0x3f),
        0x80 | ((point >> 6) & 0x3f),
        0x80 | (point & 0x3f),
      );
  }
  return Uint8Array.from(bytes);
}

/** Undefined when the bytes are not UTF-8 as `encodeUtf8` writes it. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  let text = '';
  for (let i = 0; i < bytes.length; ) {
    const first = bytes[i] as number;
    const size =
      first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (size === 0 || i + size > bytes.length) return undefined;
    let point = size === 1 ? first : first & (0x7f >> size);
    for (let j = 1; j < size; j++) {
      const next = bytes[i + j] as number;
      if ((next & 0xc0) !== 0x80) return undefined;
      point = (point << 6) | (next & 0x3f);
    }
    const tooShort = (size === 3 && point < 0x800) || (size === 4 && point < 0x10000);
    if (tooShort || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return undefined;
    text += String.fromCodePoint(point);
    i += size;
  }
  return text;
}
