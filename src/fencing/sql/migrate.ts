/** Making the fence table, once, by any number of processes at the same time. */
import { backoffMs, sleep } from '../../election/waiting.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { Driver, Session } from './driver.ts';
import { takeTurn } from './exclusive.ts';
import { bounded, convertError, failureOf } from './failures.ts';
import { checkSettings, type FenceSettings, type FenceTableOptions } from './options.ts';
import { checkVersion, newAttempt } from './take.ts';

const tries = 10;

export async function runMigration<Handle extends object>(
  driver: Driver<Handle>,
  options: FenceTableOptions,
): Promise<void> {
  const settings = checkSettings(options, 'conclave:migration', driver);
  const { runtime, signal } = settings;
  for (let attempt = 1; ; attempt++) {
    if (signal?.aborted) throw ConclaveError.aborted('The migration', signal);
    const endTurn = driver.exclusive ? await takeTurn(driver.key, signal) : () => {};
    try {
      return await migrateOnce(driver, settings);
    } catch (error) {
      const failure = ConclaveError.is(error) ? undefined : failureOf(driver, error);
      const passing = failure === 'conflict' || failure === 'table-exists' || failure === 'missing-table';
      if (!passing || attempt === tries) throw convertError(driver, settings.table, error);
    } finally {
      endTurn();
    }
    await sleep(runtime, backoffMs(runtime.random, attempt - 1, 20, 500), ...(signal ? [signal] : []));
  }
}

async function migrateOnce<Handle extends object>(
  driver: Driver<Handle>,
  settings: FenceSettings,
): Promise<void> {
  const session = await driver.open(settings.signal);
  let broken = true;
  try {
    if (!(await isThere(driver, session, settings))) {
      await createTable(driver, session, settings);
      if (!(await isThere(driver, session, settings)))
        throw new ConclaveError(
          'failed-precondition',
          `The table ${settings.table} was made and is not there.`,
        );
    }
    broken = false;
  } catch (error) {
    // Refused, and rolled back: the connection is as good as before. Where no answer came, it may be in a transaction.
    broken = ConclaveError.is(error) ? error.code === 'timeout' : failureOf(driver, error) === 'connection';
    throw error;
  } finally {
    await session.release(broken || session.broken);
  }
}

async function createTable<Handle extends object>(
  { dialect }: Driver<Handle>,
  session: Session<Handle>,
  settings: FenceSettings,
): Promise<void> {
  await bounded(settings, session.begin(settings), 'The begin');
  try {
    await session.query({ text: dialect.sql(settings.table).createTable, values: [] });
  } catch (error) {
    await bounded(settings, session.rollback(), 'The rollback');
    throw error;
  }
  await bounded(settings, session.commit(), 'The commit');
}

/** Takes the fence of a resource that nobody can name, and rolls that back. @throws 'data-incompatible' */
async function isThere<Handle extends object>(
  { dialect, classify }: Driver<Handle>,
  session: Session<Handle>,
  settings: FenceSettings,
): Promise<boolean> {
  const { table, runtime } = settings;
  const parameters = { resource: '', election: '', token: 0, attempt: newAttempt(runtime) };
  await bounded(settings, session.begin(settings), 'The begin');
  try {
    let rows: Awaited<ReturnType<typeof session.query>> = [];
    for (const statement of dialect.take(table, parameters)) rows = await session.query(statement);
    checkVersion(table, dialect.decodeTaken(rows[0] ?? []).version);
    return true;
  } catch (error) {
    if (!ConclaveError.is(error) && (classify ?? dialect.classify)(error) === 'missing-table') return false;
    throw error;
  } finally {
    await bounded(settings, session.rollback(), 'The rollback');
  }
}
