import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import { MemoryDisk } from '../../runtime/testing.ts';
import type { Disk, File, OpenOptions } from '../../runtime/types.ts';
import { createSegment, type Segment, segmentName } from './segment.ts';

const mebibyte = 1024 * 1024;
const header = { sequence: 1, clusterId: 2, memberId: 3, salt: 4 };
const path = `log/${segmentName(1)}`;

interface Growth {
  readonly kind: 'extend' | 'truncate';
  readonly to: number;
  readonly finish: (error?: Error) => void;
}

/** A disk whose files grow when the test says so. */
class SlowGrowth {
  readonly growths: Growth[] = [];
  readonly disk: Disk;
  held = false;

  constructor() {
    const disk = new MemoryDisk();
    const open = async (name: string, options?: OpenOptions) => this.#watch(await disk.open(name, options));
    this.disk = new Proxy(disk, {
      get: (target, name) => {
        if (name === 'open') return open;
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  async start(segmentBytes = 64 * mebibyte): Promise<Segment> {
    await this.disk.makeFolder('log');
    const segment = await createSegment(this.disk, 'log', header, segmentBytes);
    this.growths.length = 0;
    this.held = true;
    return segment;
  }

  #watch(file: File): File {
    const grow = (kind: Growth['kind'], to: number, go: () => Promise<void>): Promise<void> => {
      if (!this.held) return go();
      return new Promise((resolve, reject) => {
        const finish = (error?: Error) => (error === undefined ? go().then(resolve, reject) : reject(error));
        this.growths.push({ kind, to, finish });
      });
    };
    return new Proxy(file, {
      get: (target, name) => {
        if (name === 'extend')
          return (from: number, to: number) => grow('extend', to, () => target.extend(from, to));
        if (name === 'truncate') return (size: number) => grow('truncate', size, () => target.truncate(size));
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }
}

const batch = (sizeBytes: number, content = 1) => new Uint8Array(sizeBytes).fill(content);

async function settled(promise: Promise<void>): Promise<boolean> {
  let done = false;
  const note = () => {
    done = true;
  };
  promise.then(note, note);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  return done;
}

test('a file grows before its room is used up, and nobody waits for that', async () => {
  const slow = new SlowGrowth();
  await using segment = await slow.start();
  for (let at = 0; at < 60; at++) await segment.write(batch(16_000));
  assert.deepEqual(
    slow.growths.map(({ kind, to }) => [kind, to]),
    [['extend', 2 * mebibyte]],
  );
  slow.growths[0]?.finish();
});

test('what is growing is written to only when it has grown', async () => {
  const slow = new SlowGrowth();
  await using segment = await slow.start();
  const { end } = segment;
  for (let at = 0; at < 65; at++) await segment.write(batch(16_000));
  const late = segment.write(batch(16_000, 7));
  assert.equal(await settled(late), false);
  slow.growths[0]?.finish();
  await late;
  const bytes = await slow.disk.read(path);
  assert.equal(bytes.length, 2 * mebibyte);
  assert.ok(bytes.subarray(end, end + 65 * 16_000).every((byte) => byte === 1));
  assert.ok(bytes.subarray(end + 65 * 16_000, segment.end).every((byte) => byte === 7));
});

test('after long batches room is made without writing it', async () => {
  const slow = new SlowGrowth();
  await using segment = await slow.start();
  slow.held = false;
  for (let at = 0; at < 3; at++) await segment.write(batch(600_000));
  slow.held = true;
  for (let at = 0; at < 2; at++) await segment.write(batch(600_000));
  assert.deepEqual(
    slow.growths.map(({ kind }) => kind),
    ['truncate'],
  );
  slow.growths[0]?.finish();
});

test('that growing failed hurts whoever needs the room, and nobody else', async () => {
  const slow = new SlowGrowth();
  await using segment = await slow.start();
  for (let at = 0; at < 40; at++) await segment.write(batch(16_000));
  const full = new ConclaveError('disk-full', 'The disk is full.');
  slow.growths[0]?.finish(full);
  await segment.write(batch(16_000));
  const needs = segment.write(batch(mebibyte));
  await settled(needs);
  for (const growth of slow.growths.slice(1)) growth.finish(full);
  await assert.rejects(needs, (error) => error === full);
});

test('a segment does not grow beyond its own size ahead of time', async () => {
  const slow = new SlowGrowth();
  await using segment = await slow.start(mebibyte);
  for (let at = 0; at < 64; at++) await segment.write(batch(16_000));
  assert.deepEqual(slow.growths, []);
});
