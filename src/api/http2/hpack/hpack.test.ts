import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderBlockError, HeaderDecoder, type HeaderField } from './decoder.ts';
import { HeaderEncoder } from './encoder.ts';
import { decodeHuffman } from './huffman.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const decoder = (maxListBytes = 65_536) => new HeaderDecoder({ maxTableBytes: 4096, maxListBytes });

function fieldsOf(decoding: HeaderDecoder, block: Uint8Array): readonly HeaderField[] {
  const decoded = decoding.decode(block);
  assert.ok('fields' in decoded);
  return decoded.fields;
}

/** RFC 7541, appendix C.3 and C.4: three requests on one connection, in plain strings and in the Huffman code. */
const requests: readonly { plain: string; huffman: string; fields: readonly HeaderField[] }[] = [
  {
    plain: '828684410f7777772e6578616d706c652e636f6d',
    huffman: '828684418cf1e3c2e5f23a6ba0ab90f4ff',
    fields: [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
    ],
  },
  {
    plain: '828684be58086e6f2d6361636865',
    huffman: '828684be5886a8eb10649cbf',
    fields: [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
      ['cache-control', 'no-cache'],
    ],
  },
  {
    plain: '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    huffman: '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    fields: [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/index.html'],
      [':authority', 'www.example.com'],
      ['custom-key', 'custom-value'],
    ],
  },
];

for (const form of ['plain', 'huffman'] as const) {
  test(`the requests of RFC 7541, appendix C, decode from ${form} strings`, () => {
    const decoding = decoder();
    for (const request of requests) assert.deepEqual(fieldsOf(decoding, hex(request[form])), request.fields);
  });
}

test('the table forgets the oldest fields when it is full: appendix C.5', () => {
  const decoding = new HeaderDecoder({ maxTableBytes: 256, maxListBytes: 4096 });
  const first =
    '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d';
  assert.deepEqual(fieldsOf(decoding, hex(first)), [
    [':status', '302'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com'],
  ]);
  // The new status pushes the first one out of the table of 256 bytes.
  assert.deepEqual(fieldsOf(decoding, hex('4803333037c1c0bf')), [
    [':status', '307'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com'],
  ]);
  assert.throws(() => decoding.decode(hex('c2')), HeaderBlockError);
});

test('blocks that no encoder makes are refused', () => {
  const bad = {
    'an index beyond both tables': 'be',
    'index 0': '80',
    'an integer that never ends': 'ff ff ff ff ff ff ff',
    'a string beyond the block': '40 03 61',
    'a name without a value': '40 01 61',
    'a resize in the middle': '82 20',
    'a table larger than was offered': '3f e2 1f',
    'the end of strings in a string': '40 01 61 84 ff ff ff ff',
    'padding of a whole byte': '40 01 61 82 1f ff',
    'padding that is not all ones': '40 01 61 81 18',
  };
  for (const [what, block] of Object.entries(bad)) {
    assert.throws(() => decoder().decode(hex(block)), HeaderBlockError, what);
  }
});

test('a list that is too large is told, and what comes after it still decodes', () => {
  const decoding = decoder(200);
  const long = new HeaderEncoder([]).encode([['a', 'x'.repeat(300)]]);
  assert.deepEqual(decoding.decode(long), { tooLarge: true });
  // A literal that goes into the table although the list was too large, and is referred to after it.
  const added = Uint8Array.from([...hex('40 01 62 01 63'), ...long]);
  assert.deepEqual(decoding.decode(added), { tooLarge: true });
  assert.deepEqual(fieldsOf(decoding, hex('be')), [['b', 'c']]);
});

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
const value = fc.string({ unit: 'binary-ascii', maxLength: 300 });
const field = fc.oneof(
  fc.tuple(name, value),
  fc.constantFrom<[string, string][]>([':status', '200'], ['content-type', 'application/grpc'], ['te', '']),
);

test('what is encoded decodes to the same, block after block, whatever the other table holds', () => {
  const blocks = fc.array(fc.array(field, { maxLength: 8 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(blocks, fc.option(fc.nat(4096), { nil: undefined }), (lists, limit) => {
      const encoder = new HeaderEncoder([
        ['content-type', 'application/grpc'],
        ['te', ''],
      ]);
      const decoding = decoder();
      lists.forEach((list, position) => {
        if (position === 1 && limit !== undefined) encoder.limitTable(limit);
        assert.deepEqual(fieldsOf(decoding, encoder.encode(list)), list);
      });
    }),
  );
});

test('a block of repeated fields is a byte for each, once they have been agreed on', () => {
  const repeated: HeaderField[] = [
    ['content-type', 'application/grpc'],
    ['grpc-status', '0'],
  ];
  const encoder = new HeaderEncoder(repeated);
  const decoding = decoder();
  for (let round = 0; round < 3; round++) {
    const block = encoder.encode([[':status', '200'], ...repeated]);
    assert.deepEqual(fieldsOf(decoding, block), [[':status', '200'], ...repeated]);
    if (round > 0) assert.equal(block.length, 3);
  }
});

test('any bytes decode to fields or are refused, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 5 }), (blocks) => {
      const decoding = decoder(500);
      try {
        for (const block of blocks) decoding.decode(block);
      } catch (error) {
        assert.ok(error instanceof HeaderBlockError);
      }
    }),
    { numRuns: 2000 },
  );
});

test('any bytes are a string in the Huffman code or are not', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const text = decodeHuffman(bytes, 0, bytes.length);
      assert.ok(text === undefined || text.length <= bytes.length * 1.6);
    }),
    { numRuns: 2000 },
  );
});
