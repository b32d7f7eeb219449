import assert from 'node:assert/strict';

/**
 * Many wrote at one time, each its token as a line, with the tokens 1, 2, 3, …: what took effect rises and ends with the
 * highest, and everybody else was told that it was stale.
 */
export function assertTokensRose(
  lines: readonly number[],
  results: readonly PromiseSettledResult<unknown>[],
): void {
  assert.equal(lines.at(-1), results.length);
  assert.deepEqual(
    lines,
    [...lines].sort((left, right) => left - right),
  );
  for (const [index, result] of results.entries()) {
    assert.equal(result.status === 'fulfilled', lines.includes(index + 1));
    if (result.status === 'rejected') assert.equal(result.reason.code, 'stale-token');
  }
}
