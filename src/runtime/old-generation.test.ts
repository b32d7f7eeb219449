import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

const modules = ['./old-generation.ts', './node.ts'].map((file) => new URL(file, import.meta.url).href);

/** What V8 tells of the last full collection: how much may lie in the heap before the next, as a multiple of what does. */
function roomAfter(heldObjects: number, sparing: boolean): number {
  const script = `
    const [{ rarelyCollectAll }, { nodeRuntime }] = await Promise.all(${JSON.stringify(modules)}.map((one) => import(one)));
    globalThis.held = Array.from({ length: ${heldObjects} }, (_, at) => ({ at, list: [at] }));
    globalThis.gc();
    if (${sparing}) rarelyCollectAll({ timers: nodeRuntime().timers });
    globalThis.gc();
    process.exit();`;
  const flags = ['--expose-gc', '--trace-gc-verbose', '--input-type=module'];
  const told = execFileSync(process.execPath, [...flags, '-e', script], { encoding: 'utf8' });
  const limits = [...told.matchAll(/\[HeapController\] Limit: old size: (\d+) KB, new limit: (\d+) KB/g)];
  const [, oldSize, limit] = limits.at(-1) ?? [];
  assert.ok(Number(oldSize) > 0, `V8 tells nothing of limits: ${told.slice(0, 2000)}`);
  return Number(limit) / Number(oldSize);
}

test('buffers beside a small heap have room until the next full collection', { timeout: 60_000 }, () => {
  const [plain, roomy] = [roomAfter(200_000, false), roomAfter(200_000, true)];
  assert.ok(roomy >= 5 && roomy > plain + 0.5, `${plain} times the heap without, ${roomy} with`);
});

test('a large heap is collected as V8 reckons', { timeout: 60_000 }, () => {
  const [plain, same] = [roomAfter(1_200_000, false), roomAfter(1_200_000, true)];
  assert.ok(Math.abs(same - plain) < 0.5, `${plain} times the heap without, ${same} with`);
});
