import type { LifeResult } from '../life/types.ts';
import type { TraceLine } from '../world/trace.ts';

const lastOfEach = 12;

/** Time and event as one line. */
export function formatLine(line: TraceLine): string {
  return `${formatTime(line.atUs)}  ${line.who.padEnd(12)} ${line.text}`;
}

/** The last events before the end: of the world and of each process, merged in the order in which they took place. */
export function lastEvents(lines: readonly TraceLine[], ofEach = lastOfEach): TraceLine[] {
  const taken = new Map<string, number>();
  const kept: TraceLine[] = [];
  for (let at = lines.length - 1; at >= 0; at--) {
    const line = lines[at] as TraceLine;
    const count = taken.get(line.who) ?? 0;
    if (count >= ofEach) continue;
    taken.set(line.who, count + 1);
    kept.push(line);
  }
  return kept.reverse();
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
