import type { AutoCompaction } from '../../member/index.ts';
import { parseGoDurationMs } from '../durations.ts';
import { CommandFailure } from '../failure.ts';
import { parseWholeNumber } from '../numbers.ts';
import type { Setting, Settings } from './settings.ts';

/** How much is stored, for how long, and how large a request may be: etcd's settings, with etcd's defaults. */
export interface StorageOptions {
  /** 0: the default. Negative: none. */
  readonly quotaBytes: number;
  readonly autoCompaction: AutoCompaction | undefined;
  readonly maxTxnOperations: number;
  readonly maxRequestBytes: number;
  readonly watchProgressIntervalMs: number;
}

const hourMs = 3_600_000;
const most = Number.MAX_SAFE_INTEGER;

export function resolveStorage(settings: Settings): StorageOptions {
  const number = (setting: Setting | undefined, fallback: number, least: number, largest: number): number =>
    setting === undefined ? fallback : parseWholeNumber(setting.text, setting.origin, least, largest);
  return {
    quotaBytes: number(settings['quota-backend-bytes'], 0, -most, most),
    autoCompaction: resolveCompaction(settings),
    maxTxnOperations: number(settings['max-txn-ops'], 128, 1, 2 ** 31),
    maxRequestBytes: number(settings['max-request-bytes'], 1.5 * 1024 * 1024, 1, 16 * 1024 * 1024),
    watchProgressIntervalMs: progressInterval(settings['experimental-watch-progress-notify-interval']),
  };
}

/** By time a number without a unit means hours, as in etcd; 0 means that nothing is compacted by itself. */
function resolveCompaction(settings: Settings): AutoCompaction | undefined {
  const mode = settings['auto-compaction-mode'] ?? { text: 'periodic', origin: '--auto-compaction-mode' };
  const retention = settings['auto-compaction-retention'];
  if (mode.text !== 'periodic' && mode.text !== 'revision') {
    throw new CommandFailure('usage', `${mode.origin}: '${mode.text}' is none of periodic, revision.`);
  }
  if (retention === undefined) return undefined;
  const { text, origin } = retention;
  if (mode.text === 'revision') {
    const revisions = parseWholeNumber(text, origin, 0, most);
    return revisions === 0 ? undefined : { mode: 'revision', retention: revisions };
  }
  const hours = /^\d+$/.test(text.trim());
  const retentionMs = hours ? Number(text) * hourMs : parseGoDurationMs(text, origin);
  if (retentionMs === 0) return undefined;
  if (retentionMs >= 100 && retentionMs <= 2 ** 45) return { mode: 'periodic', retentionMs };
  throw new CommandFailure('usage', `${origin}: '${text}' is not a time from 100ms to 9000000h.`);
}

function progressInterval(setting: Setting | undefined): number {
  if (setting === undefined) return 600_000;
  const intervalMs = parseGoDurationMs(setting.text, setting.origin);
  if (intervalMs >= 100 && intervalMs < 2 ** 31) return intervalMs;
  throw new CommandFailure('usage', `${setting.origin}: '${setting.text}' is not a time from 100ms to 500h.`);
}
