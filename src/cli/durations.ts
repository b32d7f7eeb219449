import { CommandFailure } from './failure.ts';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Reads "500ms", "2s", "1.5m" or "24h" into milliseconds. A number without a unit is refused, since half of the
 * readers would take it for seconds and the other half for milliseconds; 0 needs none.
 */
export function parseDurationMs(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim());
  const amount = Number(match?.[1]);
  if (match === null || (match[2] === undefined && amount !== 0)) {
    throw new CommandFailure(
      'usage',
      `${flag}: '${text}' is not a duration. Write it as 500ms, 2s, 5m or 1h.`,
    );
  }
  return Math.round(amount * (unitMs[match[2] ?? 'ms'] ?? 1));
}

/** As `parseDurationMs`, for a timer of Node.js: a longer one would fire at once. */
export function parseTimerMs(text: string, flag: string): number {
  const delayMs = parseDurationMs(text, flag);
  if (delayMs < 2 ** 31) return delayMs;
  throw new CommandFailure('usage', `${flag}: ${text} is more than 596h, the most that can be waited for.`);
}

const goUnitMs: Readonly<Record<string, number>> = { ...unitMs, ns: 1e-6, us: 1e-3, µs: 1e-3 };

/** Reads what Go writes, and etcd's flags take: "5m", "1h30m", "1.5h", "0". In milliseconds, and parts of one. */
export function parseGoDurationMs(text: string, origin: string): number {
  const trimmed = text.trim();
  if (trimmed === '0') return 0;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(trimmed)) {
    throw new CommandFailure(
      'usage',
      `${origin}: '${text}' is not a duration. Write it as 30s, 5m or 1h30m.`,
    );
  }
  let ms = 0;
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    ms += Number(amount) * (goUnitMs[unit ?? ''] ?? 0);
  }
  return ms;
}

/** "780 ms", "2.4 s", "3 min 5 s": three digits at most, for people. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
