import { huffmanCodes, staticFields } from './rfc7541.ts';

/** Why a block cannot be decoded. */
export class Refused extends Error {}

const fieldOverhead = 32;
/** What our decoder takes, and RFC 7541 §5.1 leaves to it: continuation bytes of an integer. */
const integerBytes = 4;
const endOfString = 256;
const symbols = new Map(huffmanCodes.map(({ code, bits }, symbol) => [`${bits}/${code}`, symbol]));

/** RFC 7541 read word by word: no tables but those of its appendices, one bit after the other, nothing clever. */
export class ReferenceDecoder {
  #table: (readonly [name: string, value: string])[] = [];
  #maxSize: number;
  readonly #offered: number;
  #bits: readonly number[] = [];
  #at = 0;

  constructor(maxTableBytes: number) {
    this.#maxSize = maxTableBytes;
    this.#offered = maxTableBytes;
  }

  /** @throws Refused */
  decode(block: Uint8Array): (readonly [name: string, value: string])[] {
    this.#bits = [...block].flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((place) => (byte >> place) & 1));
    this.#at = 0;
    const fields: (readonly [string, string])[] = [];
    while (this.#at < this.#bits.length) this.#instruction(fields);
    return fields;
  }

  #instruction(fields: (readonly [string, string])[]): void {
    // §6.1: an indexed field.
    if (this.#next('1')) return void fields.push(this.#field(this.#integer(7)));
    // §6.2.1: a literal that goes into the table.
    if (this.#next('01')) {
      const field = this.#literal(6);
      fields.push(field);
      this.#table.unshift(field);
      // §4.4: one that is too large empties it.
      this.#evict();
      return;
    }
    // §6.3: the table's size.
    if (this.#next('001')) {
      const size = this.#integer(5);
      if (fields.length > 0) throw new Refused('§4.2: not at the beginning');
      if (size > this.#offered) throw new Refused('§6.3: larger than offered');
      this.#maxSize = size;
      this.#evict();
      return;
    }
    // §6.2.2 and §6.2.3: literals without indexing, and those that never are.
    if (!this.#next('0000') && !this.#next('0001')) throw new Error('there is no other instruction');
    fields.push(this.#literal(4));
  }

  #next(pattern: string): boolean {
    const found = this.#bits.slice(this.#at, this.#at + pattern.length).join('') === pattern;
    if (found) this.#at += pattern.length;
    return found;
  }

  #literal(prefix: number): readonly [string, string] {
    const index = this.#integer(prefix);
    return [index === 0 ? this.#string() : this.#field(index)[0], this.#string()];
  }

  #field(index: number): readonly [string, string] {
    const field = [...staticFields, ...this.#table][index - 1];
    if (field === undefined) throw new Refused('§2.3.3: no such index');
    return field;
  }

  #number(bits: number): number {
    let value = 0;
    for (let count = 0; count < bits; count++) {
      const bit = this.#bits[this.#at++];
      if (bit === undefined) throw new Refused('ends in the middle');
      value = value * 2 + bit;
    }
    return value;
  }

  /** §5.1. */
  #integer(prefix: number): number {
    let value = this.#number(prefix);
    if (value < 2 ** prefix - 1) return value;
    for (let count = 0; count < integerBytes; count++) {
      const more = this.#number(1);
      value += this.#number(7) * 128 ** count;
      if (more === 0) return value;
    }
    throw new Refused('§5.1: too many bytes');
  }

  /** §5.2. */
  #string(): string {
    const huffman = this.#number(1) === 1;
    const length = this.#integer(7);
    if (this.#at + length * 8 > this.#bits.length) throw new Refused('a string ends in the middle');
    const end = this.#at + length * 8;
    let text = '';
    if (huffman) return this.#huffman(end);
    while (this.#at < end) text += String.fromCharCode(this.#number(8));
    return text;
  }

  #huffman(end: number): string {
    let text = '';
    let code = 0;
    let bits = 0;
    while (this.#at < end) {
      code = code * 2 + this.#number(1);
      bits += 1;
      const symbol = symbols.get(`${bits}/${code}`);
      if (symbol === endOfString || bits > 30) throw new Refused('§5.2: the end of strings');
      if (symbol === undefined) continue;
      text += String.fromCharCode(symbol);
      code = 0;
      bits = 0;
    }
    if (bits > 7 || code !== 2 ** bits - 1) throw new Refused('§5.2: padding');
    return text;
  }

  #evict(): void {
    const size = () =>
      this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + fieldOverhead, 0);
    while (size() > this.#maxSize) this.#table.pop();
  }
}
