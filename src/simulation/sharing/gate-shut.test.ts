import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gateShutChecker } from './gate-shut.ts';
import { HandMadeSharing } from './testing.ts';

const found = (message: RegExp) => ({ name: 'Violation', checker: 'gate-shut', message });

test('tokens that come in while a newer one asks, and effects in order, are no violation', () => {
  const { reports, life } = new HandMadeSharing(gateShutChecker);
  const [gate, other] = [{}, {}];
  const highest = reports.highestPassed('account');
  reports.gatePassed('account', 5, highest);
  reports.gatePassed('account', 4, highest);
  reports.gatePassed('other account', 1, reports.highestPassed('other account'));
  reports.tell('effectBegan', gate, 4);
  reports.tell('effectBegan', other, 5);
  reports.tell('effectEnded', gate, 4);
  reports.tell('effectBegan', gate, 5);
  reports.tell('effectBegan', gate, 5);
  life.settle();
});

test('a token that asked after a higher one was in is found', () => {
  const { reports, life } = new HandMadeSharing(gateShutChecker);
  reports.gatePassed('account', 5, -1);
  reports.gatePassed('account', 4, reports.highestPassed('account'));
  assert.throws(() => life.settle(), found(/let token 4 in, which asked after token 5 was in/));
});

test('effects of two tokens side by side in one process are found', () => {
  const { reports, life } = new HandMadeSharing(gateShutChecker);
  const gate = {};
  reports.tell('effectBegan', gate, 4);
  reports.tell('effectBegan', gate, 5);
  assert.throws(() => life.settle(), found(/token 5 began beside one of token 4/));
});

test('an effect of an older token after one of a newer one is found', () => {
  const { reports, life } = new HandMadeSharing(gateShutChecker);
  const gate = {};
  reports.tell('effectBegan', gate, 5);
  reports.tell('effectEnded', gate, 5);
  reports.tell('effectBegan', gate, 4);
  assert.throws(() => life.settle(), found(/token 4 began after one of token 5/));
});
