import type { HistoryLine } from './verdict.ts';

/** Lines that the job keeps in the shared file; the oldest go first. */
const keptLines = 1000;

/** The job's file with one more line: which version it makes, with which token, by whom, when. */
export function withLine(content: string, line: HistoryLine, wallMs: number): string {
  const added = `${line.version} token=${line.token} by=${line.writer} at=${new Date(wallMs).toISOString()}`;
  return `${[...content.split('\n').filter((text) => text !== ''), added].slice(-keptLines).join('\n')}\n`;
}

/** The lines of the file. Throws on one that the job cannot have written. */
export function parseLines(content: string): HistoryLine[] {
  return content
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => {
      const match = /^(\d+) token=(\d+) by=(\S+) at=\S+$/.exec(text);
      if (match === null)
        throw new Error(`The shared file has a line that nobody writes: ${JSON.stringify(text)}`);
      return { version: Number(match[1]), token: Number(match[2]), writer: match[3] ?? '' };
    });
}

/**
 * The history so far with what a later reading of the file adds. Lines that were there already must be the same
 * still: a write that started from an old version and got through would have replaced them.
 */
export function mergeHistory(
  history: readonly HistoryLine[],
  reading: readonly HistoryLine[],
): { history: HistoryLine[]; violations: string[] } {
  const last = history.at(-1)?.version ?? 0;
  const known = new Map(history.map((line) => [line.version, line]));
  const violations = reading.flatMap((line) => {
    const before = known.get(line.version);
    if (before === undefined || (before.token === line.token && before.writer === line.writer)) return [];
    return [`version ${line.version} was by ${before.writer}, and is by ${line.writer} in a later reading`];
  });
  return { history: [...history, ...reading.filter((line) => line.version > last)], violations };
}
