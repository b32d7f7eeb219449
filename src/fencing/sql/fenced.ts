/** The fenced transaction, for any database. */
import { backoffMs, sleep } from '../../election/waiting.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type CheckedWriter, checkLeadership, type FencedLeadership } from '../writer.ts';
import { resolveCommit } from './commit.ts';
import type { Query, TakenRow } from './dialect.ts';
import type { Driver, Session } from './driver.ts';
import { refuseNested, runHolding, takeTurn } from './exclusive.ts';
import { bounded, convertError } from './failures.ts';
import { checkSettings, type FenceSettings, type ServerFenceOptions } from './options.ts';
import { newAttempt, takeRow } from './take.ts';

export type Work<Handle, T> = (tx: Handle) => T | Promise<T>;

/** As long as the work was not run, all may be done again; within bounds, since the database may be gone. */
const triesBeforeWork = { 'version-conflict': 10, unavailable: 3 } as const;

interface Task<Handle extends object, T> {
  readonly driver: Driver<Handle>;
  readonly writer: CheckedWriter;
  readonly settings: FenceSettings;
  readonly work: Work<Handle, T>;
}

type Result<T> =
  | { readonly status: 'committed'; readonly value: T }
  /** `ours`: an error of the database or of the fence, not one that the work made. */
  | { readonly status: 'failed'; readonly error: unknown; readonly ran: boolean; readonly ours: boolean };

export async function runFenced<Handle extends object, T>(
  driver: Driver<Handle>,
  leadership: FencedLeadership,
  work: Work<Handle, T>,
  options: ServerFenceOptions,
): Promise<T> {
  const writer = checkLeadership(leadership);
  const settings = checkSettings(options, writer.election, driver);
  if (typeof work !== 'function')
    throw new ConclaveError('invalid-argument', 'The work must be a function of the transaction.');
  refuseNested(driver, settings);
  const { runtime, attempts, signal } = settings;
  let [runs, early] = [0, 0];
  for (;;) {
    const result = await once({ driver, writer, settings, work });
    if (result.status === 'committed') return result.value;
    const { error, ran, ours } = result;
    const curable = ours && ConclaveError.is(error) && error.retryable && error.outcome === 'not-applied';
    if (!curable || (error.code !== 'version-conflict' && error.code !== 'unavailable')) throw error;
    if (ran) runs += 1;
    else early += 1;
    if (ran ? runs >= attempts : early >= triesBeforeWork[error.code]) throw error;
    await sleep(runtime, backoffMs(runtime.random, runs + early - 1, 10, 500), ...(signal ? [signal] : []));
  }
}

async function once<Handle extends object, T>(task: Task<Handle, T>): Promise<Result<T>> {
  const { driver, writer, settings } = task;
  const failed = (error: unknown): Result<T> => ({ status: 'failed', error, ran: false, ours: true });
  let endTurn = () => {};
  try {
    refuseAborted(settings);
    if (driver.exclusive) endTurn = await takeTurn(driver.key, settings.signal);
    writer.assertHeld();
    const session = await driver.open(settings.signal);
    return await inSession(task, session);
  } catch (error) {
    return failed(convertError(driver, settings.table, error));
  } finally {
    endTurn();
  }
}

/** Everything on one connection, which is given back in the end, whatever happens. */
async function inSession<Handle extends object, T>(
  task: Task<Handle, T>,
  session: Session<Handle>,
): Promise<Result<T>> {
  const { driver, settings } = task;
  const progress = { begun: false, ran: false, threw: false };
  let broken = false;
  try {
    const attempt = newAttempt(settings.runtime);
    const { value, taken } = await upToCommit(task, session, attempt, progress);
    const failure = await settled(bounded(settings, session.commit(), 'The commit'));
    if (failure === undefined) return { status: 'committed', value };
    broken = true;
    await session.release(true);
    await resolveCommit(driver, settings, failure.error, { attempt, taken });
    return { status: 'committed', value };
  } catch (error) {
    if (progress.begun && !broken) {
      const rolledBack = await settled(bounded(settings, session.rollback(), 'The rollback'));
      broken = rolledBack !== undefined;
    } else if (!progress.begun) {
      // Half begun, unless it was refused to begin at all.
      broken = !ConclaveError.is(error, 'failed-precondition');
    }
    const theirs = progress.threw && !isDatabaseTrouble(driver, error, broken || session.broken);
    return {
      status: 'failed',
      error: theirs ? error : convertError(driver, settings.table, error),
      ran: progress.ran,
      ours: !theirs,
    };
  } finally {
    await session.release(broken || session.broken);
  }
}

/** Begins, takes the fence, runs the work, and looks whether all of it may be committed. */
async function upToCommit<Handle extends object, T>(
  { driver, writer, settings, work }: Task<Handle, T>,
  session: Session<Handle>,
  attempt: string,
  progress: { begun: boolean; ran: boolean; threw: boolean },
): Promise<{ readonly value: T; readonly taken: TakenRow }> {
  const { dialect } = driver;
  const query: Query = (statement) => session.query(statement);
  await bounded(settings, session.begin(settings), 'The begin');
  progress.begun = true;
  const taken = await takeRow(dialect, queryOf(settings, session), writer, { ...settings, attempt });
  await bounded(settings, dialect.mark(query), 'A savepoint');
  refuseAborted(settings);
  const scope = {
    open: true,
    get broken() {
      return session.broken;
    },
  };
  let value: T;
  progress.ran = true;
  try {
    const tx = driver.guard(session.handle, scope);
    const { table, resource } = settings;
    value = await runHolding({ key: driver.key, table, resource, scope }, async () => await work(tx));
  } catch (error) {
    progress.threw = true;
    throw error;
  } finally {
    scope.open = false;
  }
  if (!(await bounded(settings, dialect.isSame(query, taken), 'A look at the transaction')))
    throw endedInside(settings);
  refuseAborted(settings);
  writer.assertHeld();
  return { value, taken };
}

/** The wait for the fence can be long, and has a bound in the database; this one is for a database that is silent. */
function queryOf<Handle extends object>(settings: FenceSettings, session: Session<Handle>): Query {
  const answerTimeoutMs = settings.lockTimeoutMs + settings.answerTimeoutMs;
  return (statement, signal) =>
    bounded({ ...settings, answerTimeoutMs }, session.query(statement, signal), 'Taking the fence');
}

/**
 * What the work threw but did not make: trouble of the database, of which nothing is applied. Files and servers that
 * the work uses besides fail by the same codes (ENOENT, ECONNRESET); those are of a connection of ours that broke only.
 */
function isDatabaseTrouble<Handle extends object>(
  driver: Driver<Handle>,
  error: unknown,
  broken: boolean,
): boolean {
  if (ConclaveError.is(error)) return false;
  const failure = (driver.classify ?? driver.dialect.classify)(error);
  return failure === 'conflict' || failure === 'lock-timeout' || (failure === 'connection' && broken);
}

function refuseAborted({ signal, resource }: { signal: AbortSignal | undefined; resource: string }): void {
  if (signal?.aborted) throw ConclaveError.aborted(`The fenced transaction of ${resource}`, signal);
}

function endedInside({ resource }: FenceSettings): ConclaveError {
  return new ConclaveError(
    'failed-precondition',
    `The fenced transaction of ${JSON.stringify(resource)} ended while the work ran, by a statement or an error of the work (COMMIT, ROLLBACK, DDL, a deadlock that was caught). What was written before that may be committed; the rest was rolled back where it was in a transaction.`,
    { outcome: 'unknown' },
  );
}

async function settled(promise: Promise<unknown>): Promise<{ readonly error: unknown } | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return { error };
  }
}
