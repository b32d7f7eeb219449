import assert from 'node:assert/strict';
import { test } from 'node:test';
import { electionsCompleteChecker } from './elections-complete.ts';
import { graceKeptChecker } from './grace-kept.ts';
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

test('who leads before the grace of an unclean leadership has passed is found', () => {
  const life = new HandMadeLife(graceKeptChecker);
  const first = life.hold({ token: 1, forMs: 100, graceMs: 500 });
  life.reports.tell('led', first);
  life.passMs(80);
  life.reports.acted(first);
  life.passMs(499);
  life.reports.tell('led', life.hold({ token: 2, forMs: 100 }));
  assert.throws(() => life.settle(), found('grace-kept', /only 499.000 ms after holder-1 held it/));
});

test('the grace runs from when the old leader could last act, although it did nothing', () => {
  for (const bound of [false, true]) {
    const life = new HandMadeLife(graceKeptChecker);
    life.reports.tell('led', life.hold({ token: 1, forMs: 100, graceMs: 500, bound }));
    for (let ms = 0; ms < 90; ms += 10) {
      life.passMs(10);
      life.settle();
    }
    life.passMs(480);
    life.reports.tell('led', life.hold({ token: 2, forMs: 100 }));
    if (bound) life.settle();
    else assert.throws(() => life.settle(), found('grace-kept', /only 480.000 ms after holder-1 held it/));
  }
});

test('a grace that was kept is counted; a clean end needs none', () => {
  const life = new HandMadeLife(graceKeptChecker);
  life.reports.tell('led', life.hold({ token: 1, forMs: 100, graceMs: 500 }));
  life.passMs(600);
  const second = life.hold({ token: 2, forMs: 100, graceMs: 500 });
  life.reports.tell('led', second);
  second.leaving = true;
  second.controller.abort();
  life.reports.tell('led', life.hold({ token: 3, forMs: 100 }));
  life.settle();
  assert.equal(life.reports.counts.gracesKept, 1);
});

test('whoever still waits in the end is named', () => {
  const round = { unfinished: () => ['candidate-2 to lead'] };
  const life = new HandMadeLife((reports) => electionsCompleteChecker(reports, round));
  life.reports.healedUs = 1000;
  assert.throws(() => life.checker.ended?.(), found('elections-complete', /since 1 ms: candidate-2 to lead/));
});
