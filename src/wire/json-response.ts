import { BinaryReader, base64Encode } from '@bufbuild/protobuf/wire';
import { WireError } from './error.ts';
import { schema } from './generated/schema.ts';
import type { FieldKind, FieldRow } from './schema-types.ts';

type Value = string | number | boolean | Fields | Value[];
interface Fields {
  [name: string]: Value;
}

const delimited = 2;
const enumNames = new Map<string, ReadonlyMap<number, string>>();

/**
 * The JSON of a message in wire format, as etcd's gateway writes it: names as in the .proto and in its order, 64-bit
 * numbers as strings, bytes in base64, enums by name, what is not on the wire left out.
 */
export function wireToJson(type: string, bytes: Uint8Array): string {
  return JSON.stringify(readMessage(new BinaryReader(bytes), bytes.length, type));
}

/**
 * The same text in pieces, each of about `partBytes` on the wire, for a message whose fields stand in the order of their numbers:
 * nothing else runs while a piece is made. A field that is not repeated is in one piece, however long.
 */
export function* wireToJsonParts(type: string, bytes: Uint8Array, partBytes: number): Generator<string> {
  let separator = '{';
  let list: string | undefined;
  for (const part of messageParts(bytes, partBytes)) {
    let text = '';
    for (const [name, value] of Object.entries(readMessage(new BinaryReader(part), part.length, type))) {
      const json = JSON.stringify(value);
      if (list === name) {
        text += `,${json.slice(1, -1)}`;
        continue;
      }
      if (list !== undefined) text += ']';
      list = Array.isArray(value) ? name : undefined;
      text += `${separator}${JSON.stringify(name)}:${list === undefined ? json : json.slice(0, -1)}`;
      separator = ',';
    }
    yield text;
  }
  yield `${list === undefined ? '' : ']'}${separator === '{' ? '{}' : '}'}`;
}

/** Cut between fields: each is a message of the same type. */
function* messageParts(bytes: Uint8Array, partBytes: number): Generator<Uint8Array> {
  const reader = new BinaryReader(bytes);
  let start = 0;
  while (reader.pos < bytes.length) {
    const [, wireType] = reader.tag();
    reader.skip(wireType);
    if (reader.pos - start < partBytes && reader.pos < bytes.length) continue;
    yield bytes.subarray(start, reader.pos);
    start = reader.pos;
  }
}

function readMessage(reader: BinaryReader, length: number, type: string): Fields {
  const rows = schema.messages[type];
  if (rows === undefined) throw new WireError(`there is no message ${type}`);
  const end = reader.pos + length;
  const found = new Map<FieldRow, Value>();
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const row = rows.find((candidate) => candidate[0] === number);
    if (row === undefined) reader.skip(wireType);
    else if (!row[4]) found.set(row, readValue(reader, row));
    else readItems(reader, row, wireType, listOf(found, row));
  }
  const fields: Fields = {};
  for (const row of rows) {
    const value = found.get(row);
    if (value !== undefined) fields[row[1]] = value;
  }
  return fields;
}

function listOf(found: Map<FieldRow, Value>, row: FieldRow): Value[] {
  const list = found.get(row);
  if (Array.isArray(list)) return list;
  const made: Value[] = [];
  found.set(row, made);
  return made;
}

const isPacked = (kind: FieldKind): boolean => kind !== 'bytes' && kind !== 'string' && kind !== 'message';

function readItems(reader: BinaryReader, row: FieldRow, wireType: number, list: Value[]): void {
  if (wireType !== delimited || !isPacked(row[3])) {
    list.push(readValue(reader, row));
    return;
  }
  const end = reader.uint32() + reader.pos;
  while (reader.pos < end) list.push(readValue(reader, row));
}

function readValue(reader: BinaryReader, row: FieldRow): Value {
  const [, , , kind, , type = ''] = row;
  switch (kind) {
    case 'message':
      return readMessage(reader, reader.uint32(), type);
    case 'bytes':
      return base64Encode(reader.bytes());
    case 'enum': {
      const number = reader.int32();
      return nameOf(type, number) ?? number;
    }
    case 'int64':
    case 'uint64':
      return String(reader[kind]());
    default:
      return reader[kind]();
  }
}

function nameOf(type: string, number: number): string | undefined {
  let names = enumNames.get(type);
  if (names === undefined) {
    names = new Map(Object.entries(schema.enums[type] ?? {}).map(([name, value]) => [value, name]));
    enumNames.set(type, names);
  }
  return names.get(number);
}
