import { test } from 'node:test';

/** A test of what clients see, which must hold for a member in one thread and for one with front ends in threads. */
export function inBothForms(name: string, run: (frontEnds: number) => Promise<void>): void {
  test(name, () => run(0));
  test(`${name} (front ends in threads)`, () => run(2));
}
