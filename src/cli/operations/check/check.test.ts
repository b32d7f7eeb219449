import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestReading, clockRate, deviations } from './clock-rate.ts';
import { textOf } from './command.ts';
import type { CheckedMember, MemberFacts, Observations } from './gather.ts';
import { judgeCluster } from './judge.ts';

const well: MemberFacts = {
  ...{ memberId: 1, role: 'follower', term: 4, leader: 1, commitIndex: 100, appliedIndex: 100 },
  ...{
    version: '1.0.0',
    loopDelayP99Ms: 1,
    diskSyncP99Ms: 2,
    diskSyncs: 512,
    sizeBytes: 1024,
    quotaBytes: 2 ** 31,
  },
  ...{ clock: { rate: 0.00001, uncertainty: 0.0001 }, disconnectedFrom: [] },
};

function member(number: number, changes: Partial<MemberFacts> = {}): CheckedMember {
  const endpoint = `http://10.0.0.${number}:2379`;
  return { id: `a${number}`, name: `m${number}`, endpoint, facts: { ...well, memberId: number, ...changes } };
}

function cluster(changes: Partial<Observations> = {}): Observations {
  return { members: [member(1), member(2), member(3)], alarms: [], readMs: 1, writeMs: 3, ...changes };
}

/** Whatever is not well, as "level: what". */
const findings = (observations: Observations) =>
  judgeCluster(observations)
    .filter(({ level }) => level !== 'ok')
    .map(({ level, what, advice }) => {
      assert.ok(advice !== undefined && advice.length > 20, what);
      return `${level}: ${what}`;
    });

test('of a cluster that is well nothing is said but good', () => {
  assert.deepEqual(findings(cluster()), []);
  assert.match(
    textOf(judgeCluster(cluster()), false),
    /^ok {7}3 of 3 members answer.*\nok {7}m1 leads in term 4/,
  );
});

test('a check by a user that may not read says so', () => {
  const [, , read] = judgeCluster(cluster({ readMs: 'etcdserver: permission denied' }));
  assert.match(read?.advice ?? '', /as a user that may, such as root/);
});

test('a member that does not answer is told with how many may still fail', () => {
  const gone: CheckedMember = { id: 'a3', name: 'm3', endpoint: 'http://10.0.0.3:2379', error: 'refused' };
  const observations = cluster({ members: [member(1), member(2), gone] });
  assert.deepEqual(findings(observations), ['problem: m3 does not answer: refused']);
  assert.match(
    judgeCluster(observations)[0]?.advice ?? '',
    /2 of 3 answer; requests need 2, so none more may fail/,
  );
  const said = judgeCluster(observations).map(({ what }) => what);
  assert.ok(said.includes('all that answer have applied what is committed'));
  assert.equal(judgeCluster(cluster({ members: [gone] }))[0]?.level, 'problem');
});

test('learners do not count, and who was never started is told by its id', () => {
  const silent: CheckedMember = { id: 'a4', name: '', endpoint: '', learner: true, error: 'it was added' };
  const [first, ...others] = judgeCluster(
    cluster({ members: [member(1), { ...member(2), learner: true }, silent] }),
  );
  assert.deepEqual([first?.level, first?.what], ['warning', 'a4 does not answer: it was added']);
  assert.match(first?.advice ?? '', /what it was added with; it is a learner/);
  assert.ok(others.every(({ level }) => level === 'ok'));
  const gone: CheckedMember = { id: 'a3', name: 'm3', endpoint: 'http://10.0.0.3:2379', error: 'refused' };
  const [voter] = judgeCluster(
    cluster({ members: [member(1), member(2), gone, { ...member(4), learner: true }] }),
  );
  assert.match(voter?.advice ?? '', /2 of 3 voters answer; requests need 2, so none more may fail/);
});

test('leaders that differ or are not known, and links that are cut, are problems', () => {
  const one = (changes: Partial<MemberFacts>) =>
    findings(cluster({ members: [member(1), member(2), member(3, changes)] }));
  assert.deepEqual(one({ leader: 2 }), ['problem: members do not agree on who leads (m1: 1, m2: 1, m3: 2)']);
  const none = [1, 2, 3].map((number) => member(number, { leader: 0 }));
  assert.deepEqual(findings(cluster({ members: none })), ['problem: no member knows a leader']);
  assert.deepEqual(one({ disconnectedFrom: ['m1'] }), [
    'problem: m3 has no connection to m1, though both run',
  ]);
});

test('slow disks, late loops, clocks, sizes, lag and versions are told from their limits on', () => {
  const one = (changes: Partial<MemberFacts>) =>
    findings(cluster({ members: [member(1), member(2), member(3, changes)] }));
  assert.deepEqual(one({ diskSyncP99Ms: 31 }), [
    'warning: m3 takes 31 ms to make a write durable (99th percentile)',
  ]);
  assert.match(one({ diskSyncP99Ms: 500 })[0] ?? '', /^problem/);
  // The one slow write of a member that has just started is not its 99th percentile.
  assert.deepEqual(one({ diskSyncP99Ms: 500, diskSyncs: 199 }), []);
  assert.match(
    textOf(judgeCluster(cluster({ members: [member(1, { diskSyncP99Ms: 500, diskSyncs: 21 })] })), false),
    /^ok {7}m1 has made too few writes durable to tell of its disk \(21 since its start\)$/m,
  );
  assert.deepEqual(one({ loopDelayP99Ms: 80 }), ['warning: m3 reacts 80 ms late (99th percentile)']);
  assert.match(
    one({ clock: { rate: 0.02, uncertainty: 0.001 } })[0] ?? '',
    /^problem: m3 has a clock that runs 1.89 %/,
  );
  assert.deepEqual(one({ clock: { rate: 0.02, uncertainty: 0.03 } }), []);
  assert.deepEqual(one({ sizeBytes: 2 ** 31 * 0.9 }), ['warning: 1.8 GiB of 2.0 GiB (the quota) are used']);
  assert.deepEqual(one({ version: '1.1.0' }), ['warning: members run different versions: 1.0.0, 1.1.0']);
  assert.deepEqual(one({ quotaBytes: 2 ** 32 }), [
    'warning: members have different quotas (m1: 2.0 GiB, m2: 2.0 GiB, m3: 4.0 GiB)',
  ]);
  assert.deepEqual(one({ quotaBytes: 0 }), [
    'warning: members have different quotas (m1: 2.0 GiB, m2: 2.0 GiB, m3: none)',
  ]);
  assert.deepEqual(one({ commitIndex: 9000, appliedIndex: 9000 }).length, 2);
});

test('alarms and requests that fail or take long are told', () => {
  const alarms = [
    { member: 'a1', name: 'm1', alarm: 'NOSPACE' },
    { member: 'b7', name: '', alarm: 'CORRUPT' },
    { member: '0', name: '', alarm: 'CORRUPT' },
  ];
  assert.deepEqual(findings(cluster({ alarms })), [
    'problem: alarm NOSPACE of m1',
    'problem: alarm CORRUPT of member b7',
    'problem: alarm CORRUPT of the cluster',
  ]);
  assert.deepEqual(findings(cluster({ alarms: 'no answer in time.' })), [
    'problem: the alarms could not be read: no answer in time.',
  ]);
  assert.deepEqual(findings(cluster({ writeMs: 'no leader' })), ['problem: a write failed: no leader']);
  assert.deepEqual(findings(cluster({ writeMs: 400 })), ['warning: a write took 400 ms']);
});

test('a clock rate is measured against this machine, and judged against the other members', () => {
  const reading = (atMs: number, memberMs: number, tookMs = 2) => ({
    ...{ askedMs: atMs - tookMs / 2, answeredMs: atMs + tookMs / 2, memberMs },
  });
  const best = bestReading([reading(0, 500, 9), reading(10, 510, 1), reading(20, 520, 4)]);
  assert.equal(best?.memberMs, 510);
  const { rate, uncertainty } = clockRate(reading(0, 500), reading(1000, 1510));
  assert.ok(Math.abs(rate - 0.01) < 1e-9);
  assert.ok(Math.abs(uncertainty - 0.002) < 1e-9);
  // All are fast against this machine: then this machine is slow.
  const rates = [0.05, 0.0502, 0.07].map((one) => ({ rate: one, uncertainty: 0.001 }));
  const [first, second, third] = deviations(rates) as [number, number, number];
  assert.deepEqual([first, second], [0, 0]);
  assert.ok(Math.abs(third - 0.0178) < 1e-9);
});
