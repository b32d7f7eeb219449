import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { HeaderBlocks } from './header-blocks.ts';
import { defaultLimits } from './types.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Fields of two characters each way that the table does not take in, as many as a block holds that is worth keeping. */
function block(number: number): Uint8Array {
  const bytes: number[] = [];
  for (let field = 0; field < 70; field++) {
    bytes.push(0, 2, 0x61 + (field % 26), 0x61 + (number % 26), 2, 0x61 + ((number / 26) % 26), 0x61);
  }
  return Uint8Array.from(bytes);
}

test('what a connection has kept of its header blocks is bounded, also where they have very many fields', () => {
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const connections = Array.from({ length: 50 }, () => {
    const blocks = new HeaderBlocks(defaultLimits);
    for (let number = 0; number < 256; number++) blocks.decode(block(number), 0, block(number).length);
    return blocks;
  });
  collectGarbage();
  const each = (process.memoryUsage().heapUsed - before) / connections.length;
  assert.ok(each < 512 * 1024, `${each} bytes for each connection`);
  const known = block(0);
  // Those that are kept are the same object again.
  assert.equal(
    connections[0]?.decode(known, 0, known.length),
    connections[0]?.decode(known, 0, known.length),
  );
});
