import { constants } from 'node:os';
import { LifePool } from '../../simulation/pool/index.ts';
import { monotonicMs } from '../dev/cast.ts';
import { exitCodeOfSignal, exitCodes } from '../exit-codes.ts';
import { toJsonLine } from '../output.ts';
import type { SimulateOptions } from './options.ts';
import { type Progress, showLines, showLive } from './progress.ts';
import { type Outcome, simulate } from './simulate.ts';
import { summaryData, summaryText } from './summary.ts';
import { checkTraceFile, writeTrace } from './trace-file.ts';

/** Runs `conclave simulate` and resolves to its exit code. `runner`: another module that exports `runLife`. */
export async function runSimulate(options: SimulateOptions, runner?: URL): Promise<number> {
  await checkTraceFile(options.trace);
  const interrupted = interruption();
  const enough = new AbortController();
  const time = options.forMs === undefined ? undefined : setTimeout(() => enough.abort(), options.forMs);
  const { stdout, stderr } = process;
  const program = programName();
  const progress = stderr.isTTY ? showLive(options, stderr) : showLines(options, stderr);
  let outcome: Outcome;
  try {
    // Faster than real time by far, or something is wrong.
    const patienceMs = 60_000 + (options.life.seconds ?? 30) * 1000;
    await using pool = new LifePool({ jobs: options.jobs, patienceMs, ...(runner && { runner }) });
    outcome = await simulate(options, {
      ...{ run: (life) => pool.run(life), signal: interrupted.signal, enough: enough.signal },
      ...{ monotonicMs, program, ...listeners(progress) },
    });
  } finally {
    clearTimeout(time);
    progress.stop();
  }
  stdout.write(
    options.json ? `${toJsonLine(summaryData(outcome, program))}\n` : summaryText(outcome, program),
  );
  const traceFile = await writeTrace(outcome);
  if (traceFile !== undefined) stderr.write(`conclave: the whole trace is in ${traceFile}\n`);
  else if (options.trace !== undefined)
    stderr.write(
      'conclave: no life failed, so no trace was written; --seed N alone writes that of one life\n',
    );
  if (!outcome.ok) return exitCodes.failed.code;
  return interrupted.exitCode() ?? exitCodes.ok.code;
}

function listeners(progress: Progress) {
  return { onProgress: progress.lived, onFailure: progress.failed, onStep: progress.step };
}

/** The first signal ends the run with what is there; a second one ends the process, as without us. */
function interruption(): { signal: AbortSignal; exitCode: () => number | undefined } {
  const controller = new AbortController();
  let exitCode: number | undefined;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => {
      exitCode ??= exitCodeOfSignal(constants.signals[name]);
      controller.abort();
    });
  }
  return { signal: controller.signal, exitCode: () => exitCode };
}

/** In a checkout there is no `conclave` on the path; a command that is printed must work as it stands. */
function programName(): string {
  return import.meta.url.endsWith('.ts') ? 'npm run simulate --' : 'conclave simulate';
}
