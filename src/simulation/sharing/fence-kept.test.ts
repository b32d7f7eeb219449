import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fenceKeptChecker } from './fence-kept.ts';
import { HandMadeSharing } from './testing.ts';

const found = (message: RegExp) => ({ name: 'Violation', checker: 'fence-kept', message });
const first = ['3 a#1', '3 a#2', '7 b#1'];

/** Which of these reports are no violation, but for the last. */
function sharing(): HandMadeSharing {
  const life = new HandMadeSharing(fenceKeptChecker);
  const { reports } = life;
  reports.guardedChanged('ledger', first.slice(0, 2));
  reports.guardedAdded('ledger', '3 a#1');
  reports.tell('guardedRead', 'ledger', 'reader', first.slice(0, 1), reports.guardedAcknowledged('ledger'));
  reports.guardedChanged('ledger', first);
  reports.guardedAdded('ledger', '7 b#1');
  reports.tell('guardedRefused', 'ledger', '3 a#3');
  reports.tell('guardedClaimed', 'ledger', 9);
  life.settle();
  return life;
}

test('an entry of an older token after one of a newer token, or after its claim, is found', () => {
  const stale = sharing();
  stale.reports.guardedChanged('ledger', [...first, '3 a#4']);
  assert.throws(() => stale.settle(), found(/took 3 a#4 after token 9 .* a stale write was let in/));
  const claimed = sharing();
  claimed.reports.guardedChanged('ledger', [...first, '8 c#1']);
  assert.throws(() => claimed.settle(), found(/took 8 c#1 after token 9 had written or claimed it/));
});

test('an entry that is lost, or there twice, is found', () => {
  const lost = sharing();
  lost.reports.guardedChanged('ledger', ['3 a#1', '7 b#1']);
  assert.throws(() => lost.settle(), found(/lost entry 2, 3 a#2: 7 b#1 is there now/));
  const twice = sharing();
  twice.reports.guardedChanged('ledger', [...first, '9 c#1', '9 c#1']);
  assert.throws(() => twice.settle(), found(/9 c#1 is in ledger twice: as entry 4 and as entry 5/));
});

test('an acknowledged entry that is not there is found', () => {
  const life = sharing();
  life.reports.guardedAdded('ledger', '9 c#1');
  assert.throws(() => life.settle(), found(/9 c#1 was acknowledged, and is not in ledger/));
});

test('an entry that was refused for certain and came nevertheless is found, before and after', () => {
  const before = sharing();
  before.reports.tell('guardedRefused', 'ledger', '7 b#1');
  assert.throws(() => before.settle(), found(/7 b#1 was refused for certain, and is in ledger/));
  const after = sharing();
  after.reports.tell('guardedRefused', 'ledger', '9 c#1');
  after.reports.guardedChanged('ledger', [...first, '9 c#1']);
  assert.throws(() => after.settle(), found(/9 c#1 came to ledger after it was refused for certain/));
});

test('a read that shows less than was acknowledged, or what was never there, is found', () => {
  const short = sharing();
  const { reports } = short;
  reports.tell('guardedRead', 'ledger', 'reader', first.slice(0, 2), reports.guardedAcknowledged('ledger'));
  assert.throws(() => short.settle(), found(/read 2 entries of ledger after entry 3 was acknowledged/));
  const strange = sharing();
  strange.reports.tell('guardedRead', 'ledger', 'reader', ['3 a#1', '5 x#1'], 0);
  assert.throws(() => strange.settle(), found(/read 5 x#1 as entry 2 of ledger, which has 3 a#2 there/));
});
