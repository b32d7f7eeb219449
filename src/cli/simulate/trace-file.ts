import { open, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { formatLine } from '../../simulation/report/timeline.ts';
import { CommandFailure } from '../failure.ts';
import type { Outcome } from './simulate.ts';

const linesAtOnce = 10_000;

/** @throws CommandFailure 'usage' where it could never be written, before anything was lived for it. */
export async function checkTraceFile(trace: string | true | undefined): Promise<void> {
  if (typeof trace !== 'string') return;
  const folder = dirname(resolve(trace));
  const [above, there] = await Promise.all([folder, trace].map((path) => stat(path).catch(() => undefined)));
  if (above?.isDirectory() !== true)
    throw new CommandFailure('usage', `--trace: there is no folder ${folder}.`);
  if (there?.isDirectory() === true) throw new CommandFailure('usage', `--trace: ${trace} is a folder.`);
}

/** Writes the trace that was asked for; resolves to the file's name, undefined where there was none to write. */
export async function writeTrace({ options, examined, passed }: Outcome): Promise<string | undefined> {
  const life = examined.find(({ shown }) => shown.lines !== undefined)?.shown ?? passed;
  if (options.trace === undefined || life?.lines === undefined) return undefined;
  const file = options.trace === true ? `conclave-seed-${life.seed}.trace` : options.trace;
  try {
    await using handle = await open(file, 'w');
    for (let from = 0; from < life.lines.length; from += linesAtOnce) {
      const lines = life.lines.slice(from, from + linesAtOnce).map(formatLine);
      await handle.write(`${lines.join('\n')}\n`);
    }
  } catch (error) {
    throw new CommandFailure('failed', `The trace cannot be written to ${file}: ${(error as Error).message}`);
  }
  return file;
}
