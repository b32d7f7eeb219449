import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graceKeptChecker } from './grace-kept.ts';
import { HandMadeLife } from './testing.ts';

const found = (checker: string, text: RegExp) => ({ name: 'Violation', checker, message: text });

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
