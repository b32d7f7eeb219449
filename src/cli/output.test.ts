import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readableLine } from './logging.ts';
import { formatTable, toJsonLine } from './output.ts';

test('a table has columns as wide as their widest cell, and numbers to the right', () => {
  assert.equal(
    formatTable(
      ['MEMBER', 'TERM'],
      [
        ['m1', 7],
        ['a-long-name', 12],
      ],
    ),
    ['MEMBER       TERM', 'm1              7', 'a-long-name    12', ''].join('\n'),
  );
});

test('bigints become strings in JSON, so that no digit is lost', () => {
  assert.equal(toJsonLine({ lease: 2n ** 60n }), '{"lease":"1152921504606846976"}');
});

test('a log line for people has time, level, message and fields', () => {
  const json =
    '{"level":"warn","time":"2026-01-02T03:04:05.678Z","peer":7,"state":"up","msg":"The link changed."}';
  assert.equal(readableLine(json, false), '03:04:05.678 WARN  The link changed. peer=7 state=up\n');
});
