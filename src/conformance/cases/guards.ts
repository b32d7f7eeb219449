/** What carries a token that is not the current one must change nothing. */
import assert from 'node:assert/strict';
import type { AcquireOutcome, StoreSession } from '../../election/store.ts';
import type { ConformanceCase, Stage } from '../stage.ts';

const everyByte = Uint8Array.from({ length: 256 }, (_, value) => value);

/** The first led and resigned; the second leads. */
async function succession(stage: Stage) {
  const [first, second] = [await stage.open('first'), await stage.open('second', { client: 'two' })];
  const oldToken = await stage.win(first);
  assert.equal(
    await stage.within(first.release(stage.name, oldToken), 'releasing'),
    true,
    'the first release counts',
  );
  const token = await stage.win(second, { metadata: 'second' });
  return { first, second, oldToken, token };
}

async function recordSeenBy(stage: Stage, session: StoreSession): Promise<Uint8Array | undefined> {
  const outcome: AcquireOutcome = await stage.acquire(session);
  assert(outcome.status === 'acquired', `${session.holder} must lead`);
  return outcome.record;
}

export const guardCases: readonly ConformanceCase[] = [
  {
    name: 'a repeated release does not end the next leadership of another',
    async run(stage) {
      const { first, second, oldToken, token } = await succession(stage);
      await stage.assertRefused(first.release(stage.name, oldToken), 'releasing with an old token');
      assert.deepEqual(await stage.leader(), { holder: second.holder, token, metadata: 'second' });
    },
  },
  {
    name: 'a repeated release does not end the next leadership of the same session',
    async run(stage) {
      const first = await stage.open('first');
      const oldToken = await stage.win(first);
      assert.equal(await first.release(stage.name, oldToken), true);
      assert.equal(await first.release(stage.name, oldToken), false);
      const token = await stage.win(first);
      assert.equal(await first.release(stage.name, oldToken), false);
      assert.equal((await stage.leader())?.token, token);
    },
  },
  {
    name: 'a session has no say over the leadership of another, also of the same holder',
    async run(stage) {
      const leading = await stage.open('one');
      const other = await stage.open('one', { client: 'two' });
      const token = await stage.win(leading, { metadata: 'mine' });
      const record = Uint8Array.of(1);
      await stage.assertRefused(other.release(stage.name, token), 'releasing what another session leads');
      await stage.assertRefused(other.proclaim(stage.name, token, 'not mine'), 'proclaiming for another');
      await stage.assertRefused(other.writeRecord(stage.name, token, record), 'a record of another');
      assert.deepEqual(await stage.leader(), { holder: leading.holder, token, metadata: 'mine' });
      assert.equal(await stage.within(leading.release(stage.name, token), 'releasing'), true);
    },
  },
  {
    name: 'metadata is not changed with an old token',
    async run(stage) {
      const { first, second, oldToken, token } = await succession(stage);
      await stage.assertRefused(
        first.proclaim(stage.name, oldToken, 'ghost'),
        'proclaiming with an old token',
      );
      assert.equal((await stage.leader())?.metadata, 'second');
      assert.equal(await second.proclaim(stage.name, token, 'third'), true);
      assert.equal((await stage.leader())?.metadata, 'third');
    },
  },
  {
    name: 'a record is not written with an old token',
    async run(stage) {
      const { first, second, oldToken, token } = await succession(stage);
      assert.equal(await second.writeRecord(stage.name, token, Uint8Array.of(2)), true);
      await stage.assertRefused(
        first.writeRecord(stage.name, oldToken, Uint8Array.of(1)),
        'writing a record with an old token',
      );
      assert.deepEqual(await recordSeenBy(stage, second), Uint8Array.of(2));
    },
  },
  {
    name: 'a new election has no record, and a record keeps every byte',
    async run(stage) {
      const first = await stage.open('first');
      assert.equal(await recordSeenBy(stage, first), undefined);
      assert.equal(await first.writeRecord(stage.name, await stage.win(first), everyByte), true);
      assert.deepEqual(new Uint8Array((await recordSeenBy(stage, first)) ?? []), everyByte);
    },
  },
  {
    name: 'a record outlives the session that wrote it',
    async run(stage) {
      await stage.inShortLife(async () => {
        const first = await stage.open('first', { ttlMs: stage.shortTtlMs });
        assert.equal(await first.writeRecord(stage.name, await stage.win(first), Uint8Array.of(7)), true);
      });
      await stage.eventually('the lease runs out', async () => (await stage.leader()) === undefined);
      assert.deepEqual(await recordSeenBy(stage, await stage.open('second')), Uint8Array.of(7));
    },
  },
  {
    name: 'a release writes its record in the same step',
    async run(stage) {
      const [first, second] = [await stage.open('first'), await stage.open('second')];
      const token = await stage.win(first);
      assert.equal(await first.release(stage.name, token, { record: Uint8Array.of(9) }), true);
      await stage.assertRefused(
        first.release(stage.name, token, { record: Uint8Array.of(1) }),
        'releasing again',
      );
      assert.deepEqual(await recordSeenBy(stage, second), Uint8Array.of(9));
    },
  },
];
