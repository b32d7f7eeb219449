import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fuzzRuns, hostile } from '../../test/mutations.ts';
import { nodeRuntime } from '../runtime/index.ts';
import { type AnyMethod, jsonToWire, schema, WireError, wireToJson } from '../wire/index.ts';
import { Api } from './api.ts';
import { StatusError } from './status.ts';
import { TestingMember } from './testing.ts';

const fields = [...new Set(Object.values(schema.messages).flatMap((rows) => rows.map((row) => row[1])))];
const names = Object.values(schema.enums).flatMap((one) => Object.keys(one));

/** JSON with the names of real fields and enums, so that it gets far. */
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom<unknown>(
      null,
      true,
      0,
      -1,
      1.5,
      2 ** 60,
      '',
      'YQ==',
      '!',
      '9223372036854775807',
      ...names,
    ),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...fields), tie('json'), { maxKeys: 4 }),
  ),
}));

function decodesOrRefuses(decode: () => unknown): unknown {
  try {
    return decode();
  } catch (error) {
    assert.ok(error instanceof WireError || error instanceof StatusError, String(error));
    return undefined;
  }
}

test('every method decodes whatever is sent to it, or refuses it with a status', async () => {
  await using api = new Api(new TestingMember(nodeRuntime()));
  const methods = [...api.registry.values()];
  // Valid messages of each type come out of JSON.
  const valid = (method: AnyMethod) =>
    json.map((value) => {
      const [type = ''] = schema.methods[method.path] ?? [];
      return (
        (decodesOrRefuses(() => jsonToWire(type, JSON.stringify(value))) as Uint8Array) ??
        new Uint8Array([8, 1])
      );
    });
  const sent = fc
    .constantFrom(...methods)
    .chain((method) => hostile(valid(method.descriptor)).map((input) => ({ method, input })));
  fc.assert(
    fc.property(sent, ({ method, input }) => {
      decodesOrRefuses(() => method.decode(input));
    }),
    fuzzRuns,
  );
});

test('JSON that is damaged is decoded or refused, and what was decoded has a JSON of its own', () => {
  const types = Object.keys(schema.messages);
  const text = hostile(json.map((value) => Buffer.from(JSON.stringify(value))));
  fc.assert(
    fc.property(fc.constantFrom(...types), text, (type, bytes) => {
      const wire = decodesOrRefuses(() => jsonToWire(type, Buffer.from(bytes).toString()));
      if (wire !== undefined) JSON.parse(wireToJson(type, wire as Uint8Array));
    }),
    fuzzRuns,
  );
});
