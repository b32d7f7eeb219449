import { toJsonLine } from '../output.ts';
import type { DevEvent } from './events.ts';
import type { DevState, TimelineEntry } from './model.ts';
import type { Verdict } from './verdict.ts';

/** The timeline as plain lines, for pipes and logs: what is new since `seen`. */
export function newEntries(state: DevState, seen: TimelineEntry | undefined): readonly TimelineEntry[] {
  return state.timeline.slice(seen === undefined ? 0 : state.timeline.lastIndexOf(seen) + 1);
}

export function entryLine(state: DevState, entry: TimelineEntry): string {
  return `${((entry.atMs - state.startedAtMs) / 1000).toFixed(2).padStart(7)} s  ${entry.text}\n`;
}

/** One event as a JSON line, its instant in milliseconds since the start. Renewals and thoughts are left out. */
export function eventLine(state: DevState, event: DevEvent): string | undefined {
  if (event.type === 'held' || event.type === 'thinking') return undefined;
  return `${toJsonLine({ ...event, atMs: Number((event.atMs - state.startedAtMs).toFixed(1)) })}\n`;
}

export function verdictText(verdict: Verdict): string {
  const lines = [
    ...verdict.figures.map((figure) => `  ${figure}`),
    verdict.ok
      ? `OK. ${verdict.summary}`
      : `VIOLATED:\n${verdict.violations.map((violation) => `  ${violation}`).join('\n')}`,
  ];
  return `${lines.join('\n')}\n`;
}
