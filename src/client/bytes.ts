const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Text is taken as UTF-8. */
export function toBytes(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? encoder.encode(value) : value;
}

export function toText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The end of the range of all keys that begin with `prefix`: [0], which means "to the end", where nothing is above. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let at = prefix.length - 1; at >= 0; at -= 1) {
    const byte = prefix[at] ?? 0;
    if (byte === 0xff) continue;
    const end = prefix.slice(0, at + 1);
    end[at] = byte + 1;
    return end;
  }
  return Uint8Array.of(0);
}

/** A key for a Map. */
export function bytesKey(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
