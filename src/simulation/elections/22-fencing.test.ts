import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fencingChecker } from './22-fencing.ts';
import { HandMadeLife } from './testing.ts';
import type { PublishedVersion } from './version-sight.ts';

const found = (text: RegExp) => ({ name: 'Violation', checker: '22-fencing', message: text });
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function version(number: number, token: number, text = `version ${number}`): PublishedVersion {
  const election = 'job';
  return { path: '/f', version: number, token, election, data: bytes(text), checksum: `${token} ${text}` };
}

test('versions in order with tokens that do not fall are accepted, however often they are seen', () => {
  const life = new HandMadeLife(fencingChecker);
  for (const seen of [version(1, 4), version(2, 4), version(2, 4), version(3, 9), version(1, 4)])
    life.reports.tell('published', seen);
  life.reports.wrote('/f', 3, bytes('version 3'));
  life.settle();
});

test('a version with a lower token than the one before it is found', () => {
  const life = new HandMadeLife(fencingChecker);
  for (const seen of [version(1, 5), version(2, 4)]) life.reports.tell('published', seen);
  assert.throws(() => life.settle(), found(/Version 2 of \/f carries token 4 although version 1 carries 5/));
});

test('a version that was published twice is found', () => {
  const life = new HandMadeLife(fencingChecker);
  for (const seen of [version(1, 4), version(1, 4, 'other')]) life.reports.tell('published', seen);
  assert.throws(() => life.settle(), found(/published twice/));
});

test('a gap between versions is found', () => {
  const life = new HandMadeLife(fencingChecker);
  for (const seen of [version(1, 4), version(3, 4)]) life.reports.tell('published', seen);
  assert.throws(() => life.settle(), found(/follows version 1: a version is missing/));
});

test('an acknowledged write that nobody published, or with other data, is found', () => {
  const absent = new HandMadeLife(fencingChecker);
  absent.reports.wrote('/f', 1, bytes('x'));
  assert.throws(() => absent.settle(), found(/never published/));
  const other = new HandMadeLife(fencingChecker);
  other.reports.tell('published', version(1, 4));
  other.reports.wrote('/f', 1, bytes('x'));
  assert.throws(() => other.settle(), found(/other data/));
});

test('a read that misses an acknowledged version is found', () => {
  const life = new HandMadeLife(fencingChecker);
  life.reports.tell('published', version(1, 4));
  life.reports.wrote('/f', 1, bytes('version 1'));
  life.reports.tell('newestRead', '/f', 0, life.reports.acknowledgedVersion('/f'));
  assert.throws(() => life.settle(), found(/a version is lost/));
});

test('what a violation was found in is not disturbed, and nothing is reported after it', () => {
  const life = new HandMadeLife(fencingChecker);
  life.reports.tell('published', version(2, 4));
  life.reports.tell('published', version(7, 4));
  assert.throws(() => life.settle(), found(/Version 2/));
});
