/** HTTP/2 as bytes, for load that must cost less than what it loads. */

const largestWindow = 2 ** 31 - 1;

export function frame(type: number, flags: number, stream: number, content: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(9 + content.length);
  bytes.writeUIntBE(content.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(content, 9);
  return bytes;
}

/** A message of gRPC's: no compression, length, content. */
export function message(content: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
}

/** What a connection begins with, and the header block of its first call, and of all later ones. */
export function opening(host: string, path: string): { greeting: Buffer; first: Buffer; later: Buffer } {
  const settings = Buffer.alloc(6);
  settings.writeUInt16BE(4, 0);
  settings.writeUInt32BE(largestWindow, 2);
  const window = Buffer.alloc(4);
  window.writeUInt32BE(largestWindow - 65_535);
  return {
    greeting: Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      frame(4, 0, 0, settings),
      frame(8, 0, 0, window),
    ]),
    // POST and http are in the static table; the others go into the dynamic one, the last as its number 62.
    first: Buffer.concat([
      Buffer.from([0x83, 0x86]),
      indexed(4, path),
      indexed(1, host),
      indexed(31, 'application/grpc'),
      Buffer.concat([Buffer.from([0x40]), text('te'), text('trailers')]),
    ]),
    later: Buffer.from([0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe]),
  };
}

function indexed(name: number, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40 | name]), text(value)]);
}

function text(words: string): Buffer {
  return Buffer.concat([Buffer.from([words.length]), Buffer.from(words)]);
}

export function keyOf(number: number): Buffer {
  return Buffer.from(`growth/${String(number).padStart(9, '0')}`);
}
