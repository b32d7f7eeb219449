/** Runs a job on one of many processes at a time. */
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import { nodeRuntime } from '../runtime/index.ts';
import { Candidate, type CandidateOptions } from './candidate.ts';
import type { Leadership } from './leadership.ts';
import { candidateOptionNames, checkSignal } from './options.ts';
import type { LeaseStore } from './store.ts';
import { backoffMs, sleep } from './waiting.ts';

/**
 * Runs while leading. Stop when `leadership.signal` aborts: the next leader waits for that after a resignation, and
 * does not after a loss. May call `leadership.resign()` or `handOff()` itself.
 */
export type Job = (leadership: Leadership) => unknown;

export interface ElectOptions extends CandidateOptions {
  /** Ends it: the leadership is resigned after the job has stopped. */
  readonly signal?: AbortSignal | undefined;
  /** When the job returns by itself while leading, it resigns; then it campaigns again (default) or stops. */
  readonly whenJobReturns?: 'campaign' | 'stop' | undefined;
  /**
   * Hears what the job threw, after which the leadership is resigned. Return 'campaign' to go on; anything else, or
   * without this option, makes `elect` reject with 'job-failed'.
   */
  readonly onJobError?: ((error: unknown, leadership: Leadership) => unknown) | undefined;
}

const electOptionNames = [...candidateOptionNames, 'signal', 'whenJobReturns', 'onJobError'];

type Ending = { readonly status: 'returned' } | { readonly status: 'threw'; readonly error: unknown };

/**
 * Campaigns for `name`, runs `job` while it leads, and campaigns again when the leadership ended, until
 * `options.signal` aborts; then it resolves, once the job has stopped and the leadership is resigned. Two runs of
 * the job never overlap in this call, even if one ignores its signal.
 *
 * @throws 'job-failed' with what the job threw as `cause`; 'invalid-argument' and 'unsupported' before anything has
 * an effect; an error of the store that trying again cannot cure. A store that is down is none: it keeps trying.
 */
export async function elect(
  store: LeaseStore,
  name: string,
  job: Job,
  options: ElectOptions = {},
): Promise<void> {
  checkNames('The options of elect', options, electOptionNames);
  const { signal, whenJobReturns = 'campaign', onJobError, ...rest } = options;
  checkSignal(signal);
  if (typeof job !== 'function') throw new ConclaveError('invalid-argument', 'The job must be a function.');
  if (onJobError !== undefined && typeof onJobError !== 'function') {
    throw new ConclaveError('invalid-argument', 'onJobError must be a function.');
  }
  if (whenJobReturns !== 'campaign' && whenJobReturns !== 'stop') {
    const message = `whenJobReturns must be 'campaign' or 'stop', not ${JSON.stringify(whenJobReturns)}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  const runtime = options.session?.settings.runtime ?? options.runtime ?? nodeRuntime();
  const ttlMs = options.session?.settings.ttlMs ?? options.ttlMs ?? 5000;
  await using candidate = new Candidate(store, name, { ...rest, runtime }, { jobManaged: true });
  let shortRuns = 0;
  while (!signal?.aborted) {
    const leadership = await candidate.campaign({ signal }).catch((error: unknown) => {
      if (signal?.aborted && ConclaveError.is(error, 'aborted')) return undefined;
      throw error;
    });
    if (leadership === undefined) return;
    const startMs = runtime.clock.monotonicMs();
    const ending = await runJob(leadership, job, signal);
    if (ending.status === 'threw') {
      if (!(await isHandled(ending.error, leadership, onJobError))) {
        const { error } = ending;
        const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
        const message = `The job under election ${JSON.stringify(name)} (token ${leadership.token}) threw: ${what}`;
        throw new ConclaveError('job-failed', message, { cause: ending.error, outcome: 'unknown' });
      }
    } else if (whenJobReturns === 'stop' && (await leadership.ended) === 'resigned') {
      return;
    }
    // A job that ends at once must not turn the election into a busy loop.
    shortRuns = runtime.clock.monotonicMs() - startMs < ttlMs ? shortRuns + 1 : 0;
    if (shortRuns > 0)
      await sleep(runtime, backoffMs(runtime.random, shortRuns - 1, 20, ttlMs), ...(signal ? [signal] : []));
  }
}

/** Resolves when the job has stopped and the leadership has ended. */
async function runJob(leadership: Leadership, job: Job, signal: AbortSignal | undefined): Promise<Ending> {
  const onAbort = () => void leadership.resign();
  signal?.addEventListener('abort', onAbort);
  const running = (async (): Promise<Ending> => {
    await job(leadership);
    return { status: 'returned' };
  })().catch((error: unknown): Ending => ({ status: 'threw', error }));
  leadership.settle(running);
  if (signal?.aborted) onAbort();
  const ending = await running;
  signal?.removeEventListener('abort', onAbort);
  const wasEnding = leadership.signal.aborted;
  void leadership.resign();
  await leadership.ended;
  const stoppedByLoss =
    ending.status === 'threw' && wasEnding && isConsequenceOfLoss(ending.error, leadership);
  return stoppedByLoss ? { status: 'returned' } : ending;
}

/** What a well-behaved job throws because its leadership ended. */
function isConsequenceOfLoss(error: unknown, leadership: Leadership): boolean {
  if (error === leadership.signal.reason) return true;
  if (ConclaveError.is(error))
    return ['not-leading', 'aborted', 'stale-token', 'lease-lost'].includes(error.code);
  return error instanceof Error && error.name === 'AbortError';
}

async function isHandled(
  error: unknown,
  leadership: Leadership,
  handler: ElectOptions['onJobError'],
): Promise<boolean> {
  try {
    return (await handler?.(error, leadership)) === 'campaign';
  } catch {
    // A handler that throws has not handled it: the job's own error is the one to surface.
    return false;
  }
}
