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
  readonly keepAliveIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
}

export function connectionLimits(settings: Settings): ConnectionLimits {
  // Checked for what it says, although nothing depends on it.
  durationOf(settings, 'grpc-keepalive-min-time', 5000);
  return {
    frontEnds: numberOf(settings, 'front-ends', 64, 0) ?? 0,
    maxConnections: numberOf(settings, 'max-connections', 1_000_000) ?? 10_000,
    maxConcurrentStreams: numberOf(settings, 'max-concurrent-streams', 2 ** 32 - 1) ?? 10_000,
    keepAliveIntervalMs: durationOf(settings, 'grpc-keepalive-interval', 7_200_000),
    keepAliveTimeoutMs: durationOf(settings, 'grpc-keepalive-timeout', 20_000),
  };
}

function numberOf(
  settings: Settings,
  name: 'max-connections' | 'max-concurrent-streams' | 'front-ends',
  most: number,
  least = 1,
): number | undefined {
  const setting = settings[name];
  return setting && parseWholeNumber(setting.text, setting.origin, least, most);
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
