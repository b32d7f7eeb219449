/** Where a Redis cluster keeps a key: the part in braces, if there is one, decides. */

const slots = 16_384;

/** The first `{…}` that is not empty; otherwise the whole key. */
function hashed(key: string): string {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : key;
}

/** CRC-16/XMODEM over the key's bytes. */
export function slotOf(key: string): number {
  let crc = 0;
  for (const byte of new TextEncoder().encode(hashed(key))) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
    }
  }
  return crc % slots;
}

/** A key of the same slot: the key's own tag is kept, a key without one becomes the tag. */
export function besideKey(key: string, suffix: string): string {
  return hashed(key) === key ? `{${key}}${suffix}` : `${key}${suffix}`;
}
