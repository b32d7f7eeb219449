// The same seeds each time: what held once must go on to hold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultKinds } from '../../src/simulation/faults/options.ts';
import { faultPresets, type Totals } from '../../src/simulation/index.ts';
import { demandBlocks } from './blocks.ts';

/** Lives of each preset of faults by the number of members. 7 times their sum must take less than 4 minutes of 2 cores. */
const seedsOf = { 3: 32, 5: 6, 1: 5 } as const;
const firstSeed = 1;
const patience = { timeout: 540_000 };

for (const members of [3, 5, 1] as const) {
  test(
    `every claim holds in fixed lives of ${members} members under each preset of faults`,
    patience,
    async (context) => {
      const seeds = seedsOf[members];
      const totals = await demandBlocks(
        context,
        faultPresets.map((faults) => ({ life: { faults, members, seconds: 30 }, firstSeed, seeds })),
      );
      assert.equal(totals.seeds, seeds * faultPresets.length);
      const shown = [
        'elections',
        'operations acknowledged',
        'leaderships',
        'fenced writes',
        'snapshots made',
      ];
      const moving = members === 1 ? [] : ['hand-offs', 'leases expired', 'Raft messages lost'];
      for (const what of [...shown, ...moving])
        assert.ok(totals.of(what) > 0, `no ${what} in the whole block`);
      assert.ok(totals.faultsInjected > 0, 'no fault in the whole block');
      assert.ok(totals.of('keys undecided') <= totals.of('keys shown to be linearizable') / 100);
      if (members === 3) demandAll(totals);
    },
  );
}

/** What so many lives must have shown between them: else a fault, or a part of the workload, is dead. */
function demandAll(totals: Totals): void {
  const shown = [
    'snapshots installed',
    'graces kept',
    'stale writes refused',
    'stale writes taken without fencing',
    'partition leaderships',
    'outcomes of operations told',
    'permits taken',
    'log appends',
    'gate passages',
    'guarded writes',
    'stale writes refused by guards',
    'compactions',
    'watches told of a compaction',
    'changes of users and roles',
    'operations not permitted',
  ];
  for (const what of shown) assert.ok(totals.of(what) > 0, `no ${what} in the whole block`);
  for (const kind of faultKinds)
    assert.ok((totals.faults.get(kind) ?? 0) > 0, `no ${kind} in the whole block`);
}
