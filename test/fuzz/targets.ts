import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { FuzzTarget } from './fuzz.ts';
import { ReferenceDecoder, Refused } from './reference-hpack.ts';

/** Seeds of one file: hexadecimal bytes, one input for each line; what follows a # is a remark. */
export function seeds(name: string): Uint8Array[] {
  const text = readFileSync(join(import.meta.dirname, 'seeds', `${name}.txt`), 'utf8');
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').replaceAll(/\s/g, ''));
  return lines.filter((line) => line !== '').map((line) => Uint8Array.from(Buffer.from(line, 'hex')));
}

type Hpack = Pick<
  typeof import('../../src/api/http2/hpack/decoder.ts'),
  'HeaderDecoder' | 'HeaderBlockError'
>;

const maxTableBytes = 256;
const maxListBytes = 10_000;

/**
 * The header blocks of a connection, each with its length before it, against the reference: the same fields, or both
 * refuse. `folder`: of the decoder.
 */
export function hpackTarget(folder: string, { HeaderDecoder, HeaderBlockError }: Hpack): FuzzTarget {
  const attempt = (input: Uint8Array): string => {
    const decoder = new HeaderDecoder({ maxTableBytes, maxListBytes });
    const reference = new ReferenceDecoder(maxTableBytes);
    const kinds: string[] = [];
    for (let at = 0; at < input.length; ) {
      const end = at + 1 + (input[at] as number);
      const block = input.subarray(at + 1, end);
      const [ours, theirs] = [
        told(() => decoder.decode(block), HeaderBlockError),
        told(() => ({ fields: reference.decode(block) }), Refused),
      ];
      assert.deepEqual('refused' in ours, 'refused' in theirs, `${reasonOf(ours)} / ${reasonOf(theirs)}`);
      kinds.push(reasonOf(ours));
      // The state of the connection is lost.
      if ('refused' in ours || 'refused' in theirs) break;
      if ('tooLarge' in ours) assert.ok(listBytes(theirs.fields) > maxListBytes);
      else assert.deepEqual(ours.fields, theirs.fields);
      at = end;
    }
    return kinds.slice(-2).join();
  };
  return { sources: pathToFileURL(folder).href, seeds: seeds('hpack'), maxBytes: 400, attempt };
}

function told<T extends object>(
  work: () => T,
  Expected: new (message: string) => Error,
): T | { readonly refused: string } {
  try {
    return work();
  } catch (error) {
    if (error instanceof Expected) return { refused: error.message };
    throw error;
  }
}

/** Without the numbers in it. */
function reasonOf(result: object): string {
  if ('refused' in result) return String(result.refused).replaceAll(/\d+/g, 'N');
  return 'fields' in result ? `${Math.min((result.fields as unknown[]).length, 5)} fields` : 'too large';
}

function listBytes(fields: readonly (readonly [string, string])[]): number {
  return fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
}

type Frames = Pick<typeof import('../../src/api/http2/frame-reader.ts'), 'FrameReader'> &
  Pick<typeof import('../../src/api/http2/frames.ts'), 'ConnectionError' | 'preface'>;

const frameHeadBytes = 9;
const longestFrame = 16_384;

/** Bytes cut anywhere against a reader of all of them at once. The first byte says where they are cut. */
export function framesTarget(file: string, { FrameReader, ConnectionError, preface }: Frames): FuzzTarget {
  const attempt = (input: Uint8Array): string => {
    const [first = 0, ...rest] = input;
    const greeted = first % 2 === 1;
    const bytes = Uint8Array.from(greeted ? [...preface, ...rest] : rest);
    const frames: string[] = [];
    const reader = new FrameReader((type, flags, stream, content, from, to) => {
      const text = Buffer.from(content.subarray(from, to)).toString('hex');
      frames.push(`${type} ${flags} ${stream} ${text}`);
    });
    let refused = '';
    try {
      const step = 1 + (first >> 1);
      for (let at = 0; at < bytes.length; at += step) reader.push(bytes.subarray(at, at + step));
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      refused = String(error.code);
    }
    const expected = readAtOnce(bytes, Uint8Array.from(preface));
    assert.deepEqual([frames, refused], [expected.frames, expected.refused]);
    return `${refused} ${Math.min(frames.length, 3)}`;
  };
  return { sources: pathToFileURL(file).href, seeds: seeds('frames'), maxBytes: 60_000, attempt };
}

function readAtOnce(bytes: Uint8Array, preface: Uint8Array): { frames: string[]; refused: string } {
  const frames: string[] = [];
  const begins = Buffer.from(bytes.subarray(0, preface.length));
  if (!begins.equals(preface.subarray(0, begins.length))) return { frames, refused: '1' };
  const view = Buffer.from(bytes);
  let at = preface.length;
  while (at + frameHeadBytes <= view.length) {
    const length = view.readUIntBE(at, 3);
    if (length > longestFrame) return { frames, refused: '6' };
    const end = at + frameHeadBytes + length;
    if (end > view.length) break;
    const stream = view.readUInt32BE(at + 5) % 2 ** 31;
    frames.push(`${view[at + 3]} ${view[at + 4]} ${stream} ${view.subarray(at + 9, end).toString('hex')}`);
    at = end;
  }
  return { frames, refused: '' };
}
