import { LuaError } from './tokens.ts';

export type LuaFunction = (...args: readonly LuaValue[]) => readonly LuaValue[];
/** undefined: nil. */
export type LuaValue = undefined | boolean | number | string | LuaTable | LuaFunction;

export class LuaTable {
  readonly #values = new Map<LuaValue, LuaValue>();

  static of(items: readonly LuaValue[]): LuaTable {
    const table = new LuaTable();
    for (const [at, item] of items.entries()) table.set(at + 1, item);
    return table;
  }

  get(key: LuaValue): LuaValue {
    return this.#values.get(key);
  }

  set(key: LuaValue, value: LuaValue): void {
    if (key === undefined) throw new LuaError('table index is nil');
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
  }

  /** Up to the first that is missing. */
  get length(): number {
    let length = 0;
    while (this.#values.has(length + 1)) length += 1;
    return length;
  }

  get items(): readonly LuaValue[] {
    return Array.from({ length: this.length }, (_none, at) => this.get(at + 1));
  }
}

export function isTrue(value: LuaValue): boolean {
  return value !== undefined && value !== false;
}

export function typeOf(value: LuaValue): string {
  if (value === undefined) return 'nil';
  if (value instanceof LuaTable) return 'table';
  return typeof value;
}

/** Texts that are numbers count as such in arithmetic. undefined: it is none. */
export function toNumber(value: LuaValue): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || !/^\s*[-+]?\d+(\.\d*)?(e[-+]?\d+)?\s*$/i.test(value)) return undefined;
  return Number(value);
}

/** As `%.14g` for whole numbers. */
export function toText(value: LuaValue): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number') return undefined;
  if (Number.isInteger(value) && Math.abs(value) < 1e14) return String(value);
  return String(Number(value.toPrecision(14)));
}
