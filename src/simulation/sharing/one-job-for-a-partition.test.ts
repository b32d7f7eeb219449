import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oneJobForAPartitionChecker } from './one-job-for-a-partition.ts';
import { HandMadeSharing } from './testing.ts';

const found = (message: RegExp) => ({ name: 'Violation', checker: 'one-job-for-a-partition', message });

test('a job after one that has settled, and jobs of two partitions, are no violation', () => {
  const sharing = new HandMadeSharing((reports) => oneJobForAPartitionChecker(reports));
  const first = sharing.job('0', { token: 1, forMs: 100 });
  sharing.reports.tell('jobBegan', first);
  sharing.reports.tell('jobBegan', sharing.job('1', { token: 2, forMs: 100 }));
  first.settled = true;
  sharing.reports.tell('jobBegan', sharing.job('0', { token: 3, forMs: 100 }));
  sharing.settle();
});

test('a job that begins while the one before drains is found', () => {
  const sharing = new HandMadeSharing((reports) => oneJobForAPartitionChecker(reports));
  const first = sharing.job('0', { token: 1, forMs: 100 });
  sharing.reports.tell('jobBegan', first);
  first.hold.controller.abort();
  sharing.reports.tell('jobBegan', sharing.job('0', { token: 2, forMs: 100 }));
  assert.throws(() => sharing.settle(), found(/token 2 began while .* token 1 has not settled, with 100/));
});

test('a job whose session is over, or whose process is dead, keeps nobody out', () => {
  const sharing = new HandMadeSharing((reports) => oneJobForAPartitionChecker(reports));
  const killed = sharing.job('0', { token: 1, forMs: 100 });
  sharing.reports.tell('jobBegan', killed);
  killed.hold.process.alive = false;
  sharing.reports.tell('jobBegan', sharing.job('0', { token: 2, forMs: 50 }));
  sharing.life.passMs(50);
  sharing.reports.tell('jobBegan', sharing.job('0', { token: 3, forMs: 100 }));
  sharing.settle();
});

test('a job with the leadership of another partition is found', () => {
  const sharing = new HandMadeSharing((reports) => oneJobForAPartitionChecker(reports));
  sharing.reports.tell('jobBegan', sharing.job('0', { token: 1, forMs: 100, election: 'p/1' }));
  assert.throws(() => sharing.settle(), found(/began the job of 0 with p\/1/));
});
