/** CRC-32C (Castagnoli), eight bytes a step ("slicing by 8"). Node's zlib has only the other CRC-32. */

const reflectedPolynomial = 0x82f63b78;
/** Eight tables of 256 words, one after the other: the CRC of a byte followed by 0 to 7 zero bytes. */
const tables = buildTables();

function buildTables(): Int32Array {
  const words = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ reflectedPolynomial : crc >>> 1;
    words[byte] = crc;
  }
  for (let at = 256; at < words.length; at++) {
    const previous = words[at - 256] as number;
    words[at] = (previous >>> 8) ^ (words[previous & 255] as number);
  }
  return words;
}

/** @param crc the CRC of what came before, to continue it. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length, crc = 0): number {
  const t = tables;
  let state = ~crc;
  let at = start;
  for (const stop = end - 7; at < stop; at += 8) {
    const low =
      state ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    state =
      (t[1792 + (low & 255)] as number) ^
      (t[1536 + ((low >>> 8) & 255)] as number) ^
      (t[1280 + ((low >>> 16) & 255)] as number) ^
      (t[1024 + (low >>> 24)] as number) ^
      (t[768 + (bytes[at + 4] as number)] as number) ^
      (t[512 + (bytes[at + 5] as number)] as number) ^
      (t[256 + (bytes[at + 6] as number)] as number) ^
      (t[bytes[at + 7] as number] as number);
  }
  for (; at < end; at++) state = (state >>> 8) ^ (t[(state ^ (bytes[at] as number)) & 255] as number);
  return ~state >>> 0;
}
