import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime } from '../runtime/index.ts';
import type { DocumentChange, DocumentDriver } from '../stores/documents/driver.ts';
import { documentStore } from '../stores/documents/index.ts';
import { MemoryService } from '../stores/documents/testing.ts';
import { driverWith } from './faults/driver-wrapping.ts';
import {
  type ConformanceTest,
  conformanceTests,
  type DriverFault,
  driverFaults,
  faultyDrivers,
} from './index.ts';

const shown = 'a document is shown as it was written, at once and by every client';
const madeOnce = 'a document that is there is not made anew';
const replaced = 'a write changes nothing where another version stands than it names, or none';
const removed = 'a removal removes nothing where another version stands than it names, or none';
const neverAgain = 'a version never comes again, not even after its document was removed';
const late = 'a renewal that comes after its session was removed does not bring it back';
const ready = 'what is made ready is written when it is sent, where its version still stands';
const oneWins = 'of writes and removals at once one is carried out, and no other says so';
const names = 'documents of different names and kinds are independent, however odd and long the names';
const large = 'a text of a hundred thousand bytes is kept whole';
const many = 'many documents are read at once in the order in which they are asked for';
const renewals = 'renewals of many at once are carried out each for itself';
const list = 'a list has each election under the prefix once, and no other';
const changes = 'changes begin when none can be missed, and tell of each that others make';
const streamEnds = 'a stream of changes ends with its signal';
const timeLeft = 'the time that is left runs by the clock of the service, from the last write';
const kept = 'what may be forgotten is kept until then, and what replaced it stays';
const outage =
  'after an outage each document stands as its writers were told, and no call was answered by a guess';

/** Which case finds which fault (others may, too, and are not run). */
const foundBy: Record<DriverFault, string> = {
  'own-write-not-read': shown,
  'reads-from-a-cache': shown,
  'creation-overwrites': madeOnce,
  'write-ignores-its-version': replaced,
  'write-makes-what-is-missing': replaced,
  'lost-race-told-as-won': madeOnce,
  'write-that-looks-first': oneWins,
  'removal-ignores-its-version': removed,
  'removal-always-told-as-done': removed,
  'removal-never-told-as-done': removed,
  'late-renewal-brings-back': late,
  'prepared-is-sent-at-once': ready,
  'prepared-replaces-what-stands-then': ready,
  'versions-begin-again': neverAgain,
  'versions-of-a-coarse-clock': neverAgain,
  'versions-as-numbers': shown,
  'nothing-as-null': shown,
  'lost-race-as-false': madeOnce,
  'removal-as-a-count': removed,
  'names-fold-letters': names,
  'names-fold-accents': names,
  'names-lose-their-end': names,
  'names-cut': names,
  'names-as-folders': names,
  'names-of-few-letters': names,
  'names-refused': names,
  'kinds-share-their-names': names,
  'texts-cut': large,
  'texts-in-latin-1': shown,
  'texts-trimmed-of-odd-signs': shown,
  'many-in-another-order': many,
  'many-without-the-missing': many,
  'renewals-all-or-nothing': renewals,
  'renewals-told-as-done': renewals,
  'list-of-one-page': list,
  'list-repeats-where-pages-meet': list,
  'list-of-a-pattern': list,
  'list-of-the-first-levels': list,
  'changes-never-begin': changes,
  'changes-fall-silent': changes,
  'changes-without-removals': changes,
  'changes-without-sessions': changes,
  'changes-of-own-writes': changes,
  'changes-of-folded-names': changes,
  'changes-tell-of-another-who-leads': changes,
  'changes-ignore-their-signal': streamEnds,
  'what-was-told-not-shown': changes,
  'time-left-stands-still': timeLeft,
  'time-left-in-seconds': timeLeft,
  'time-left-untold': timeLeft,
  'time-runs-from-the-first-write': timeLeft,
  'time-stays-with-what-has-none': timeLeft,
  'forgotten-early': kept,
  'forgotten-though-replaced': kept,
  'what-was-forgotten-is-in-the-way': kept,
  'failed-read-told-as-nothing': outage,
  'failed-write-told-as-lost': outage,
  'failed-removal-told-as-lost': outage,
  'failed-list-told-as-empty': outage,
  'unknown-told-as-not-applied': outage,
};

const runtime = nodeRuntime();

function sound(driver: DocumentDriver): DocumentDriver {
  return driverWith(driver, {
    prepare: (key, text, write) => (bounds) => driver.write(key, text, write, bounds),
  });
}

/**
 * Drivers as sound, of one service that others use as well, on a busy machine: connections break, and each change is
 * told twice, the second time late.
 */
function disturbed(): (driver: DocumentDriver) => DocumentDriver {
  const unavailable = (outcome: 'not-applied' | 'unknown') =>
    new ConclaveError('unavailable', 'The connection broke.', { retryable: true, outcome });
  let reads = 0;
  let writes = 0;
  let told = 0;
  return (driver) => {
    const { changes } = driver;
    const write: DocumentDriver['write'] = async (...given) => {
      writes += 1;
      if (writes % 5 === 3) throw unavailable('not-applied');
      const version = await driver.write(...given);
      if (writes === 9) throw unavailable('unknown');
      return version;
    };
    return driverWith(driver, {
      write,
      prepare:
        (key, text, wanted) =>
        (bounds): Promise<string | undefined> =>
          write(key, text, wanted, bounds),
      async read(...given) {
        reads += 1;
        if (reads % 5 === 4) throw unavailable(reads % 2 === 0 ? 'unknown' : 'not-applied');
        return await driver.read(...given);
      },
      async *changes(signal) {
        let late: DocumentChange[] = [];
        for await (const change of changes?.call(driver, signal) ?? []) {
          yield* late;
          yield { kind: 'election', name: 'of-others', led: { session: 'cd'.repeat(16), version: 99 } };
          yield change;
          late = [change];
          told += 1;
          if (told % 10 === 7) throw unavailable('unknown');
        }
      },
    });
  };
}

type DriversOfOneService = () => (driver: DocumentDriver) => DocumentDriver;

/** Which of the cases for drivers fail; none may be skipped. */
async function failures(
  patienceMs: number,
  fault?: DriverFault,
  drivers: DriversOfOneService = () => (fault === undefined ? sound : faultyDrivers(fault, runtime)),
): Promise<string[]> {
  const open = async () => {
    const ownsClock = fault !== 'changes-without-sessions';
    const service = new MemoryService({ runtime, ownsClock, tells: true, many: true, tellsLed: true });
    const faulty = drivers();
    const store = documentStore(service.driver(), { runtime });
    return {
      store,
      driver: () => faulty(service.driver()),
      stopService: async () => {
        service.down = true;
      },
      startService: async () => {
        service.down = false;
      },
      [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.asyncDispose]()),
    };
  };
  const failed: string[] = [];
  const run = async ({ name, run }: ConformanceTest) => {
    try {
      assert.equal((await run()).skipped, undefined, name);
    } catch {
      failed.push(name.slice('driver: '.length));
    }
  };
  const cases = conformanceTests(open, { runtime, ttlMs: 200, patienceMs });
  const wanted = cases.filter(({ name }) =>
    fault === undefined ? name.startsWith('driver: ') : name === `driver: ${foundBy[fault]}`,
  );
  await Promise.all(wanted.map(run));
  return failed;
}

test('the cases for drivers find nothing in a sound one', async () => {
  assert.deepEqual(await failures(60_000), []);
});

test('nor in one that is shared with others, on a machine that breaks connections', async () => {
  assert.deepEqual(await failures(60_000, undefined, disturbed), []);
});

describe('the cases for drivers find the fault', { concurrency: 8 }, () => {
  for (const fault of Object.keys(driverFaults) as DriverFault[]) {
    test(fault, async () => assert.deepEqual(await failures(300, fault), [foundBy[fault]]));
  }
});
