import type { LifeResult } from '../life/types.ts';
import type { TraceLine } from '../world/trace.ts';

/** Members have most to tell. */
const lastOfMember = 16;
const lastOfOther = 5;
/** What changes a process, of which so many stay whatever came after: the rest is talk. */
const turns = /^(The Raft state changed|starts|ends|is |leads|resigned|fault )/;
const lastTurns = 6;
const mostCharacters = 180;

/** Time and event as one line. */
export function formatLine(line: TraceLine): string {
  return `${formatTime(line.atUs)}  ${line.who.padEnd(14)} ${line.text}`;
}

/**
 * The last events before the end: of the world and of each process, merged in the order in which they took place. What
 * a process did again and again, like heartbeats, stands there once, at its last time, with how often it was. Starts, ends and
 * changes of role have a share of their own.
 */
export function lastEvents(lines: readonly TraceLine[], ofEach?: number): TraceLine[] {
  const byProcess = new Map<string, Map<string, number>>();
  const turnsOf = new Map<string, number>();
  const kept: TraceLine[] = [];
  for (let at = lines.length - 1; at >= 0; at--) {
    const line = lines[at] as TraceLine;
    if (ofEach === undefined && turns.test(line.text)) {
      const turned = turnsOf.get(line.who) ?? 0;
      if (turned < lastTurns) kept.push(line);
      turnsOf.set(line.who, turned + 1);
      continue;
    }
    const seen = byProcess.get(line.who) ?? new Map<string, number>();
    byProcess.set(line.who, seen);
    const times = seen.get(line.text);
    // Repeats count only until the process's share is full: those before belong to another time.
    if (seen.size >= (ofEach ?? shareOf(line.who))) continue;
    seen.set(line.text, (times ?? 0) + 1);
    if (times === undefined) kept.push(line);
  }
  return kept.reverse().map((line) => {
    const times = byProcess.get(line.who)?.get(line.text) ?? 1;
    return times === 1 ? line : { ...line, text: `${line.text} (${times} times)` };
  });
}

function shareOf(who: string): number {
  return who === '' || who.startsWith('member-') ? lastOfMember : lastOfOther;
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
      ...lastEvents(lines).map((line) => `  ${cut(formatLine(line))}`),
    );
  }
  if (failure.stack !== undefined && failure.checker === 'program') parts.push('', failure.stack);
  parts.push('', `Replay it:  ${replay}`);
  return parts.join('\n');
}

function cut(text: string): string {
  return text.length > mostCharacters ? `${text.slice(0, mostCharacters - 1)}…` : text;
}

function formatTime(atUs: number): string {
  return `${(atUs / 1e6).toFixed(6)} s`.padStart(13);
}
