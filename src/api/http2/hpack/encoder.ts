import type { HeaderField } from './decoder.ts';
import { staticIndexes, staticTable } from './static-table.ts';

/** What the fields that are put into the table need of it, generously. */
const neededTableBytes = 512;

/**
 * Encodes the headers of one connection's responses. The few fields that most responses share (`repeated`) are put
 * into the other side's table when they first occur; all others are literals that leave it as it is. So a block of
 * repeated fields is the same from then on: see `generation`.
 */
export class HeaderEncoder {
  /** Blocks of equal fields encode alike as long as it stays the same. */
  generation = 0;
  readonly #repeated: readonly HeaderField[];
  readonly #inTable: HeaderField[] = [];
  #useTable = true;
  #resizeTo: number | undefined;

  constructor(repeated: readonly HeaderField[]) {
    this.#repeated = repeated;
  }

  /** The other side's SETTINGS_HEADER_TABLE_SIZE. Below what is needed the table is given up, for good. */
  limitTable(bytes: number): void {
    if (bytes >= neededTableBytes || !this.#useTable) return;
    this.#useTable = false;
    this.#inTable.length = 0;
    this.#resizeTo = 0;
    this.generation += 1;
  }

  encode(fields: readonly HeaderField[]): Uint8Array {
    const bytes: number[] = [];
    if (this.#resizeTo !== undefined) {
      integer(bytes, 0x20, 0x1f, this.#resizeTo);
      this.#resizeTo = undefined;
      this.generation += 1;
    }
    for (const field of fields) this.#field(bytes, field);
    return Uint8Array.from(bytes);
  }

  #field(bytes: number[], field: HeaderField): void {
    const place = this.#inTable.findIndex((one) => same(one, field));
    if (place >= 0) {
      // The newest has the lowest number after the static ones.
      integer(bytes, 0x80, 0x7f, staticTable.length + this.#inTable.length - place);
    } else if (this.#useTable && this.#repeated.some((one) => same(one, field))) {
      literal(bytes, 0x40, 0x3f, field);
      this.#inTable.push(field);
      this.generation += 1;
    } else {
      literalOrStatic(bytes, field);
    }
  }
}

function same(a: HeaderField, b: HeaderField): boolean {
  return a[0] === b[0] && a[1] === b[1];
}

function literalOrStatic(bytes: number[], field: HeaderField): void {
  const whole = staticTable.findIndex((one) => same(one, field));
  if (whole >= 0) integer(bytes, 0x80, 0x7f, whole + 1);
  else literal(bytes, 0, 0x0f, field);
}

function literal(bytes: number[], flags: number, prefix: number, [name, value]: HeaderField): void {
  const nameIndex = staticIndexes.get(name) ?? 0;
  integer(bytes, flags, prefix, nameIndex);
  if (nameIndex === 0) string(bytes, name);
  string(bytes, value);
}

function string(bytes: number[], text: string): void {
  integer(bytes, 0, 0x7f, text.length);
  for (let at = 0; at < text.length; at++) bytes.push(text.charCodeAt(at) & 0xff);
}

function integer(bytes: number[], flags: number, prefix: number, value: number): void {
  if (value < prefix) {
    bytes.push(flags | value);
    return;
  }
  bytes.push(flags | prefix);
  let left = value - prefix;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push(0x80 | (left % 0x80));
  bytes.push(left);
}
