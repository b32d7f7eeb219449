import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultKinds } from '../faults/options.ts';
import { fakeResult } from './testing.ts';
import { shownByAll, Totals } from './totals.ts';

function totalsOf(count: number, change: object = {}): Totals {
  const totals = new Totals();
  for (let seed = 0; seed < count; seed++) totals.add({ ...fakeResult({ seed }), ...change });
  return totals;
}

test('what lives showed adds up', () => {
  const totals = totalsOf(3);
  totals.add(fakeResult({ seed: 4, seconds: 5 }, {}));
  const { seeds, steps, simulatedMs, failures, faultsInjected } = totals;
  assert.deepEqual(
    { seeds, steps, simulatedMs, failures, faultsInjected },
    { seeds: 4, steps: 4000, simulatedMs: 95_000, failures: 1, faultsInjected: 48 },
  );
  assert.equal(totals.of('elections'), 4);
  assert.equal(totals.of('what no life counts'), 0);
});

test('a run that covered its claims misses nothing, one that covered nothing misses all of it', () => {
  assert.deepEqual(totalsOf(20).missing({}), []);
  const nothing = totalsOf(20, { coverage: {}, faults: {} });
  const all = ['elections', 'operations acknowledged', 'leaderships', 'faults'];
  assert.deepEqual(nothing.missing({}), all);
  assert.deepEqual(nothing.missing({ faults: 'none', clients: 0, candidates: 0 }), ['elections']);
  assert.deepEqual(new Totals().missing({ faults: 'none' }), all.slice(0, 3));
});

test('a large run under all faults must have shown everything; one of another kind need not', () => {
  const shown = { coverage: Object.fromEntries(shownByAll.map((what) => [what, 1])) };
  const faults = Object.fromEntries(faultKinds.map((kind) => [kind, 1]));
  assert.deepEqual(totalsOf(1000, { ...shown, faults }).missing({}), []);
  const { 'bit-rot': _, ...others } = faults;
  assert.deepEqual(totalsOf(1000, { ...shown, faults: others }).missing({}), ['bit-rot']);
  const { 'hand-offs': __, ...rest } = shown.coverage;
  const lacking = totalsOf(1000, { coverage: rest, faults });
  assert.deepEqual(lacking.missing({}), ['hand-offs']);
  for (const other of [{ seconds: 10 }, { faults: 'disk' }, { candidates: 1 }, { members: 1 }] as const)
    assert.deepEqual(lacking.missing(other), []);
});

test('a single life need not have drawn a fault, nor need a run that was told which may strike', () => {
  assert.deepEqual(totalsOf(1, { faults: {} }).missing({}), []);
  assert.deepEqual(totalsOf(20, { faults: {} }).missing({ only: [] }), []);
});

test('what was counted and never seen is named', () => {
  assert.deepEqual(totalsOf(2, { coverage: { elections: 1, snapshots: 0 } }).neverSeen, ['snapshots']);
});
