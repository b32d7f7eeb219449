import type { LifeResult } from '../life/types.ts';
import type { TraceLine } from '../world/trace.ts';

const lastOfEach = 12;

/** Time and event as one line. */
export function formatLine(line: TraceLine): string {
  return `${formatTime(line.atUs)}  ${line.who.padEnd(14)} ${line.text}`;
}

/**
 * The last events before the end: of the world and of each process, merged in the order in which they took place. What
 * a process did again and again, like heartbeats, stands there once, at its last time, with how often it was.
 */
export function lastEvents(lines: readonly TraceLine[], ofEach = lastOfEach): TraceLine[] {
  const byProcess = new Map<string, Map<string, number>>();
  const kept: TraceLine[] = [];
  for (let at = lines.length - 1; at >= 0; at--) {
    const line = lines[at] as TraceLine;
    const seen = byProcess.get(line.who) ?? new Map<string, number>();
    byProcess.set(line.who, seen);
    const times = seen.get(line.text);
    // Repeats count only until the process's share is full: those before belong to another time.
    if (seen.size >= ofEach) continue;
    seen.set(line.text, (times ?? 0) + 1);
    if (times === undefined) kept.push(line);
  }
  return kept.reverse().map((line) => {
    const times = byProcess.get(line.who)?.get(line.text) ?? 1;
    return times === 1 ? line : { ...line, text: `${line.text} (${times} times)` };
  });
}

/** What a person needs who meets a failing life: what broke, what led to it, and how to see it again. */
export function describeFailure(result: LifeResult, replay: string): string {
  const { failure, lines } = result;
  if (failure === undefined) return `Seed ${result.seed}: every claim held.`;
  const parts = [
    `Seed ${result.seed} breaks a claim after ${formatTime(failure.atUs).trim()} of simulated time.`,
    '',
    `  Claim     ${failure.checker}: ${failure.claim}`,
    `  Seen      ${failure.message}`,
    `  Settings  ${result.settings}`,
    `  Trace     ${result.traceHash}`,
  ];
  if (lines !== undefined) {
    parts.push(
      '',
      'The last events of each process:',
      ...lastEvents(lines).map((line) => `  ${formatLine(line)}`),
    );
  }
  if (failure.stack !== undefined && failure.checker === 'program') parts.push('', failure.stack);
  parts.push('', `Replay it:  ${replay}`);
  return parts.join('\n');
}

function formatTime(atUs: number): string {
  return `${(atUs / 1e6).toFixed(6)} s`.padStart(13);
}
