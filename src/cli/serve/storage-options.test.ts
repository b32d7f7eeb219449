import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandFailure } from '../failure.ts';
import { collectSettings } from './settings.ts';
import { resolveStorage } from './storage-options.ts';

const resolve = (flags: Record<string, string>) =>
  resolveStorage(collectSettings({ flags, environment: {}, file: undefined }));

const compaction = (retention: string, mode?: string) =>
  resolve({
    'auto-compaction-retention': retention,
    ...(mode !== undefined && { 'auto-compaction-mode': mode }),
  }).autoCompaction;

test('quota and limits are taken as numbers', () => {
  const flags = { 'quota-backend-bytes': '-1', 'max-txn-ops': '10000', 'max-request-bytes': '10485760' };
  const { quotaBytes, maxTxnOperations, maxRequestBytes } = resolve(flags);
  assert.deepEqual([quotaBytes, maxTxnOperations, maxRequestBytes], [-1, 10_000, 10_485_760]);
});

test('automatic compaction by time takes hours and durations', () => {
  const hourMs = 3_600_000;
  for (const [text, retentionMs] of [
    ['1', hourMs],
    ['10', 10 * hourMs],
    ['5m', 300_000],
    ['1h30m', 1.5 * hourMs],
    ['1.5h', 1.5 * hourMs],
    ['500ms', 500],
  ] as const) {
    assert.deepEqual(compaction(text), { mode: 'periodic', retentionMs }, text);
  }
  for (const off of ['0', '0s']) assert.equal(compaction(off), undefined);
});

test('automatic compaction by revisions takes a number', () => {
  assert.deepEqual(compaction('1000', 'revision'), { mode: 'revision', retention: 1000 });
  assert.equal(compaction('0', 'revision'), undefined);
});

test('what makes no sense is refused with the flag that it came from', () => {
  const refused = (flags: Record<string, string>, message: RegExp) =>
    assert.throws(
      () => resolve(flags),
      (error) => error instanceof CommandFailure && message.test(error.message),
    );
  refused(
    { 'auto-compaction-retention': '5 minutes' },
    /--auto-compaction-retention: '5 minutes' is not a duration/,
  );
  refused({ 'auto-compaction-retention': '1us' }, /'1us' is not a time from 100ms/);
  refused({ 'auto-compaction-mode': 'time' }, /--auto-compaction-mode: 'time' is none of periodic, revision/);
  const byRevision = { 'auto-compaction-mode': 'revision', 'auto-compaction-retention': '5m' };
  refused(byRevision, /'5m' is not a whole number/);
  refused({ 'max-txn-ops': '0' }, /--max-txn-ops: '0' is not a whole number from 1/);
  refused({ 'max-request-bytes': '1g' }, /--max-request-bytes/);
  refused(
    { 'experimental-watch-progress-notify-interval': '0' },
    /progress-notify-interval: '0' is not a time/,
  );
});
