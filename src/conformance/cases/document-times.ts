/** What a driver must do for `documentStore` alone: changes that are told, and times that run. */
import assert from 'node:assert/strict';
import { ConclaveError } from '../../errors/index.ts';
import type { DocumentChange, DocumentKey } from '../../stores/documents/driver.ts';
import { type Client, type DocumentStage, documentCase, NotOffered } from '../document-stage.ts';

/** What the two clocks may differ by, in that time: in how fast they run, and in what they round. */
const toleranceMs = (elapsedMs: number) => 20 + elapsedMs / 50;

/** Of changes: one after the other, then all at once; in the last all are removed. */
const rounds = 4;

/** Of one stream, by the machine. */
const mostBreaks = 5;

export const documentTimeCases = [
  documentCase('changes begin when none can be missed, and tell of each that others make', async (stage) => {
    const told = await listen(stage, 'two');
    await told.began;
    const keys = Array.from({ length: 5 }, () => stage.key('election'));
    // Where the service has a clock, what happens to a session only puts its end off.
    if (!(await stage.driver()).traits.ownsClock) keys.push(stage.key('session'));
    const versions = new Map<DocumentKey, string>();
    const change = async (key: DocumentKey, round: number) => {
      const before = versions.get(key);
      if (round === rounds - 1) {
        assert.equal(await stage.removed(key, before ?? ''), true);
        versions.delete(key);
      } else {
        const leads = key.kind === 'election' ? { session: 'ab'.repeat(16), version: round } : undefined;
        versions.set(key, await stage.written(key, stage.text(key), before, 'one', { leads }));
      }
    };
    const changeAll = async (changed: readonly DocumentKey[], round: number) => {
      const since = told.count();
      await Promise.all(changed.map((key) => change(key, round)));
      for (const key of changed) {
        await stage.stage.eventually('the change is told', () => told.has(key, since));
        await shownAsTold(stage, told, key, versions.get(key));
      }
    };
    for (let round = 0; round < rounds; round++) {
      const batches = round % 2 === 0 ? keys.map((key) => [key]) : [keys];
      for (const batch of batches) await changeAll(batch, round);
    }
    // A service tells of others' documents as well, which are not this case's.
    for (const { name, led } of told.led()) {
      if (!name.startsWith(stage.stage.name)) continue;
      assert(
        keys.some((key) => key.name === name),
        `it is told who leads ${JSON.stringify(name)}`,
      );
      assert.equal(led.session, 'ab'.repeat(16), 'another session is told to lead than the write said');
      assert(led.version >= 0 && led.version < rounds, 'another version is told than the write said');
    }
  }),
  documentCase('a stream of changes ends with its signal', async (stage) => {
    const told = await listen(stage, 'one');
    await told.began;
    told.stop();
    await stage.stage.within(told.ended, 'the end of the stream of changes');
  }),
  documentCase(
    'the time that is left runs by the clock of the service, from the last write',
    async (stage) => {
      const { traits } = await stage.driver();
      if (!traits.ownsClock) throw new NotOffered('the service has no clock for its documents');
      const key = stage.key('session');
      const timed = async (ttlMs: number, replaces?: string) => {
        const beforeMs = stage.stage.nowMs();
        const version = await stage.written(key, stage.text(key), replaces, 'one', { ttlMs });
        return { ttlMs, version, beforeMs, afterMs: stage.stage.nowMs() };
      };
      const first = await timed(60_000);
      await assertLeft(stage, key, first);
      await stage.stage.pass(200);
      await assertLeft(stage, key, first);
      const second = await timed(90_000, first.version);
      await assertLeft(stage, key, second);
      const third = await timed(stage.stage.shortTtlMs, second.version);
      await stage.stage.pass(third.ttlMs * 1.2);
      await assertLeft(stage, key, third);
      const found = await stage.read(key);
      assert(
        found?.leftMs !== undefined && found.leftMs <= 0,
        `${found?.leftMs} ms are left of what is over`,
      );
      assert.equal(found.version, third.version, 'what is over stays until it is removed');
      const record = stage.key('election');
      const version = await stage.written(record, stage.text(record), undefined, 'one', { ttlMs: 60_000 });
      assert((await stage.read(record))?.leftMs !== undefined, 'an election was written with a TTL');
      await stage.written(record, stage.text(record), version);
      assert.equal((await stage.read(record))?.leftMs, undefined, 'an election was written without a TTL');
    },
  ),
  documentCase('what may be forgotten is kept until then, and what replaced it stays', async (stage) => {
    const { traits } = await stage.driver();
    if (!traits.forgets) throw new NotOffered('the service forgets nothing by itself');
    const keepMs = stage.stage.shortTtlMs;
    const longerMs = keepMs * 2;
    const [kept, stays] = [stage.key('election'), stage.key('election')];
    const startMs = stage.stage.nowMs();
    const early = <T>(untilMs: number, steps: () => Promise<T>) =>
      stage.stage.inShortLife(steps, startMs + untilMs - stage.stage.nowMs());
    const { replaced, again } = await early(keepMs, async () => {
      const first = await stage.written(stays, stage.text(stays), undefined, 'one', { keepMs });
      const second = await stage.written(kept, stage.text(kept), undefined, 'one', { keepMs });
      return {
        replaced: await stage.written(stays, stage.text(stays), first),
        again: await stage.written(kept, stage.text(kept), second, 'one', { keepMs: longerMs }),
      };
    });
    await stage.stage.pass(keepMs * 1.2);
    await early(longerMs, async () => {
      assert.equal((await stage.read(kept))?.version, again, 'it was forgotten too early');
    });
    assert.equal((await stage.read(stays))?.version, replaced, 'what was to stay was forgotten');
    await stage.stage.pass(keepMs);
    // What is no longer shown is not in the way either.
    if ((await stage.read(kept)) === undefined) await stage.written(kept, stage.text(kept));
  }),
];

type Told = Awaited<ReturnType<typeof listen>>;

/** A stream of changes, and what it has told until now. */
async function listen(stage: DocumentStage, client: Client) {
  const changes = await stage.member('changes', client);
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, stage.stage.signal()]);
  const told: DocumentChange[] = [];
  let begin = () => {};
  let fail: (error: unknown) => void = () => {};
  const began = new Promise<void>((resolve, reject) => {
    begin = resolve;
    fail = reject;
  });
  const ended = (async () => {
    for (let breaks = 0; ; breaks++) {
      try {
        for await (const change of changes(signal)) {
          told.push(change);
          if (change === 'all') begin();
        }
        return;
      } catch (error) {
        // A busy machine breaks connections: what may have been missed is 'all' that the next stream begins with.
        const again = ConclaveError.is(error) && error.retryable && breaks < mostBreaks;
        if (signal.aborted || !again) throw error;
        await stage.stage.pass(20);
      }
    }
  })();
  // One that is told to end may do so by throwing.
  const quietly = ended.catch((error: unknown) => fail(error));
  return {
    began: stage.stage.within(began, "'all' as the beginning of the stream of changes"),
    ended: quietly,
    stop: () => stopping.abort(),
    count: () => told.length,
    /** Whether this one, or that anything may have changed, was told behind so many. */
    has: ({ kind, name }: DocumentKey, since: number) =>
      told.some((one, at) => at >= since && (one === 'all' || (one.kind === kind && one.name === name))),
    led: () =>
      told.flatMap((one) => (one !== 'all' && one.led !== undefined ? [{ ...one, led: one.led }] : [])),
  };
}

/**
 * To the one who was told, also in a read that need not be the latest. Of one write a service may tell several times,
 * and what is heard may be of the write before: then more is to come.
 */
async function shownAsTold(stage: DocumentStage, told: Told, key: DocumentKey, version: string | undefined) {
  for (;;) {
    const since = told.count();
    const found = await stage.read(key, 'two', { asTold: true });
    if (found?.version === version) return;
    await stage.stage.eventually(
      `a read shows ${found?.version}, and not ${version} that was told before, nor is more told`,
      () => told.has(key, since),
    );
  }
}

interface Timed {
  readonly ttlMs: number;
  /** Before the write was sent, and when it was answered. */
  readonly beforeMs: number;
  readonly afterMs: number;
}

async function assertLeft(stage: DocumentStage, key: DocumentKey, { ttlMs, beforeMs, afterMs }: Timed) {
  const askedMs = stage.stage.nowMs();
  const leftMs = (await stage.read(key, 'two'))?.leftMs;
  const answeredMs = stage.stage.nowMs();
  assert(leftMs !== undefined, 'a document with a TTL must tell what is left of it');
  const most = ttlMs - (askedMs - afterMs);
  const least = ttlMs - (answeredMs - beforeMs);
  const tolerated = toleranceMs(answeredMs - beforeMs);
  assert(leftMs <= most + tolerated, `${leftMs} ms are said to be left, but no more than ${most} are`);
  assert(leftMs >= least - tolerated, `${leftMs} ms are said to be left, but no less than ${least} are`);
}
