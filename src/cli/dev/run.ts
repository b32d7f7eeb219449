import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeRuntime } from '../../runtime/index.ts';
import { exitCodes } from '../exit-codes.ts';
import { toJsonLine } from '../output.ts';
import { monotonicMs } from './cast.ts';
import { verdictText } from './plain.ts';
import { type Display, listenToKeys, showLines, showLive } from './screen.ts';
import { playScript } from './script.ts';
import { DevSession } from './session.ts';

export interface DevOptions {
  readonly members: number;
  readonly candidates: number;
  readonly ttlMs: number;
  /** undefined: a temporary folder, removed in the end. */
  readonly dataDir: string | undefined;
  /** undefined: until the user quits, or, with `script`, until that has ended. */
  readonly forMs: number | undefined;
  readonly script: boolean;
  readonly json: boolean;
}

/** How long a step of the script may take where `--for` does not bound it. */
const patienceMs = 60_000;
const breathMs = 700;

/** Runs `conclave dev` and resolves to its exit code. */
export async function runDev(options: DevOptions): Promise<number> {
  const folder = await makeFolder(options.dataDir);
  const { members, candidates, ttlMs } = options;
  const session = new DevSession({
    ...{ members, candidates, ttlMs, folder, temporary: options.dataDir === undefined },
    election: 'demo',
  });
  const quit = new AbortController();
  const onSignal = () => quit.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  const displays = show(session, options, onSignal);
  let unfinishedSteps: string[] = [];
  try {
    await session.start();
    unfinishedSteps = await play(session, options, quit.signal);
  } finally {
    await session.stop();
    for (const display of displays) display.stop();
  }
  // A script that the user broke off proves nothing, and neither does a run that was to last longer.
  const complete = !quit.signal.aborted && (options.script || options.forMs !== undefined);
  const brokenOff = quit.signal.aborted ? [] : unfinishedSteps;
  const verdict = session.verdict({ complete, unfinishedSteps: brokenOff });
  process.stdout.write(
    options.json ? `${toJsonLine({ type: 'verdict', complete, ...verdict })}\n` : verdictText(verdict),
  );
  if (!verdict.ok) return exitCodes.failed.code;
  return quit.signal.aborted && options.script ? exitCodes.failed.code : exitCodes.ok.code;
}

async function makeFolder(dataDir: string | undefined): Promise<string> {
  if (dataDir === undefined) return await mkdtemp(join(tmpdir(), 'conclave-dev-'));
  const folder = resolve(dataDir);
  await nodeRuntime().disk.makeFolder(folder);
  return folder;
}

function show(session: DevSession, options: DevOptions, quit: () => void): Display[] {
  const { stdout, stdin } = process;
  if (!stdout.isTTY || options.json) return [showLines(session, stdout, options.json)];
  const live = showLive(session, stdout);
  return stdin.isTTY ? [live, listenToKeys(session, stdin, quit)] : [live];
}

/** Resolves when the run is over, to the steps of the script that did not come about. */
async function play(session: DevSession, options: DevOptions, signal: AbortSignal): Promise<string[]> {
  const startMs = monotonicMs();
  const leftMs = () => (options.forMs === undefined ? patienceMs : options.forMs - (monotonicMs() - startMs));
  const unfinished = options.script
    ? await playScript(session, { stepPatienceMs: leftMs, breathMs, signal })
    : [];
  if (options.forMs !== undefined) await sleep(Math.max(0, leftMs()), undefined, { signal }).catch(() => {});
  else if (!options.script) await aborted(signal);
  return unfinished;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((end) => signal.addEventListener('abort', () => end(), { once: true }));
}
