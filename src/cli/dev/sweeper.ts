/**
 * The sweeper of `conclave dev`: a process of its own that kills what dev has started and removes its temporary
 * folder when dev is gone, however it went. A paused process cannot notice that by itself.
 *
 * Reads lines on stdin: `add PID`, `drop PID`, `folder PATH`; acts when stdin ends. Must not: act before.
 */
import { rmSync } from 'node:fs';

const pids = new Set<number>();
let folder: string | undefined;
let rest = '';

function obey(line: string): void {
  const [order = '', ...operand] = line.split(' ');
  const text = operand.join(' ');
  if (order === 'add') pids.add(Number(text));
  if (order === 'drop') pids.delete(Number(text));
  if (order === 'folder') folder = text;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk: string) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) obey(line);
});
process.stdin.on('close', () => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
