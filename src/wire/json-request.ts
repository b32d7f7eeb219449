import { BinaryWriter, base64Decode } from '@bufbuild/protobuf/wire';
import { WireError } from './error.ts';
import { schema } from './generated/schema.ts';
import { spelling, withMarkedNumbers } from './json-numbers.ts';
import type { FieldRow } from './schema-types.ts';

/** Numbers that JSON.parse would change are strings with a mark: a 64-bit one would lose digits. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

const deepest = 100;
const wireTypes = { varint: 0, fixed64: 1, bytes: 2 } as const;

const bounds = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
} as const;

/** A field by either of its names. */
const fieldsByName = new Map<string, ReadonlyMap<string, FieldRow>>();

/**
 * A message of that type from JSON, in wire format, as protobuf's JSON mapping and Go's decoder have it: unknown
 * fields are passed over, null is a field left out, 64-bit numbers may be strings.
 *
 * @throws WireError in Go's words, which clients of etcd's gateway see.
 */
export function jsonToWire(type: string, text: string): Uint8Array {
  const writer = new BinaryWriter();
  writeMessage(writer, type, parse(text), 0);
  return writer.finish();
}

function parse(text: string): Json {
  try {
    return JSON.parse(withMarkedNumbers(text)) as Json;
  } catch (error) {
    throw new WireError(`invalid JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function fieldsOf(type: string): ReadonlyMap<string, FieldRow> {
  let fields = fieldsByName.get(type);
  if (fields === undefined) {
    const rows = schema.messages[type];
    if (rows === undefined) throw new WireError(`there is no message ${type}`);
    fields = new Map(rows.flatMap((row) => [[row[2], row] as const, [row[1], row] as const]));
    fieldsByName.set(type, fields);
  }
  return fields;
}

function writeMessage(writer: BinaryWriter, type: string, value: Json, depth: number): void {
  if (depth > deepest) throw new WireError(`messages are nested deeper than ${deepest}`);
  if (value === null) return;
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw mismatch(value, 'map[string]json.RawMessage');
  }
  const fields = fieldsOf(type);
  for (const [name, inner] of Object.entries(value)) {
    const field = fields.get(name);
    if (field === undefined || inner === null) continue;
    if (!field[4]) writeField(writer, field, inner, depth);
    else if (!Array.isArray(inner)) throw mismatch(inner, '[]json.RawMessage');
    else for (const item of inner as readonly Json[]) writeField(writer, field, item, depth);
  }
}

function writeField(writer: BinaryWriter, field: FieldRow, value: Json, depth: number): void {
  const [number, , , kind, , type = ''] = field;
  switch (kind) {
    case 'message':
      writer.tag(number, wireTypes.bytes).fork();
      writeMessage(writer, type, value, depth + 1);
      writer.join();
      return;
    case 'bytes':
      writer.tag(number, wireTypes.bytes).bytes(bytesOf(value));
      return;
    case 'string':
      if (!isText(value)) throw mismatch(value, 'string');
      writer.tag(number, wireTypes.bytes).string(value);
      return;
    case 'bool':
      if (typeof value !== 'boolean') throw mismatch(value, 'bool');
      writer.tag(number, wireTypes.varint).bool(value);
      return;
    case 'enum':
      writer.tag(number, wireTypes.varint).int32(enumOf(value, type));
      return;
    case 'double':
      writer.tag(number, wireTypes.fixed64).double(doubleOf(value));
      return;
    default:
      writer.tag(number, wireTypes.varint);
      // A varint of 64 bits says each of these numbers.
      if (kind === 'uint64' || kind === 'uint32') writer.uint64(integerOf(value, kind));
      else writer.int64(integerOf(value, kind));
  }
}

function integerOf(value: Json, kind: keyof typeof bounds): bigint {
  const text = spelling(value) ?? (typeof value === 'string' ? value : undefined);
  if (text === undefined) throw mismatch(value, kind);
  if (!/^-?\d/.test(text)) {
    throw new WireError(
      text === ''
        ? 'unexpected end of JSON input'
        : `invalid character '${text[0]}' looking for beginning of value`,
    );
  }
  if (/^-?(0|[1-9]\d{0,19})$/.test(text)) {
    const number = BigInt(text);
    if (number >= bounds[kind][0] && number <= bounds[kind][1]) return number;
  }
  throw new WireError(`json: cannot unmarshal number ${text.slice(0, 40)} into Go value of type ${kind}`);
}

function doubleOf(value: Json): number {
  const number = Number(spelling(value) ?? Number.NaN);
  if (Number.isNaN(number)) throw mismatch(value, 'float64');
  return number;
}

function enumOf(value: Json, type: string): number {
  if (!isText(value)) return Number(integerOf(value, 'int32'));
  const number = schema.enums[type]?.[value];
  if (number !== undefined && Object.hasOwn(schema.enums[type] ?? {}, value)) return number;
  throw new WireError(`unknown value ${JSON.stringify(value.slice(0, 100))} for enum ${goName(type)}`);
}

/** `package.Message_Enum`. */
function goName(type: string): string {
  const [first = '', ...rest] = type.split('.');
  return `${first}.${rest.join('_')}`;
}

function bytesOf(value: Json): Uint8Array {
  if (!isText(value)) throw mismatch(value, '[]uint8');
  const text = /[\r\n]/.test(value) ? value.replace(/[\r\n]/g, '') : value;
  const good = /^[A-Za-z0-9+/]*={0,2}/.exec(text)?.[0].length ?? 0;
  if (good === text.length && text.length % 4 === 0) return base64Decode(text);
  const at = good < text.length ? good : text.length - (text.length % 4);
  throw new WireError(`illegal base64 data at input byte ${at}`);
}

function isText(value: Json): value is string {
  return typeof value === 'string' && spelling(value) === undefined;
}

function mismatch(value: Json, goType: string): WireError {
  return new WireError(`json: cannot unmarshal ${kindOf(value)} into Go value of type ${goType}`);
}

function kindOf(value: Json): string {
  if (spelling(value) !== undefined) return 'number';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return value === null ? 'null' : typeof value;
}
