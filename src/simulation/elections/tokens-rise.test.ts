import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandMadeLife } from './testing.ts';
import { tokensRiseChecker } from './tokens-rise.ts';

const found = (checker: string, text: RegExp) => ({ name: 'Violation', checker, message: text });

test('a token that falls or comes again is found', () => {
  for (const token of [5, 4]) {
    const life = new HandMadeLife(tokensRiseChecker);
    life.reports.tell('led', life.hold({ token: 5, forMs: 0 }));
    life.reports.tell('led', life.hold({ token, forMs: 10 }));
    assert.throws(() => life.settle(), found('tokens-rise', /after holder-5 led it with token 5/));
  }
});

test('an observer may see a leader twice, but not one from before, or again after nobody', () => {
  const life = new HandMadeLife(tokensRiseChecker);
  for (const token of [undefined, 3, 3, undefined, 5]) life.reports.tell('observed', 'o', 'job', token);
  life.settle();
  life.reports.tell('observed', 'o', 'job', 3);
  assert.throws(() => life.settle(), found('tokens-rise', /shown token 3 .* after token 5/));
  const again = new HandMadeLife(tokensRiseChecker);
  for (const token of [3, undefined, 3]) again.reports.tell('observed', 'o', 'job', token);
  assert.throws(() => again.settle(), found('tokens-rise', /and then nobody/));
});
