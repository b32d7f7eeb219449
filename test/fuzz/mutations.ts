import type { Draw } from '../../src/simulation/world/random.ts';

/** Bytes that decoders look at twice: ends of ranges, and beginnings of what they know. */
const special = [
  0, 1, 4, 5, 8, 9, 0x0f, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xbe, 0xbf, 0xc0, 0xfe, 0xff,
];

type Mutation = (bytes: number[], draw: Draw, others: readonly Uint8Array[]) => void;

const place = (bytes: readonly number[], draw: Draw): number => draw.below(bytes.length + 1);

const mutations: readonly Mutation[] = [
  (bytes, draw) => {
    const at = draw.below(bytes.length || 1);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << draw.below(8));
  },
  (bytes, draw) => {
    bytes[draw.below(bytes.length || 1)] = draw.pick(special);
  },
  (bytes, draw) => {
    bytes[draw.below(bytes.length || 1)] = draw.below(256);
  },
  (bytes, draw) => {
    const at = draw.below(bytes.length || 1);
    bytes[at] = ((bytes[at] ?? 0) + draw.between(-4, 4)) & 0xff;
  },
  (bytes, draw) => {
    bytes.splice(place(bytes, draw), 0, draw.chance(0.5) ? draw.pick(special) : draw.below(256));
  },
  (bytes, draw) => {
    bytes.splice(place(bytes, draw), draw.between(1, 8));
  },
  (bytes, draw) => {
    const from = place(bytes, draw);
    const piece = bytes.slice(from, from + draw.between(1, 40));
    const copies = draw.chance(0.1) ? draw.between(2, 30) : 1;
    for (let count = 0; count < copies; count++) bytes.splice(from, 0, ...piece);
  },
  (bytes, draw, others) => {
    const other = draw.pick(others);
    const from = draw.below(other.length + 1);
    bytes.splice(place(bytes, draw), 0, ...other.subarray(from, from + draw.between(1, 60)));
  },
  (bytes, draw, others) => {
    const other = draw.pick(others);
    const at = place(bytes, draw);
    bytes.splice(at, bytes.length - at, ...other.subarray(draw.below(other.length + 1)));
  },
];

/** An input made of others: a few changes of one of them. */
export function mutated(corpus: readonly Uint8Array[], draw: Draw, maxBytes: number): Uint8Array {
  const bytes = [...draw.pick(corpus)];
  for (let count = draw.tailed(1, 2); count > 0; count--) draw.pick(mutations)(bytes, draw, corpus);
  return Uint8Array.from(bytes.slice(0, maxBytes));
}

/** As few bytes as still do it. */
export async function shrunk(
  input: Uint8Array,
  fails: (input: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let smallest = input;
  for (let size = input.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < smallest.length; ) {
      const without = Uint8Array.from([...smallest.subarray(0, at), ...smallest.subarray(at + size)]);
      if (await fails(without)) smallest = without;
      else at += size;
    }
  }
  return smallest;
}
