import { DynamicTable, fieldOverhead } from './dynamic-table.ts';
import { decodeHuffman } from './huffman.ts';
import { staticTable } from './static-table.ts';

export type HeaderField = readonly [name: string, value: string];

/** The block cannot be decoded: the state of the connection is lost with it (RFC 9113 §4.3). */
export class HeaderBlockError extends Error {}

export type Decoded = { readonly fields: readonly HeaderField[] } | { readonly tooLarge: true };

/** Continuation bytes of an integer: values reach 2^28, far above any limit here. */
const integerBytes = 4;

/** Decodes the header blocks of one connection, in their order: each may change what the next ones mean. */
export class HeaderDecoder {
  readonly #table: DynamicTable;
  readonly #maxTableBytes: number;
  readonly #maxListBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  /** `maxListBytes`: of all names and values of one block, each field with 32 more, as SETTINGS counts them. */
  constructor(options: { maxTableBytes: number; maxListBytes: number }) {
    this.#table = new DynamicTable(options.maxTableBytes);
    this.#maxTableBytes = options.maxTableBytes;
    this.#maxListBytes = options.maxListBytes;
  }

  /** Equal blocks decode alike as long as it stays the same. */
  get generation(): number {
    return this.#table.generation;
  }

  /**
   * Decodes a whole block. One whose list is too large is decoded to its end, without keeping it, so that the blocks
   * after it can be understood.
   * @throws HeaderBlockError
   */
  decode(block: Uint8Array): Decoded {
    this.#bytes = block;
    this.#at = 0;
    const fields: HeaderField[] = [];
    let listBytes = 0;
    while (this.#at < block.length) {
      const field = this.#field(block[this.#at] as number, listBytes === 0 && fields.length === 0);
      if (field === undefined) continue;
      listBytes += field[0].length + field[1].length + fieldOverhead;
      if (listBytes <= this.#maxListBytes) fields.push(field);
    }
    return listBytes > this.#maxListBytes ? { tooLarge: true } : { fields };
  }

  /** undefined: an instruction that is no field. */
  #field(first: number, atBeginning: boolean): HeaderField | undefined {
    if (first >= 0x80) return this.#indexed(this.#integer(0x7f));
    if (first >= 0x40) {
      const field = this.#literal(this.#integer(0x3f));
      this.#table.add(field[0], field[1]);
      return field;
    }
    if (first < 0x20) return this.#literal(this.#integer(0x0f));
    const size = this.#integer(0x1f);
    if (!atBeginning) throw new HeaderBlockError('the table is resized in the middle of a header block');
    if (size > this.#maxTableBytes) {
      throw new HeaderBlockError(`the header table is resized to ${size} of ${this.#maxTableBytes} bytes`);
    }
    this.#table.resize(size);
    return undefined;
  }

  #literal(nameIndex: number): HeaderField {
    const name = nameIndex === 0 ? this.#string() : this.#indexed(nameIndex)[0];
    return [name, this.#string()];
  }

  #indexed(index: number): HeaderField {
    const field =
      index <= staticTable.length ? staticTable[index - 1] : this.#table.at(index - staticTable.length - 1);
    if (field === undefined) throw new HeaderBlockError(`there is no header field ${index}`);
    return field;
  }

  /** An integer whose first bits share a byte with something else (RFC 7541 §5.1). */
  #integer(prefix: number): number {
    let value = (this.#bytes[this.#at] as number) & prefix;
    this.#at += 1;
    if (value < prefix) return value;
    for (let shift = 0; shift < integerBytes * 7; shift += 7) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new HeaderBlockError('an integer ends in its middle');
      this.#at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new HeaderBlockError('an integer has too many bytes');
  }

  #string(): string {
    const first = this.#bytes[this.#at];
    if (first === undefined) throw new HeaderBlockError('a string is missing');
    const length = this.#integer(0x7f);
    const from = this.#at;
    const to = from + length;
    if (to > this.#bytes.length) throw new HeaderBlockError('a string ends in its middle');
    this.#at = to;
    if (first < 0x80) return asText(this.#bytes, from, to);
    const text = decodeHuffman(this.#bytes, from, to);
    if (text === undefined) throw new HeaderBlockError('a string is not in the Huffman code');
    return text;
  }
}

/** One character for each byte: header values are no UTF-8. */
function asText(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let at = from; at < to; at++) text += String.fromCharCode(bytes[at] as number);
  return text;
}
