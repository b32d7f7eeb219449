import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oneHolderChecker } from './21-one-holder.ts';
import { HandMadeLife } from './testing.ts';

const found = (text: RegExp) => ({ name: 'Violation', checker: '21-one-holder', message: text });

test('a leader after another whose time is over is no violation', () => {
  const life = new HandMadeLife(oneHolderChecker);
  const first = life.hold({ token: 1, forMs: 100 });
  life.reports.tell('led', first);
  life.passMs(100);
  life.reports.tell('led', life.hold({ token: 2, forMs: 100 }));
  life.settle();
});

test('two leaders at one instant are found when the second begins', () => {
  const life = new HandMadeLife(oneHolderChecker);
  life.reports.tell('led', life.hold({ token: 1, forMs: 100 }));
  life.passMs(99);
  life.reports.tell('led', life.hold({ token: 2, forMs: 100 }));
  assert.throws(
    () => life.settle(),
    found(/holder-2 holds job with token 2 while holder-1 holds it with token 1/),
  );
});

test('a paused process holds by its clock', () => {
  const life = new HandMadeLife(oneHolderChecker);
  const first = life.hold({ token: 1, forMs: 100 });
  first.process.paused = true;
  life.reports.tell('led', first);
  life.reports.tell('led', life.hold({ token: 2, forMs: 100 }));
  assert.throws(() => life.settle(), found(/holder-1, which is paused, holds it/));
});

test('a leadership that comes back to life while another is held is found at the next step', () => {
  const life = new HandMadeLife(oneHolderChecker);
  let revived = false;
  const first = life.hold({ token: 1, forMs: 100 });
  first.leadership.remainingMs = () => (revived ? 50 : 0);
  life.reports.tell('led', first);
  life.reports.tell('led', life.hold({ token: 2, forMs: 100 }));
  life.settle();
  revived = true;
  assert.throws(() => life.settle(), found(/token 1/));
});

test('a process that is dead or was told by its signal holds nothing', () => {
  const life = new HandMadeLife(oneHolderChecker);
  const killed = life.hold({ token: 1, forMs: 100 });
  const aborted = life.hold({ token: 2, forMs: 100 });
  life.reports.tell('led', killed);
  killed.process.alive = false;
  life.reports.tell('led', aborted);
  aborted.controller.abort();
  life.reports.tell('led', life.hold({ token: 3, forMs: 100 }));
  life.settle();
});

test('acting after an assertHeld() that should not have passed is found', () => {
  const life = new HandMadeLife(oneHolderChecker);
  const first = life.hold({ token: 1, forMs: 100 });
  life.reports.tell('led', first);
  life.passMs(200);
  life.reports.tell('led', life.hold({ token: 2, forMs: 100 }));
  life.settle();
  life.reports.acted(first);
  assert.throws(() => life.settle(), found(/holder-1 passes assertHeld\(\) and acts/));
});

test('leaderships of different elections are held at once', () => {
  const life = new HandMadeLife(oneHolderChecker);
  life.reports.tell('led', life.hold({ token: 1, forMs: 100 }));
  life.reports.tell('led', life.hold({ token: 2, forMs: 100, election: 'other' }));
  life.settle();
});

test('a lease bound to a connection whose end broke without a word to its holder promises nothing', () => {
  let oneSided = true;
  const life = new HandMadeLife((reports) => oneHolderChecker(reports, { oneSided: () => oneSided }));
  life.reports.tell('led', life.hold({ token: 1, forMs: 100, bound: true }));
  life.reports.tell('led', life.hold({ token: 2, forMs: 100 }));
  life.settle();
  oneSided = false;
  assert.throws(() => life.settle(), found(/token 1/));
});

test('a host that sleeps is judged when it wakes, by its wall clock', () => {
  const life = new HandMadeLife(oneHolderChecker);
  const host = life.host();
  life.reports.tell('led', life.hold({ token: 1, forMs: 100, host }));
  host.sleep();
  life.passMs(150);
  life.reports.tell('led', life.hold({ token: 2, forMs: 100 }));
  life.settle();
  host.wake();
  life.settle();
});

test('a host that slept and whose wall clock was set back is left to fencing', () => {
  const life = new HandMadeLife(oneHolderChecker);
  const host = life.host();
  life.reports.tell('led', life.hold({ token: 1, forMs: 100, host }));
  host.sleep();
  life.passMs(150);
  host.wake();
  host.jumpWall(-1000);
  life.reports.tell('led', life.hold({ token: 2, forMs: 100 }));
  life.settle();
});

test('a signal that has not aborted on a loop that turned is found', () => {
  const life = new HandMadeLife(oneHolderChecker);
  life.reports.tell('keptOn', life.hold({ token: 1, forMs: 0 }));
  assert.throws(() => life.settle(), found(/The signal of holder-1/));
});
