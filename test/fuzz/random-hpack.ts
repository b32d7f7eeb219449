import type { Draw } from '../../src/simulation/world/random.ts';
import { huffmanCodes, staticFields } from './rfc7541.ts';

type Field = readonly [name: string, value: string];

const fieldOverhead = 32;
const offeredBytes = 4096;

/** Encodes header blocks as some encoder might: each field in any of the forms in which RFC 7541 lets it be said. */
export class RandomHpack {
  readonly #draw: Draw;
  #table: Field[] = [];
  #maxSize = offeredBytes;

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  encode(fields: readonly Field[]): Uint8Array {
    const bytes: number[] = [];
    while (this.#draw.chance(0.15)) this.#resize(bytes);
    for (const field of fields) this.#field(bytes, field);
    return Uint8Array.from(bytes);
  }

  #resize(bytes: number[]): void {
    this.#maxSize = this.#draw.chance(0.3) ? 0 : this.#draw.below(offeredBytes + 1);
    integer(bytes, 0x20, 5, this.#maxSize);
    this.#evict();
  }

  #field(bytes: number[], field: Field): void {
    const known = [...staticFields, ...this.#table];
    const whole = places(known, (one) => one[0] === field[0] && one[1] === field[1]);
    if (whole.length > 0 && this.#draw.chance(0.7)) return integer(bytes, 0x80, 7, this.#draw.pick(whole));
    const form = this.#draw.pick(['indexed', 'plain', 'never'] as const);
    const named = places(known, (one) => one[0] === field[0]);
    const index = named.length > 0 && this.#draw.chance(0.7) ? this.#draw.pick(named) : 0;
    if (form === 'indexed') integer(bytes, 0x40, 6, index);
    else integer(bytes, form === 'plain' ? 0 : 0x10, 4, index);
    if (index === 0) this.#string(bytes, field[0]);
    this.#string(bytes, field[1]);
    if (form !== 'indexed') return;
    this.#table.unshift(field);
    this.#evict();
  }

  #string(bytes: number[], text: string): void {
    const plain = [...Buffer.from(text, 'latin1')];
    const coded = this.#draw.chance(0.5) ? huffman(plain) : undefined;
    integer(bytes, coded === undefined ? 0 : 0x80, 7, (coded ?? plain).length);
    bytes.push(...(coded ?? plain));
  }

  #evict(): void {
    const size = () =>
      this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + fieldOverhead, 0);
    while (size() > this.#maxSize) this.#table.pop();
  }
}

/** Numbers from 1 of those that fit. */
function places(known: readonly Field[], fits: (field: Field) => boolean): number[] {
  return known.flatMap((field, at) => (fits(field) ? [at + 1] : []));
}

function huffman(plain: readonly number[]): number[] {
  let bits = '';
  for (const byte of plain) {
    const symbol = huffmanCodes[byte];
    if (symbol !== undefined) bits += symbol.code.toString(2).padStart(symbol.bits, '0');
  }
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return (bits.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2));
}

function integer(bytes: number[], flags: number, prefix: number, value: number): void {
  const most = 2 ** prefix - 1;
  if (value < most) return void bytes.push(flags | value);
  bytes.push(flags | most);
  let left = value - most;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push(0x80 | (left % 128));
  bytes.push(left);
}
