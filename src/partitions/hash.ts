/**
 * Hashes that are the same on every machine and in every version: SipHash-2-4 of the UTF-8 bytes under keys of our
 * own, and a mixer of two such hashes. Only exact arithmetic, so that no engine can round differently.
 */

/** 64 bits as two unsigned halves. */
export interface Hash64 {
  readonly high: number;
  readonly low: number;
}

export interface HashKey {
  readonly k0: Hash64;
  readonly k1: Hash64;
}

/** Other hashes of the same text for other uses: members, partitions and routed keys must not be correlated. */
export const hashKeys = {
  member: keyOf(1),
  partition: keyOf(2),
  routed: keyOf(3),
} as const satisfies Record<string, HashKey>;

const encoder = new TextEncoder();

export function hashText(key: HashKey, text: string): Hash64 {
  return sipHash(key, encoder.encode(text));
}

/** SipHash-2-4 (Aumasson and Bernstein), on 32-bit halves: v0 is (a0, b0), low half first. */
export function sipHash(key: HashKey, bytes: Uint8Array): Hash64 {
  const state = new SipState(key);
  const whole = bytes.length - (bytes.length % 8);
  for (let at = 0; at < whole; at += 8) state.absorb(word(bytes, at), word(bytes, at + 4));
  const rest = new Uint8Array(8);
  rest.set(bytes.subarray(whole));
  rest[7] = bytes.length & 0xff;
  state.absorb(word(rest, 0), word(rest, 4));
  return state.finish();
}

/** A number of [0, 1) for two hashes, uniform over either of them: 53 bits of it. */
export function mix(left: Hash64, right: Hash64): number {
  const first = scramble(left.low + Math.imul(right.low, 0x9e3779b1));
  const second = scramble((left.high ^ first) + right.high);
  const third = scramble(first ^ second);
  return ((second >>> 0) * 2 ** 21 + (third >>> 11)) / 2 ** 53;
}

/** The remainder, exact for divisors up to 2^20. */
export function modulo({ high, low }: Hash64, divisor: number): number {
  return ((high % divisor) * (2 ** 32 % divisor) + (low % divisor)) % divisor;
}

/** The last step of MurmurHash3: each bit of the answer depends on each bit given. */
function scramble(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function word(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return a | (b << 8) | (c << 16) | (d << 24);
}

function keyOf(use: number): HashKey {
  // "conclave", and the use.
  return { k0: { high: 0x6576616c, low: 0x636e6f63 }, k1: { high: 0, low: use } };
}

class SipState {
  /** Four words of 64 bits, each low half first. */
  readonly #v = new Int32Array(8);

  constructor({ k0, k1 }: HashKey) {
    this.#v.set([k0.low ^ 0x70736575, k0.high ^ 0x736f6d65, k1.low ^ 0x6e646f6d, k1.high ^ 0x646f7261], 0);
    this.#v.set([k0.low ^ 0x6e657261, k0.high ^ 0x6c796765, k1.low ^ 0x79746573, k1.high ^ 0x74656462], 4);
  }

  absorb(low: number, high: number): void {
    this.#xor(6, low, high);
    this.#round();
    this.#round();
    this.#xor(0, low, high);
  }

  finish(): Hash64 {
    this.#xor(4, 0xff, 0);
    for (let round = 0; round < 4; round++) this.#round();
    let [low, high] = [0, 0];
    for (let at = 0; at < 8; at += 2) {
      low ^= this.#v[at] ?? 0;
      high ^= this.#v[at + 1] ?? 0;
    }
    return { high: high >>> 0, low: low >>> 0 };
  }

  #round(): void {
    this.#addRotateXor(0, 2, 13);
    this.#swap(0);
    this.#addRotateXor(4, 6, 16);
    this.#addRotateXor(0, 6, 21);
    this.#addRotateXor(4, 2, 17);
    this.#swap(4);
  }

  /** to += from; from = rotate(from, bits) ^ to. */
  #addRotateXor(to: number, from: number, bits: number): void {
    const v = this.#v;
    const [fromLow, fromHigh] = [v[from] ?? 0, v[from + 1] ?? 0];
    const low = ((v[to] ?? 0) >>> 0) + (fromLow >>> 0);
    v[to] = low;
    v[to + 1] = (v[to + 1] ?? 0) + fromHigh + (low > 0xffffffff ? 1 : 0);
    v[from] = ((fromLow << bits) | (fromHigh >>> (32 - bits))) ^ (v[to] ?? 0);
    v[from + 1] = ((fromHigh << bits) | (fromLow >>> (32 - bits))) ^ (v[to + 1] ?? 0);
  }

  /** A rotation by 32 bits. */
  #swap(at: number): void {
    const v = this.#v;
    [v[at], v[at + 1]] = [v[at + 1] ?? 0, v[at] ?? 0];
  }

  #xor(at: number, low: number, high: number): void {
    this.#v[at] = (this.#v[at] ?? 0) ^ low;
    this.#v[at + 1] = (this.#v[at + 1] ?? 0) ^ high;
  }
}
