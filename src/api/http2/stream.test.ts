import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { Carrier } from './carrier.ts';
import { frameFlags, frameHeadBytes, frameTypes } from './frames.ts';
import { Http2Stream } from './stream.ts';

const windowBytes = 2 ** 31 - 1;
const megabyte = 1024 * 1024;

test('of answers for which the windows are large enough the socket holds a little at a time, and all gets there', async () => {
  const [client, socket] = duplexPair();
  const carrier = new Carrier(socket, {
    ...{ congestedBytes: megabyte, maxAnswerBytes: 256 * megabyte, onDrain: () => {} },
  });
  carrier.sendWindow = windowBytes;
  const answers = [20, 3, 12].map((megabytes, at) => new Uint8Array(megabytes * megabyte).fill(at + 1));
  for (const [at, answer] of answers.entries()) {
    const stream = new Http2Stream(2 * at + 1, carrier, windowBytes, 0);
    stream.remoteEnded = true;
    carrier.streams.add(stream);
    stream.sendMessage(answer);
    stream.sendTrailers([]);
    assert.ok(carrier.unsentBytes < 2 * megabyte, `${carrier.unsentBytes} bytes`);
  }
  assert.equal(carrier.streams.size, 3);
  const received = answers.map(() => ({ bytes: 0, ended: false }));
  let most = 0;
  let rest = Buffer.alloc(0);
  for await (const chunk of client) {
    most = Math.max(most, carrier.unsentBytes);
    const bytes = Buffer.concat([rest, chunk]);
    let at = 0;
    while (bytes.length - at >= frameHeadBytes) {
      const end = at + frameHeadBytes + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      assert.equal(bytes[at + 3], frameTypes.data);
      const one = received[(bytes.readUInt32BE(at + 5) - 1) / 2];
      assert.ok(one !== undefined && !one.ended);
      one.bytes += end - at - frameHeadBytes;
      one.ended = ((bytes[at + 4] ?? 0) & frameFlags.endStream) !== 0;
      at = end;
    }
    rest = bytes.subarray(at);
    if (received.every(({ ended }) => ended)) break;
  }
  assert.ok(most < 2 * megabyte, `${most} bytes`);
  assert.deepEqual(
    received.map(({ bytes }) => bytes),
    answers.map(({ length }) => length + 5),
  );
  assert.deepEqual([carrier.streams.size, carrier.queuedBytes], [0, 0]);
});

test('who may go on after large answers filled the socket does so as soon as there is room', async () => {
  const [client, socket] = duplexPair();
  const carrier = new Carrier(socket, {
    ...{ congestedBytes: megabyte, maxAnswerBytes: 256 * megabyte, onDrain: () => {} },
  });
  carrier.sendWindow = windowBytes;
  let received = 0;
  const wentOnAt: number[] = [];
  const stream = (id: number): Http2Stream => {
    const made = new Http2Stream(id, carrier, windowBytes, 0);
    made.remoteEnded = true;
    made.receiver = { data: () => {}, aborted: () => {}, drained: () => void wentOnAt.push(received) };
    carrier.streams.add(made);
    return made;
  };
  for (const [id, megabytes] of [
    [1, 30],
    [3, 10],
  ] as const) {
    const large = stream(id);
    large.sendMessage(new Uint8Array(megabytes * megabyte));
    large.sendTrailers([]);
  }
  assert.equal(stream(5).sendMessage(new Uint8Array(100)), false);
  for await (const chunk of client) {
    received += chunk.length;
    if (received > 40 * megabyte) break;
  }
  assert.ok((wentOnAt[0] ?? Number.POSITIVE_INFINITY) < 8 * megabyte, `${wentOnAt}`);
});
