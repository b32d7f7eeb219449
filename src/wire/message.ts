import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

/** A message of which fields may be left out, at every depth. */
export type DeepPartial<T> = T extends bigint
  ? bigint | number
  : T extends string | number | boolean | Uint8Array | undefined
    ? T
    : T extends readonly (infer Item)[]
      ? readonly DeepPartial<Item>[]
      : T extends { $case: string; value: unknown }
        ? { $case: T['$case']; value: DeepPartial<T['value']> }
        : { [Key in keyof T]?: DeepPartial<T[Key]> | undefined };

/** What the generated code offers for each message. */
export interface MessageFns<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
  /** Throws Error on malformed input. Bytes fields of the result are views of the input. */
  decode(input: BinaryReader | Uint8Array, length?: number): T;
  /** Fills in what is left out with protobuf's defaults. */
  create(base?: DeepPartial<T>): T;
  fromPartial(object: DeepPartial<T>): T;
}
