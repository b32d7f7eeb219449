/** How results become bytes. */

export interface ResultCodec<T> {
  /** What it throws makes the recorded outcome a failure, since the operation has run by then. */
  encode(result: T): Uint8Array;
  decode(bytes: Uint8Array): T;
  /** The most bytes that `encode` gives, where that is known: a smaller limit is refused before the function runs. */
  readonly maxBytes?: number | undefined;
}

/**
 * JSON, and undefined, which is no bytes. What JSON leaves out or changes (undefined in arrays, NaN, properties that
 * are functions) is left out or changed for every caller alike, the one that ran the function included.
 */
export const jsonCodec: ResultCodec<unknown> = {
  encode(result) {
    if (result === undefined) return new Uint8Array();
    const text = JSON.stringify(result);
    if (text === undefined) throw new TypeError(`JSON has nothing for a ${typeof result}`);
    return new TextEncoder().encode(text);
  },
  decode(bytes) {
    return bytes.length === 0
      ? undefined
      : JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  },
};

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
