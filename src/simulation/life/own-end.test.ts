import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError, type ErrorCode } from '../../errors/index.ts';
import { DiskFaults } from '../disk/index.ts';
import type { MemberOfMany } from './member-parts.ts';
import { OwnEnds } from './own-end.ts';

const alone = { starting: false, membership: undefined, diverged: false, damaged: false, joined: false };

function failure(code: ErrorCode): ConclaveError {
  return new ConclaveError(code, 'It ends.');
}

function oneOfMany(isRemoved: boolean): MemberOfMany {
  const unused = (): never => assert.fail('An end is judged by what is known already.');
  return { joined: true, joining: unused, isRemoved: () => isRemoved, takenOut: unused };
}

test('a disk that failed in this life excuses the end that it brings, and no other one', () => {
  const faults = new DiskFaults();
  const ends = new OwnEnds(faults);
  assert.equal(ends.judge(failure('disk-full'), alone), 'wrong');
  faults.counts.fullDisk += 1;
  assert.equal(ends.judge(failure('disk-full'), alone), 'disk-failed');
  assert.equal(ends.judge(failure('disk-failed'), alone), 'wrong');
  assert.equal(ends.judge(new Error('disk-full'), alone), 'wrong');
  ends.lifeBegins();
  assert.equal(ends.judge(failure('disk-full'), alone), 'wrong');
});

test('damage is excused where data was harmed, or was read wrongly in this life', () => {
  const faults = new DiskFaults();
  const ends = new OwnEnds(faults);
  assert.equal(ends.judge(failure('data-damaged'), alone), 'wrong');
  assert.equal(ends.judge(failure('data-damaged'), { ...alone, damaged: true }), 'disk-damaged');
  faults.counts.rottenReads += 1;
  assert.equal(ends.judge(failure('data-damaged'), alone), 'disk-failed');
});

test('only who was removed may stop for it, and only who differs for that', () => {
  const ends = new OwnEnds(new DiskFaults());
  assert.equal(ends.judge(failure('removed'), alone), 'wrong');
  assert.equal(ends.judge(failure('removed'), { ...alone, membership: oneOfMany(false) }), 'wrong');
  assert.equal(ends.judge(failure('removed'), { ...alone, membership: oneOfMany(true) }), 'removed');
  const differs = { ...alone, diverged: true, membership: oneOfMany(false) };
  assert.equal(ends.judge(failure('data-damaged'), differs), 'taken-out');
  assert.equal(ends.judge(failure('data-damaged'), { ...differs, diverged: false }), 'wrong');
});

test('who joins may find nobody while it starts, and not later', () => {
  const ends = new OwnEnds(new DiskFaults());
  const joining = { ...alone, joined: true, starting: true };
  assert.equal(ends.judge(failure('unavailable'), joining), 'cannot-join');
  assert.equal(ends.judge(failure('unavailable'), { ...joining, starting: false }), 'wrong');
  assert.equal(ends.judge(failure('unavailable'), { ...joining, joined: false }), 'wrong');
});
