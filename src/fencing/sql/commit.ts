/** A commit that failed: whether it took effect is asked, never guessed. */
import { backoffMs, sleep } from '../../election/waiting.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type TakenRow, textOf } from './dialect.ts';
import type { Driver } from './driver.ts';
import { bounded, convertError, failureOf } from './failures.ts';
import type { FenceSettings } from './options.ts';

const looks = 6;

interface Ours {
  readonly attempt: string;
  readonly taken: TakenRow;
}

/** Resolves when it was committed after all. @throws ConclaveError with the outcome, 'unknown' where nobody can tell. */
export async function resolveCommit<Handle extends object>(
  driver: Driver<Handle>,
  settings: FenceSettings,
  error: unknown,
  ours: Ours,
): Promise<void> {
  const failure = ConclaveError.is(error) ? undefined : failureOf(driver, error);
  const open: readonly unknown[] = [undefined, 'connection', 'foreign', 'disk-failed'];
  const refused = !open.includes(failure);
  if (failure === 'conflict' || (refused && driver.dialect.refusedCommitIsFinal)) {
    throw convertError(driver, settings.table, error);
  }
  const fate = driver.reopens ? await lookUntilKnown(driver, settings, ours) : 'unknown';
  if (fate === 'committed') return;
  const reason = error instanceof Error ? error.message : String(error);
  if (fate === 'not-committed') {
    const message = `The commit failed and did not take effect, as the fence row says (${reason}).`;
    throw new ConclaveError('unavailable', message, { retryable: true, cause: error });
  }
  throw new ConclaveError(
    'unavailable',
    `The commit of the fenced transaction of ${JSON.stringify(settings.resource)} got no answer, and whether it took effect cannot be told (${reason}). Read what it wrote before it is run again.`,
    { outcome: 'unknown', cause: error },
  );
}

type Fate = 'committed' | 'not-committed' | 'unknown';

async function lookUntilKnown<Handle extends object>(
  driver: Driver<Handle>,
  settings: FenceSettings,
  ours: Ours,
): Promise<Fate> {
  const { runtime, signal } = settings;
  for (let look = 0; look < looks; look++) {
    if (look > 0)
      await sleep(runtime, backoffMs(runtime.random, look - 1, 50, 2_000), ...(signal ? [signal] : []));
    if (signal?.aborted) return 'unknown';
    try {
      return await lookOnce(driver, settings, ours);
    } catch {
      // Not reachable yet.
    }
  }
  return 'unknown';
}

/** The lost transaction holds the row until it has ended either way, so a look that has got the lock is final. */
async function lookOnce<Handle extends object>(
  driver: Driver<Handle>,
  settings: FenceSettings,
  { attempt, taken }: Ours,
): Promise<Fate> {
  const session = await driver.open(settings.signal);
  let broken = true;
  try {
    await bounded(settings, session.begin({ ...settings, isolation: 'read committed' }), 'The begin');
    const statement = driver.dialect.readAttempts(settings.table, settings.resource);
    const answerTimeoutMs = settings.lockTimeoutMs + settings.answerTimeoutMs;
    const rows = await bounded(
      { ...settings, answerTimeoutMs },
      session.query(statement),
      'A look at the fence',
    );
    await bounded(settings, session.rollback(), 'The rollback');
    broken = false;
    const [row] = rows;
    // The row is never deleted, so it was to be made by the transaction that was lost.
    if (row === undefined) return 'not-committed';
    const [current, previous] = row.map(textOf);
    if (current === attempt || previous === attempt) return 'committed';
    return current === taken.previousAttempt ? 'not-committed' : 'unknown';
  } finally {
    await session.release(broken || session.broken);
  }
}
