import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime } from './testing.ts';
import type { CloseCause, Connection } from './types.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('timers fire in the order of their times, each at its own, with what they set off done between', async () => {
  const runtime = manualRuntime({ startMs: 1000 });
  const seen: string[] = [];
  const note = (name: string): void => void seen.push(`${name} ${runtime.clock.monotonicMs()}`);
  runtime.timers.after(20, () => note('late'));
  runtime.timers.after(10, () => {
    note('early');
    void runtime.disk.makeFolder('/a').then(() => note('disk'));
    runtime.timers.after(5, () => note('nested'));
  });
  runtime.timers.after(12, () => note('cancelled')).cancel();
  runtime.timers.after(21, () => note('beyond'));
  await runtime.advance(20);
  assert.deepEqual(seen, ['early 1010', 'disk 1010', 'nested 1015', 'late 1020']);
  assert.equal(runtime.clock.monotonicMs(), 1020);
  assert.equal(runtime.clock.nextTimerMs(), 1021);
});

test('a stall makes everything due fire late', async () => {
  const { clock, timers } = manualRuntime();
  const seen: number[] = [];
  for (const ms of [1, 2, 3]) timers.after(ms, () => seen.push(clock.monotonicMs()));
  await clock.stall(100);
  assert.deepEqual(seen, [100, 100, 100]);
});

test('the wall clock can jump without the monotonic one', () => {
  const { clock } = manualRuntime({ startMs: 5, startWallMs: 1_000_000 });
  clock.jumpWall(-500_000);
  assert.equal(clock.wallMs(), 500_000);
  assert.equal(clock.monotonicMs(), 5);
});

test('the same seed gives the same numbers, another seed others', () => {
  const draw = (seed: number): number[] => {
    const { random } = manualRuntime({ seed });
    return Array.from({ length: 5 }, () => random.unit());
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
});

test('a crash loses what was not synced, names included, and never answers those who wait', async () => {
  const { disk } = manualRuntime();
  await disk.makeFolder('/data');
  await disk.syncFolder('/');
  const kept = await disk.open('/data/kept', { create: true });
  await disk.syncFolder('/data');
  const nameless = await disk.open('/data/nameless', { create: true });
  await nameless.writeAt(0, [bytes('synced, but its name is not')]);
  await nameless.sync();
  await kept.writeAt(0, [bytes('durable')]);
  await kept.sync();
  await kept.writeAt(0, [bytes('DUR')]);
  let answered = false;
  void kept.sync().then(() => {
    answered = true;
  });
  disk.crash();
  assert.deepEqual(await disk.list('/data'), ['kept']);
  assert.deepEqual(await disk.read('/data/kept'), bytes('durable'));
  assert.equal(answered, false);
});

test('a crash that keeps some writes any of the unsynced sectors, in any order', async () => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const { disk } = manualRuntime({ seed });
    const file = await disk.open('/file', { create: true });
    await disk.syncFolder('/');
    await file.writeAt(0, [new Uint8Array(512).fill(1)]);
    await file.sync();
    await file.writeAt(512, [new Uint8Array(1024).fill(2)]);
    disk.crash({ keeps: 'some' });
    const data = disk.contents('/file');
    assert.deepEqual(data.subarray(0, 512), new Uint8Array(512).fill(1));
    outcomes.add(`${data.length} ${data[512]} ${data[1024]}`);
  }
  assert.deepEqual([...outcomes].sort(), [
    '1536 0 0',
    '1536 0 2',
    '1536 2 0',
    '1536 2 2',
    '512 undefined undefined',
  ]);
});

test('a crash that keeps all is the death of the process alone', async () => {
  const { disk } = manualRuntime();
  const file = await disk.open('/file', { create: true });
  await file.writeAt(0, [bytes('unsynced')]);
  disk.crash({ keeps: 'all' });
  assert.deepEqual(await disk.read('/file'), bytes('unsynced'));
});

test('a failed sync loses the data although the next one succeeds', async () => {
  const { disk } = manualRuntime();
  const file = await disk.open('/file', { create: true });
  await disk.syncFolder('/');
  await file.writeAt(0, [bytes('lost')]);
  disk.fail('sync');
  await assert.rejects(file.sync(), (error) => ConclaveError.is(error, 'disk-failed'));
  await file.sync();
  assert.deepEqual(await disk.read('/file'), bytes('lost'));
  disk.crash();
  assert.deepEqual(await disk.read('/file'), new Uint8Array(0));
});

test('operations fail when told to: after some that succeed, on some paths, once or always', async () => {
  const { disk } = manualRuntime();
  const one = await disk.open('/one', { create: true });
  const two = await disk.open('/two', { create: true });
  disk.fail('write', { code: 'disk-full', after: 1, path: 'one' });
  await two.writeAt(0, [bytes('a')]);
  await one.writeAt(0, [bytes('a')]);
  await assert.rejects(one.writeAt(1, [bytes('bc')]), (error) => ConclaveError.is(error, 'disk-full'));
  await one.writeAt(1, [bytes('bc')]);
  disk.fail('rename', { always: true });
  for (let count = 0; count < 2; count++) {
    await assert.rejects(disk.rename('/one', '/three'), (error) => ConclaveError.is(error, 'disk-failed'));
  }
});

test('a full disk takes no more than its capacity', async () => {
  const { disk } = manualRuntime();
  disk.capacityBytes = 10;
  const file = await disk.open('/file', { create: true });
  await file.writeAt(0, [bytes('12345678')]);
  await assert.rejects(file.writeAt(8, [bytes('9ab')]), (error) => ConclaveError.is(error, 'disk-full'));
  await file.writeAt(4, [bytes('567890')]);
});

async function connectedPair(runtime: ReturnType<typeof manualRuntime>): Promise<[Connection, Connection]> {
  let far: Connection | undefined;
  const listener = await runtime.network.listen({ host: 'a', port: 0 }, (connection) => {
    far = connection;
  });
  const near = await runtime.network.connect(listener.address, { timeoutMs: 100 });
  assert.ok(far !== undefined);
  return [near, far];
}

test('bytes arrive whole and in order, in pieces that are not those written', async () => {
  const runtime = manualRuntime();
  const [near, far] = await connectedPair(runtime);
  const chunks: Uint8Array[] = [];
  far.onData = (chunk) => chunks.push(chunk);
  let drained = 0;
  near.onDrained = () => drained++;
  for (let count = 0; count < 20; count++) near.write([bytes('0123'), bytes('456789')]);
  assert.equal(near.bufferedBytes, 200);
  await runtime.advance(0);
  assert.equal(Buffer.concat(chunks).toString(), '0123456789'.repeat(20));
  assert.ok(chunks.length > 1);
  assert.equal(near.bufferedBytes, 0);
  assert.equal(drained, 1);
});

test('the causes of closing are those of the real network', async () => {
  for (const [close, causes] of [
    [(near: Connection) => near.end(), ['local', 'peer']],
    [(near: Connection) => near.destroy(), ['local', 'peer']],
  ] as const) {
    const runtime = manualRuntime();
    const [near, far] = await connectedPair(runtime);
    const seen: [CloseCause[], CloseCause[]] = [[], []];
    near.onClose = (cause) => seen[0].push(cause);
    far.onClose = (cause) => seen[1].push(cause);
    close(near);
    await runtime.advance(0);
    assert.deepEqual(seen.flat(), causes);
    assert.equal(runtime.network.openEnds, 0);
  }
});

test('a silent network answers nothing until it speaks', async () => {
  const runtime = manualRuntime();
  const [near, far] = await connectedPair(runtime);
  let received = 0;
  far.onData = (chunk) => {
    received += chunk.length;
  };
  runtime.network.silence();
  near.write([bytes('abc')]);
  const connecting = runtime.network.connect({ host: 'a', port: 40_000 }, { timeoutMs: 50 });
  const refused = assert.rejects(connecting, (error) => ConclaveError.is(error, 'unavailable'));
  await runtime.advance(50);
  await refused;
  assert.equal(received, 0);
  runtime.network.speak();
  await runtime.advance(0);
  assert.equal(received, 3);
});

test('connecting where nobody listens is refused', async () => {
  const { network } = manualRuntime();
  await assert.rejects(network.connect({ host: 'a', port: 1 }, { timeoutMs: 50 }), /connection refused/);
});
