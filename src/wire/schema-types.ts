/** How a field's value looks on the wire and in JSON. */
export type FieldKind =
  | 'bool'
  | 'bytes'
  | 'double'
  | 'enum'
  | 'int32'
  | 'int64'
  | 'message'
  | 'string'
  | 'uint32'
  | 'uint64';

/** Number, name as in the .proto, name in lower camel case, kind, repeated; for messages and enums their full name. */
export type FieldRow = readonly [
  number: number,
  name: string,
  jsonName: string,
  kind: FieldKind,
  many: boolean,
  type?: string,
];

export interface Schema {
  /** By full name; fields in the order of the .proto. */
  readonly messages: Readonly<Record<string, readonly FieldRow[]>>;
  /** By full name; numbers by names. */
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Full names of request and response, by the method's path. */
  readonly methods: Readonly<Record<string, readonly [request: string, response: string]>>;
}

/** One .proto, compiled. */
export interface CompiledFile {
  readonly name: string;
  readonly dependencies: readonly string[];
  /** Full names. */
  readonly services: readonly string[];
  /** Full names of all that it declares. */
  readonly symbols: readonly string[];
  /** A serialized google.protobuf.FileDescriptorProto, in base64. */
  readonly descriptor: string;
}
