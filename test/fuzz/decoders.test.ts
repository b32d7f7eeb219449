// Decoders of what strangers send, under inputs that are bred for the code that they reach. Bounded in time;
// CONCLAVE_FUZZ_SECONDS gives each decoder more, CONCLAVE_FUZZ_SEED repeats a run. An input that fails belongs in seeds/.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { staticTable } from '../../src/api/http2/hpack/static-table.ts';
import { connectionTarget } from './connection-target.ts';
import { type FuzzResult, type FuzzTarget, fuzz } from './fuzz.ts';
import { staticFields } from './rfc7541.ts';
import { framesTarget, hpackTarget } from './targets.ts';

const root = join(import.meta.dirname, '../..');
const source = join(root, 'src/api/http2');
const scratch = mkdtempSync(join(tmpdir(), 'conclave-fuzz-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const seed = Number(process.env.CONCLAVE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const seconds = Number(process.env.CONCLAVE_FUZZ_SECONDS ?? 3);
/** Until a planted bug has to be found. It takes a second or so; a loaded machine may take longer. */
const plantedSeconds = 180;

async function hpack(folder: string): Promise<FuzzTarget> {
  return hpackTarget(folder, await import(pathToFileURL(join(folder, 'decoder.ts')).href));
}

async function frames(folder: string): Promise<FuzzTarget> {
  const file = join(folder, 'frame-reader.ts');
  const names = await import(pathToFileURL(join(folder, 'frames.ts')).href);
  return framesTarget(file, { ...(await import(pathToFileURL(file).href)), ...names });
}

async function connection(folder: string): Promise<FuzzTarget> {
  return connectionTarget(folder, await import(pathToFileURL(join(folder, 'server.ts')).href));
}

const told = ({ attempts, corpus, blocks }: FuzzResult): string =>
  `CONCLAVE_FUZZ_SEED=${seed}: ${attempts} inputs, ${corpus} kept, ${blocks} blocks`;

test('the static table is that of RFC 7541', () => {
  assert.deepEqual(staticTable, staticFields);
});

const decoders = {
  'header blocks': { folder: join(source, 'hpack'), target: hpack },
  frames: { folder: source, target: frames },
  connections: { folder: source, target: connection },
};

for (const [what, { folder, target }] of Object.entries(decoders)) {
  test(`${what} under bred inputs do what they have to do`, async (t) => {
    const result = await fuzz(await target(folder), { seed, seconds });
    t.diagnostic(told(result));
    const { finding } = result;
    const input = Buffer.from(finding?.input ?? []).toString('hex');
    assert.equal(finding, undefined, `${told(result)}; ${input}: ${finding?.error}`);
    assert.ok(result.attempts > 500 && result.blocks > 10, told(result));
  });
}

interface Planted {
  readonly what: keyof typeof decoders;
  readonly file: string;
  readonly right: string;
  readonly wrong: string;
}

const planted: Readonly<Record<string, Planted>> = {
  'a table that may grow beyond what was offered': {
    ...{ what: 'header blocks', file: 'decoder.ts' },
    ...{ right: 'size > this.#maxTableBytes', wrong: 'size > 4096' },
  },
  'a table size in the middle of a block': {
    ...{ what: 'header blocks', file: 'decoder.ts' },
    ...{ right: 'if (!atBeginning)', wrong: 'if (!atBeginning && size > 0)' },
  },
  'an eviction that stops one field too early': {
    ...{ what: 'header blocks', file: 'dynamic-table.ts' },
    ...{ right: 'this.#size > downTo', wrong: 'this.#size > downTo + 8' },
  },
  'a padding of the Huffman code that is not looked at': {
    ...{ what: 'header blocks', file: 'huffman.ts' },
    ...{ right: 'return end === 0 ? undefined : text;', wrong: 'return text;' },
  },
  'a symbol in the wrong place of the Huffman code': {
    ...{ what: 'header blocks', file: 'huffman.ts' },
    ...{ right: '...[27, 27, 26, 30],', wrong: '...[27, 26, 27, 30],' },
  },
  'a frame of the largest size that is refused': {
    ...{ what: 'frames', file: 'frame-reader.ts' },
    ...{ right: 'length > defaultFrameBytes', wrong: 'length >= defaultFrameBytes' },
  },
  'a rest of nine bytes that is lost': {
    ...{ what: 'frames', file: 'frame-reader.ts' },
    ...{ right: 'if (at < bytes.length)', wrong: 'if (at < bytes.length && bytes.length - at !== 9)' },
  },
  'a padding longer than its frame that nobody foresaw': {
    ...{ what: 'connections', file: 'connection.ts' },
    ...{
      right: "if (start + padding > to) throw broken('the padding is longer than its frame');",
      wrong: "if (start + padding > to) throw new Error('unforeseen');",
    },
  },
  'content that is not counted against the window of the connection': {
    ...{ what: 'connections', file: 'stream.ts' },
    ...{ right: 'carrier.sendWindow -= bytes;', wrong: '' },
  },
  'a reserved bit that counts': {
    ...{ what: 'frames', file: 'frames.ts' },
    ...{ right: 'readUint32(bytes, at) & 0x7fff_ffff', wrong: 'readUint32(bytes, at)' },
  },
};

for (const [at, [bug, { what, file, right, wrong }]] of Object.entries(planted).entries()) {
  test(`${bug} is found`, async (t) => {
    const copy = join(scratch, String(at));
    const folder = join(copy, relative(root, decoders[what].folder));
    cpSync(source, join(copy, 'src/api/http2'), { recursive: true });
    // What they import of other folders stays where it is.
    for (const layer of readdirSync(join(root, 'src'))) {
      if (layer !== 'api') symlinkSync(join(root, 'src', layer), join(copy, 'src', layer));
    }
    const text = readFileSync(join(folder, file), 'utf8');
    assert.equal(text.split(right).length, 2, `${file} no longer has "${right}" once`);
    writeFileSync(join(folder, file), text.replace(right, wrong));
    const result = await fuzz(await decoders[what].target(folder), { seed, seconds: plantedSeconds });
    t.diagnostic(`${told(result)}, ${Buffer.from(result.finding?.input ?? []).toString('hex')}`);
    assert.ok(result.finding !== undefined, told(result));
  });
}
