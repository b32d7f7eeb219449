// Valid bytes made wrong, as a bad disk, a bad network or somebody with bad intent makes them.
import fc from 'fast-check';

type Edit = (bytes: Buffer) => Buffer;

const at = (bytes: Buffer, place: number): number => (bytes.length === 0 ? 0 : place % bytes.length);

const flip = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })).map(
  ([place, mask]): Edit =>
    (bytes) => {
      if (bytes.length > 0) bytes[at(bytes, place)] = (bytes[at(bytes, place)] as number) ^ mask;
      return bytes;
    },
);
const cut = fc.nat().map(
  (place): Edit =>
    (bytes) =>
      bytes.subarray(0, at(bytes, place)),
);
const insert = fc.tuple(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 20 })).map(
  ([place, more]): Edit =>
    (bytes) =>
      Buffer.concat([bytes.subarray(0, at(bytes, place)), more, bytes.subarray(at(bytes, place))]),
);
const repeat = fc.tuple(fc.nat(), fc.nat({ max: 200 }), fc.integer({ min: 2, max: 20 })).map(
  ([place, length, times]): Edit =>
    (bytes) => {
      const from = at(bytes, place);
      const piece = bytes.subarray(from, from + length);
      const rest = [bytes.subarray(0, from), ...Array.from({ length: times }, () => piece)];
      return Buffer.concat([...rest, bytes.subarray(from + length)]);
    },
);
/** Where lengths and counts stand, the largest ones are what tempts to allocate. */
const enlarge = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 8 }), fc.constantFrom(0xff, 0x7f, 0x80, 0)).map(
  ([place, length, value]): Edit =>
    (bytes) =>
      bytes.fill(value, at(bytes, place), Math.min(bytes.length, at(bytes, place) + length)),
);

/** What `valid` gives, with one edit or several. */
export function mutated(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edits = fc.array(fc.oneof(flip, cut, insert, repeat, enlarge), { minLength: 1, maxLength: 5 });
  return fc.tuple(valid, edits).map(([bytes, all]) => {
    let edited: Buffer = Buffer.from(bytes);
    for (const edit of all) edited = edit(edited);
    return Uint8Array.from(edited);
  });
}

/** Random bytes, and valid ones made wrong. */
export function hostile(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.oneof(fc.uint8Array({ maxLength: 300 }), { arbitrary: mutated(valid), weight: 4 });
}

/** Enough for CI; `CONCLAVE_FUZZ_RUNS` for a longer hunt. */
export const fuzzRuns = { numRuns: Number(process.env.CONCLAVE_FUZZ_RUNS ?? 2000) };
