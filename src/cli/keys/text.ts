import { prefixEnd, toBytes } from '../../client/index.ts';
import type { KeyValue } from '../../wire/index.ts';
import { CommandFailure } from '../failure.ts';
import { parseWholeNumber } from '../numbers.ts';

const none = new Uint8Array(0);

/** The keys that a command is about: one, or with `prefix` all that begin with it, an empty one being all keys. */
export function rangeOf(text: string, prefix: boolean): { key: Uint8Array; rangeEnd: Uint8Array } {
  const key = toBytes(text);
  if (!prefix && text === '') {
    throw new CommandFailure('usage', 'KEY is empty; with --prefix it stands for all keys.');
  }
  if (!prefix) return { key, rangeEnd: none };
  const every = Uint8Array.of(0);
  return text === '' ? { key: every, rangeEnd: every } : { key, rangeEnd: prefixEnd(key) };
}

export function parseRevision(text: string | undefined, flag: string, least: number): number | undefined {
  return text === undefined ? undefined : parseWholeNumber(text, flag, least, Number.MAX_SAFE_INTEGER);
}

/** As the other commands and etcdctl print them: hexadecimal. */
export function parseLease(text: string): bigint {
  if (/^[0-9a-f]{1,16}$/i.test(text)) return BigInt(`0x${text}`);
  throw new CommandFailure(
    'usage',
    `--lease: '${text}' is no id of a lease, which has up to 16 hexadecimal digits.`,
  );
}

/** A key, as JSON; names and values that are no text are in base64 under names of their own. */
export function keyJson(entry: KeyValue): object {
  const { createRevision, modRevision, version, lease } = entry;
  return {
    ...field('key', entry.key),
    ...field('value', entry.value),
    ...{ createRevision, modRevision, version },
    ...(lease !== 0n && { lease: lease.toString(16) }),
  };
}

export function field(name: string, bytes: Uint8Array): object {
  const text = asText(bytes);
  return text === undefined ? { [`${name}Base64`]: Buffer.from(bytes).toString('base64') } : { [name]: text };
}

/** For a line on a terminal. */
export function printable(bytes: Uint8Array): string {
  const text = asText(bytes);
  if (text === undefined) return `0x${Buffer.from(bytes).toString('hex')}`;
  return text.replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function asText(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes).toString('utf8');
  return Buffer.compare(Buffer.from(text), bytes) === 0 ? text : undefined;
}
