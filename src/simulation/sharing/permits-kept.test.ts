import assert from 'node:assert/strict';
import { test } from 'node:test';
import { permitsKeptChecker } from './permits-kept.ts';
import { HandMadeSharing } from './testing.ts';

const found = (message: RegExp) => ({ name: 'Violation', checker: 'permits-kept', message });
const lock = { name: 'catalogue', most: 2 };

function sharing(): HandMadeSharing {
  return new HandMadeSharing((reports) => permitsKeptChecker(reports));
}

test('as many holders as permits, and more of them one after the other, are no violation', () => {
  const life = sharing();
  const first = life.entry({ index: 0 }, { token: 1, forMs: 100 });
  life.reports.tell('entered', first);
  life.reports.tell('entered', life.entry({ index: 1 }, { token: 2, forMs: 50 }));
  first.hold.controller.abort();
  life.reports.tell('entered', life.entry({ index: 0 }, { token: 3, forMs: 100 }));
  life.life.passMs(50);
  life.reports.tell('entered', life.entry({ index: 1 }, { token: 4, forMs: 100 }));
  life.settle();
});

test('more holders than permits are found', () => {
  const life = sharing();
  for (const token of [1, 2, 3]) life.reports.tell('entered', life.entry({}, { token, forMs: 100 }));
  assert.throws(() => life.settle(), found(/3 hold exports, of which there are 2: holder-1/));
});

test('one permit that is held twice is found', () => {
  const life = sharing();
  for (const token of [1, 2]) life.reports.tell('entered', life.entry({ index: 1 }, { token, forMs: 100 }));
  assert.throws(() => life.settle(), found(/A permit of exports is held twice/));
});

test('readers read together, and a writer beside one is found', () => {
  const life = sharing();
  for (const token of [1, 2])
    life.reports.tell('entered', life.entry({ ...lock, kind: 'read' }, { token, forMs: 100 * token }));
  life.settle();
  life.life.passMs(100);
  life.reports.tell('entered', life.entry({ ...lock, kind: 'write' }, { token: 3, forMs: 100 }));
  assert.throws(() => life.settle(), found(/A writer of catalogue is not alone: holder-2 .* holder-3/));
});

test('one that acts after an assertHeld() that should not have passed is found', () => {
  const life = sharing();
  const late = life.entry({ ...lock, kind: 'write' }, { token: 1, forMs: 100 });
  life.reports.tell('entered', late);
  life.life.passMs(100);
  life.reports.tell('entered', life.entry({ ...lock, kind: 'read' }, { token: 2, forMs: 100 }));
  life.settle();
  life.reports.tell('usedEntry', late);
  assert.throws(() => life.settle(), found(/A writer of catalogue is not alone/));
});

test('a token that does not rise is found', () => {
  const life = sharing();
  const first = life.entry({}, { token: 2, forMs: 100 });
  life.reports.tell('entered', first);
  first.hold.controller.abort();
  life.reports.tell('entered', life.entry({}, { token: 1, forMs: 100 }));
  assert.throws(() => life.settle(), found(/holder-1 \(permit, token 1, .* entered exports after holder-2/));
});

test('a host that slept and whose wall clock was set back is left to fencing', () => {
  const life = sharing();
  const host = life.life.host();
  const slept = life.entry({ ...lock, kind: 'write' }, { token: 1, forMs: 100, host });
  life.reports.tell('entered', slept);
  host.sleep();
  life.life.passMs(150);
  host.wake();
  host.jumpWall(-1000);
  life.reports.tell('entered', life.entry({ ...lock, kind: 'read' }, { token: 2, forMs: 100 }));
  life.settle();
});
