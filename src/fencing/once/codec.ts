/** How results become bytes. */

export interface ResultCodec<T> {
  /** What it throws makes the recorded outcome a failure, since the operation has run by then. */
  encode(result: T): Uint8Array;
  decode(bytes: Uint8Array): T;
  /** The most bytes that `encode` gives, where that is known: a smaller limit is refused before the function runs. */
  readonly maxBytes?: number | undefined;
}

/**
 * JSON, and undefined, which is no bytes. What JSON would not give back equal (Date, Map, NaN, undefined in arrays,
 * functions, instances of classes with methods) is refused. Properties that are undefined, or named by symbols, are left
 * out, for every caller alike, the one that ran the function included.
 */
export const jsonCodec: ResultCodec<unknown> = {
  encode(result) {
    if (result === undefined) return new Uint8Array();
    const text = JSON.stringify(result);
    if (text === undefined) throw new TypeError(`JSON has nothing for a ${typeof result}`);
    const loss = lossIn(result, 'it');
    if (loss !== undefined) throw new TypeError(loss);
    return new TextEncoder().encode(text);
  },
  decode(bytes) {
    return bytes.length === 0
      ? undefined
      : JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  },
};

/** What of a value JSON would change, in words; of a value that JSON took, so without cycles. */
function lossIn(value: unknown, path: string): string | undefined {
  if (typeof value === 'number' && !Number.isFinite(value))
    return `${path} is ${value}, for which JSON has null`;
  if (typeof value === 'function' || typeof value === 'symbol')
    return `JSON has no ${typeof value} for ${path}`;
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return lossInArray(value, path);
  const kind = kindLost(value);
  if (kind !== undefined) return `${path} is ${kind}, which JSON does not give back`;
  for (const [key, of] of Object.entries(value)) {
    const loss = lossIn(of, `${path}.${key}`);
    if (loss !== undefined) return loss;
  }
  return undefined;
}

function lossInArray(array: readonly unknown[], path: string): string | undefined {
  if (Object.keys(array).some((key) => !/^\d+$/.test(key))) return `${path} is an array with properties`;
  for (let at = 0; at < array.length; at += 1) {
    const element = array[at];
    if (element === undefined) return `${path}[${at}] is undefined, for which JSON has null`;
    const loss = lossIn(element, `${path}[${at}]`);
    if (loss !== undefined) return loss;
  }
  return undefined;
}

/** Of what is more than its properties: its class has methods, as those of Date and Map. A row of a driver has none. */
function kindLost(value: object): string | undefined {
  if (typeof (value as { readonly toJSON?: unknown }).toJSON === 'function')
    return `of class ${nameOf(value)}`;
  for (let at = Object.getPrototypeOf(value); at !== null; at = Object.getPrototypeOf(at)) {
    // That of Object, of this realm or another.
    if (Object.getPrototypeOf(at) === null) return undefined;
    if (Reflect.ownKeys(at).some((key) => key !== 'constructor')) return `of class ${nameOf(value)}`;
  }
  return undefined;
}

function nameOf(value: object): string {
  const { name } = (value.constructor ?? {}) as { readonly name?: unknown };
  return typeof name === 'string' && name !== '' ? name : 'without a name';
}

type Plain = string | number | boolean | null | undefined;
type Special =
  | bigint
  | symbol
  | ((...values: never[]) => unknown)
  | Error
  | RegExp
  | ArrayBuffer
  | ArrayBufferView
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | Promise<unknown>
  | { toJSON(): unknown };

/**
 * `true` for types that JSON would lose or change (bigint, Date, Map, functions, classes with methods), looked at four
 * levels deep. `once` then asks for a codec when it is compiled.
 */
export type NotJson<T, Depth extends readonly 0[] = []> = 0 extends 1 & T
  ? false
  : unknown extends T
    ? false
    : T extends Plain
      ? false
      : T extends Special
        ? true
        : Depth['length'] extends 4
          ? false
          : T extends readonly (infer Element)[]
            ? NotJson<Element, [...Depth, 0]>
            : T extends object
              ? true extends { [Key in keyof T]-?: NotJson<T[Key], [...Depth, 0]> }[keyof T]
                ? true
                : false
              : false;
