import type { LifeOptions, LifeResult } from '../../simulation/life/types.ts';
import { type Block, liveBlock } from '../../simulation/pool/index.ts';
import { replayCommand } from '../../simulation/report/replay.ts';
import { type Shrunk, shrink } from '../../simulation/report/shrink.ts';
import type { SimulateOptions } from './options.ts';

/** What a run needs of the world around it; tests give it lives that were never lived. */
export interface Stage {
  readonly run: (options: LifeOptions) => Promise<LifeResult>;
  /** Ends with what is there. */
  readonly signal: AbortSignal;
  /** No further life is begun. */
  readonly enough: AbortSignal;
  readonly monotonicMs: () => number;
  /** As `BlockOptions` have it. */
  readonly processorMs?: () => number;
  /** How the command is called here. */
  readonly program: string;
  readonly onProgress?: (block: Block) => void;
  readonly onFailure?: (result: LifeResult) => void;
  /** What goes on after the lives, in words. */
  readonly onStep?: (text: string) => void;
}

/** A failed life, looked at. */
export interface Examined {
  /** As it failed in the block. */
  readonly failed: LifeResult;
  /** The life to look at, smaller where that was asked for and possible; with its lines if it was lived again. */
  readonly shown: LifeResult;
  readonly options: LifeOptions;
  readonly replay: string;
  readonly shrunk: Shrunk | undefined;
  /** Trace hashes of two runs of the same life that should be one; undefined: they are. */
  readonly unsteady: Unsteady | undefined;
}

export interface Unsteady {
  readonly seed: number;
  readonly hashes: readonly [string, string];
}

export interface Outcome {
  readonly options: SimulateOptions;
  readonly block: Block;
  readonly elapsedMs: number;
  /** The first failure of each claim that was broken. */
  readonly examined: readonly Examined[];
  /** What the run should have covered and did not. */
  readonly missing: readonly string[];
  /** A life in which every claim held, and which gave another trace when lived again. */
  readonly unsteady: Unsteady | undefined;
  /** That of the first seed, where every claim held. */
  readonly passed: LifeResult | undefined;
  readonly ok: boolean;
}

/** Lives the block, then looks at what failed, or lives one seed again to see that it is the same life. */
export async function simulate(options: SimulateOptions, stage: Stage): Promise<Outcome> {
  const sinceMs = stage.monotonicMs();
  const { life, firstSeed, seeds, jobs, keepGoing } = options;
  let known = 0;
  const block = await liveBlock(stage.run, {
    ...{ life, firstSeed, seeds, jobs, keepGoing },
    ...{ enough: stage.enough, signal: stage.signal },
    ...(stage.processorMs && { processorMs: stage.processorMs }),
    onLived: (result, soFar) => {
      if (result.failure !== undefined && known++ < mostTold) stage.onFailure?.(result);
      stage.onProgress?.(soFar);
    },
  });
  const elapsedMs = stage.monotonicMs() - sinceMs;
  const examined: Examined[] = [];
  for (const failed of firstOfEach(block.failures)) examined.push(await examine(failed, options, stage));
  const good = block.failures.length === 0 && !block.interrupted;
  const passed = good && block.first ? await liveAgain(block.first, options, stage) : undefined;
  const unsteady = block.first && passed && compare(block.first, passed);
  const missing = good ? block.totals.missing(life) : [];
  const ok = block.failures.length === 0 && missing.length === 0 && unsteady === undefined;
  return { options, block, elapsedMs, examined, missing, unsteady, passed, ok };
}

/** Failures told as they come; where all fail, more of them help nobody. */
const mostTold = 20;

function firstOfEach(failures: readonly LifeResult[]): LifeResult[] {
  const byClaim = new Map<string | undefined, LifeResult>();
  for (const result of failures) {
    const claim = result.failure?.checker;
    if (!byClaim.has(claim)) byClaim.set(claim, result);
  }
  return [...byClaim.values()];
}

async function liveAgain(first: LifeResult, options: SimulateOptions, stage: Stage): Promise<LifeResult> {
  stage.onStep?.(`Lives seed ${first.seed} again, to see that it is the same life.`);
  const keepTrace = options.trace !== undefined && options.seeds === 1;
  return await stage.run({ ...options.life, seed: first.seed, keepTrace });
}

async function examine(failed: LifeResult, options: SimulateOptions, stage: Stage): Promise<Examined> {
  const { seed } = failed;
  const life: LifeOptions = { ...options.life, seed };
  const describe = (shown: LifeOptions) => replayCommand(shown, stage.program);
  // It would only hang again, as long as the host's patience lasts each time.
  if (failed.failure?.checker === 'hang') {
    return {
      ...{ failed, shown: failed, options: life, replay: describe(life) },
      ...{ shrunk: undefined, unsteady: undefined },
    };
  }
  const shrunk = options.shrink ? await makeSmaller(life, failed, stage) : undefined;
  const small = shrunk?.options ?? life;
  stage.onStep?.(`Lives seed ${seed} again, to see what led to the failure.`);
  const shown = await stage.run({ ...small, keepTrace: true });
  const unsteady = compare(shrunk?.result ?? failed, shown);
  return {
    ...{ failed, shrunk, unsteady, options: small, replay: describe(small) },
    // What was seen the first time is the failure, even if the second time was another life.
    shown: unsteady === undefined ? shown : (shrunk?.result ?? failed),
  };
}

async function makeSmaller(life: LifeOptions, failed: LifeResult, stage: Stage): Promise<Shrunk> {
  return await shrink(life, failed, {
    run: stage.run,
    signal: stage.signal,
    onTry: (tries, _, faults) => {
      stage.onStep?.(
        `Looks for a smaller life than seed ${life.seed}: ${tries} tried, ${faults} faults left.`,
      );
    },
  });
}

function compare(one: LifeResult, other: LifeResult): Unsteady | undefined {
  const same = one.traceHash === other.traceHash && one.failure?.checker === other.failure?.checker;
  return same ? undefined : { seed: one.seed, hashes: [one.traceHash, other.traceHash] };
}
