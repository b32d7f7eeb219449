import assert from 'node:assert/strict';
import { test } from 'node:test';
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
