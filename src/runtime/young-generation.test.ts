import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nodeRuntime } from './node.ts';
import { releaseYoungGeneration, youngGenerationBytes } from './young-generation.ts';

/** Objects that live for a while: V8 makes room for as many. */
function beBusy(): void {
  const kept: unknown[] = [];
  for (let made = 0; made < 3_000_000; made++) kept[made % 200_000] = { made };
}

test('room for young objects that a busy time needed is given back when idle', {
  timeout: 60_000,
}, async () => {
  beBusy();
  const busyBytes = youngGenerationBytes();
  assert.ok(busyBytes > 8 * 1024 * 1024, `${busyBytes} bytes: not busy enough to tell`);
  const { timers } = nodeRuntime();
  using _releasing = releaseYoungGeneration({ timers, everyMs: 1000 });
  while (youngGenerationBytes() > 4 * 1024 * 1024) {
    await new Promise<void>((resolve) => timers.after(500, resolve));
  }
});

test('room for young objects is given back after a busy time, however long that was', {
  timeout: 60_000,
}, async () => {
  const { timers } = nodeRuntime();
  let look = (): void => {};
  const after = (_ms: number, callback: () => void) => {
    look = callback;
    return { cancel: () => {} };
  };
  using _releasing = releaseYoungGeneration({ timers: { ...timers, after } });
  beBusy();
  const busyBytes = youngGenerationBytes();
  assert.ok(busyBytes > 8 * 1024 * 1024, `${busyBytes} bytes: not busy enough to tell`);
  // The loop has no rest meanwhile.
  for (let looks = 0; looks < 30; looks++) {
    for (const endMs = performance.now() + 5; performance.now() < endMs; );
    await new Promise<void>((resolve) => timers.nextTurn(resolve));
    look();
  }
  // After some nine seconds V8 does so by itself, where the process is as idle as this one.
  for (let looks = 0; looks < 6 && youngGenerationBytes() > 4 * 1024 * 1024; looks++) {
    await new Promise<void>((resolve) => timers.after(1000, resolve));
    look();
  }
  assert.ok(youngGenerationBytes() <= 4 * 1024 * 1024, `${youngGenerationBytes()} bytes`);
});

/** What helpers did in the collections of a program that first does this, in ms. */
function helpersMs(first: string): number[] {
  const module = fileURLToPath(new URL('young-generation.ts', import.meta.url));
  const program = `
    const { collectYoungAlone } = await import(${JSON.stringify(module)});
    ${first}
    const kept = [];
    for (let made = 0; made < 8_000_000; made++) kept[made % 200_000] = { made };`;
  const flags = ['--trace-gc-nvp', '--input-type=module', '--eval', program];
  const told = execFileSync(process.execPath, flags, { encoding: 'utf8' });
  return [...told.matchAll(/background\.scavenge\.parallel=([\d.]+)/g)].map(([, ms]) => Number(ms));
}

test('where processors are few, young objects are collected by one thread', { timeout: 60_000 }, () => {
  const alone = helpersMs('collectYoungAlone(2);');
  assert.ok(alone.length > 2);
  assert.ok(alone.every((ms) => ms === 0));
});

test('where there are many, V8 has its helpers', {
  timeout: 60_000,
  skip: availableParallelism() === 1 && 'one processor',
}, () => {
  assert.ok(helpersMs('collectYoungAlone(16);').some((ms) => ms > 0));
  assert.ok(helpersMs('{ using _alone = collectYoungAlone(2); }').some((ms) => ms > 0));
});
