/** What a driver must do for `documentStore` alone: an outage is no answer. */
import assert from 'node:assert/strict';
import { ConclaveError } from '../../errors/index.ts';
import type { CallBounds, DocumentKey, StoredDocument } from '../../stores/documents/driver.ts';
import { type Client, type DocumentStage, documentCase } from '../document-stage.ts';
import type { ConformanceCase } from '../stage.ts';
import { cannotStop } from './service.ts';

export const documentOutageCases: readonly ConformanceCase[] = [
  {
    ...documentCase(
      'after an outage each document stands as its writers were told, and no call was answered by a guess',
      throughAnOutage,
    ),
    skip: (capabilities, target) =>
      target.driver === undefined ? 'the target gives no driver' : cannotStop(capabilities, target),
  },
];

interface Writer {
  readonly key: DocumentKey;
  /** What may stand there: what was written last, and what may have been. */
  readonly possible: Set<string | undefined>;
  done: number;
  isOver: boolean;
}

const writers = 4;
const mostWrites = 5000;
/** For calls to a service that is down: it need not say so. */
const silenceMs = 1000;

async function throughAnOutage(stage: DocumentStage): Promise<void> {
  const kept = stage.key('election');
  const text = stage.text(kept);
  const version = await stage.written(kept, text);
  const written: Writer[] = Array.from({ length: writers }, () => ({
    key: stage.key('election'),
    possible: new Set([undefined]),
    done: 0,
    isOver: false,
  }));
  // Opening is no part of it: one that comes into the outage would fail, and rightly.
  await Promise.all([stage.driver('one'), stage.driver('two')]);
  const failed = Promise.all(
    written.map(async (writer, at) => {
      await untilRefused(stage, writer, at % 2 === 0 ? 'one' : 'two');
      writer.isOver = true;
    }),
  );
  failed.catch(() => {});
  await stage.stage.eventually('some are written', () =>
    written.every(({ done, isOver }) => done >= 3 || isOver),
  );
  const stopping = stage.stage.stopService();
  await stage.stage.within(Promise.all([failed, stopping]), 'writers and the stop of the service');
  await noGuesses(stage, kept, { text, version });
  await stage.stage.startService();
  const driver = await stage.driver();
  const look = async (key: DocumentKey) => {
    let found: string | undefined;
    await stage.stage.eventually('the service answers again', async () => {
      const outcome = await answerOf(stage, (bounds) => driver.read(key, bounds));
      if ('answer' in outcome) found = outcome.answer?.text;
      else if (ConclaveError.is(outcome.error) && !outcome.error.retryable) throw outcome.error;
      return 'answer' in outcome;
    });
    return found;
  };
  assert.equal(await look(kept), text, 'it is not there any more after an outage');
  for (const { key, possible } of written)
    assert(possible.has(await look(key)), 'what stands there was said not to be written, or was overwritten');
}

/** Writes on until the service does not answer. */
async function untilRefused(stage: DocumentStage, writer: Writer, client: Client): Promise<void> {
  const { key, possible } = writer;
  const driver = await stage.driver(client);
  let version: string | undefined;
  for (let at = 0; at < mostWrites; at++) {
    const text = stage.text(key);
    const outcome = await answerOf(stage, (bounds) => driver.write(key, text, { replaces: version }, bounds));
    if ('error' in outcome) {
      const { error } = outcome;
      if (!ConclaveError.is(error) || error.outcome === 'unknown') possible.add(text);
      return;
    }
    if (outcome.answer === undefined) {
      assert.fail('write gave undefined, though nobody else writes there: what is not known is an error');
    }
    version = outcome.answer;
    possible.clear();
    possible.add(text);
    writer.done += 1;
    await stage.stage.turn();
  }
}

/** A service that is down knows nothing: that there is no document, or that another stands there, is not to be said. */
async function noGuesses(stage: DocumentStage, kept: DocumentKey, { text, version }: StoredDocument) {
  const driver = await stage.driver();
  const missing = stage.key('session');
  const [reading, many, listing, writing, removing] = await Promise.all([
    answerOf(stage, (bounds) => driver.read(kept, bounds)),
    answerOf(stage, async (bounds) => (await driver.readMany?.([kept, kept], bounds)) ?? []),
    answerOf(stage, async (bounds) => (await driver.list?.(stage.stage.name, bounds)) ?? [kept.name]),
    answerOf(stage, (bounds) => driver.write(missing, stage.text(missing), { replaces: version }, bounds)),
    answerOf(stage, (bounds) => driver.remove(missing, version, bounds)),
  ]);
  if ('answer' in reading)
    assert.equal(reading.answer?.text, text, 'read must throw where the service does not answer');
  if ('answer' in many)
    for (const one of many.answer)
      assert(ConclaveError.is(one) || one?.text === text, 'readMany must throw where nobody answers');
  if ('answer' in listing)
    assert(listing.answer.includes(kept.name), 'list must throw where the service does not answer');
  assert('error' in writing, 'write must throw where the service does not answer');
  assert('error' in removing, 'remove must throw where the service does not answer');
}

type Answer<T> = { readonly answer: T } | { readonly error: unknown };

/** No answer within the time is an error whose outcome is not known. */
async function answerOf<T>(
  stage: DocumentStage,
  call: (bounds: CallBounds) => Promise<T>,
): Promise<Answer<T>> {
  const giving = new AbortController();
  const asked = (async (): Promise<Answer<T>> => {
    try {
      return { answer: await call({ signal: giving.signal, timeoutMs: silenceMs }) };
    } catch (error) {
      return { error };
    }
  })();
  let answered = false;
  const done = () => {
    answered = true;
  };
  asked.then(done, done);
  for (let waitedMs = 0; waitedMs <= silenceMs && !answered; waitedMs += 20)
    await Promise.race([asked, stage.stage.pass(waitedMs === 0 ? 0 : 20)]);
  giving.abort();
  return answered ? await asked : { error: undefined };
}
