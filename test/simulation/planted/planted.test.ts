import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bugs } from './bugs.ts';
import { hunt } from './hunt.ts';

/** Those that are found in a second or two, of all kinds; `npm run planted` looks for all. */
const quick = [
  'vote-before-durable',
  'two-votes-in-a-term',
  'single-member-acknowledges-early',
  'unbounded-log',
  'retry-applied-twice',
  'watch-resumes-from-now',
  'keep-alive-before-commit',
  'win-without-absence',
];

for (const id of quick) {
  test(`the planted bug '${id}' is found`, async () => {
    const bug = bugs.find((each) => each.id === id);
    assert.ok(bug !== undefined);
    const { outcome, found } = await hunt(bug);
    assert.ok(found, `${JSON.stringify(outcome)}, expected by ${bug.checkers.join(' or ')}`);
  });
}
