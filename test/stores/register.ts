import { test } from 'node:test';
import { type ConformanceTarget, conformanceTests } from '../../src/conformance/index.ts';

/** The exported suite as tests of this process, those whose names are wanted. */
export function register(
  open: () => Promise<ConformanceTarget>,
  wanted: (name: string) => boolean = () => true,
): void {
  for (const { name, run } of conformanceTests(open, { patienceMs: 30_000 })) {
    if (!wanted(name)) continue;
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
}
