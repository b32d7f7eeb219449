import { crc32 as ofZlib } from 'node:zlib';

/**
 * CRC-32, as in gzip and Ethernet. Not the Castagnoli one, which finds no fewer of the errors that a disk makes in
 * blocks of these lengths, and which Node would have to compute in JavaScript, a hundred times as slow.
 *
 * @param crc the CRC of what came before, to continue it.
 */
export function crc32(bytes: Uint8Array, start = 0, end = bytes.length, crc = 0): number {
  const whole = start === 0 && end === bytes.length;
  return ofZlib(whole ? bytes : bytes.subarray(start, end), crc);
}
