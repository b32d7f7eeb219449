import { parseGoDurationMs } from '../durations.ts';
import { CommandFailure } from '../failure.ts';
import { parseWholeNumber } from '../numbers.ts';
import type { Settings } from './settings.ts';

/** What connections of clients may take. */
export interface ConnectionLimits {
  /** Threads that hold them; 0: the member's own does. */
  readonly frontEnds: number;
  readonly maxConnections: number;
  readonly maxConcurrentStreams: number;
  readonly maxResetsPerSecond: number;
  readonly maxIncompleteBytes: number;
  readonly maxUnreadBytes: number;
  readonly keepAliveIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly keepAliveMinTimeMs: number;
}

export function connectionLimits(settings: Settings): ConnectionLimits {
  return {
    frontEnds: numberOf(settings, 'front-ends', 0, 64) ?? 0,
    maxConnections: numberOf(settings, 'max-connections', 1, 1_000_000) ?? 10_000,
    maxConcurrentStreams: numberOf(settings, 'max-concurrent-streams', 1, 2 ** 32 - 1) ?? 10_000,
    maxResetsPerSecond: numberOf(settings, 'max-resets-per-second', 1, 1_000_000) ?? 100,
    maxIncompleteBytes: bytesOf(settings, 'max-incomplete-bytes'),
    maxUnreadBytes: bytesOf(settings, 'max-unread-bytes'),
    keepAliveIntervalMs: durationOf(settings, 'grpc-keepalive-interval', 7_200_000),
    keepAliveTimeoutMs: durationOf(settings, 'grpc-keepalive-timeout', 20_000),
    keepAliveMinTimeMs: durationOf(settings, 'grpc-keepalive-min-time', 5000),
  };
}

function numberOf(
  settings: Settings,
  name:
    | 'max-connections'
    | 'max-concurrent-streams'
    | 'max-resets-per-second'
    | 'max-incomplete-bytes'
    | 'max-unread-bytes'
    | 'front-ends',
  least: number,
  most: number,
): number | undefined {
  const setting = settings[name];
  return setting && parseWholeNumber(setting.text, setting.origin, least, most);
}

/** Less would be in the way of a single request of the largest size. */
function bytesOf(settings: Settings, name: 'max-incomplete-bytes' | 'max-unread-bytes'): number {
  return numberOf(settings, name, 2 ** 20, Number.MAX_SAFE_INTEGER) ?? 256 * 2 ** 20;
}

function durationOf(
  settings: Settings,
  name: 'grpc-keepalive-interval' | 'grpc-keepalive-timeout' | 'grpc-keepalive-min-time',
  fallbackMs: number,
): number {
  const setting = settings[name];
  if (setting === undefined) return fallbackMs;
  const ms = parseGoDurationMs(setting.text, setting.origin);
  if (ms >= 1) return ms;
  throw new CommandFailure('usage', `${setting.origin}: '${setting.text}' is less than a millisecond.`);
}
