import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Command,
  type CommandResult,
  decodeSubmittedCommand,
  encodeCommandResult,
} from '../keyspace/index.ts';
import { Interruptions } from './interruptions.ts';
import type { LocalOutcome } from './local-proposals.ts';
import { Proposer } from './proposer.ts';
import type { LeaderRequest } from './requests.ts';

const self = 1;
const applied: CommandResult = { revision: 3, outcome: { type: 'tick' } };

/** A proposer whose surroundings the test plays by hand. */
class World {
  now = 0;
  connected = true;
  readonly interruptions = new Interruptions({ memberId: self, voters: () => [1, 2, 3] });
  readonly local: { encoded: Uint8Array; done: (outcome: LocalOutcome) => void }[] = [];
  readonly sent: { leader: number; request: LeaderRequest & { type: 'propose' } }[] = [];
  readonly proposer = new Proposer({
    memberId: self,
    interruptions: this.interruptions,
    firstRequestId: 100,
    nowMs: () => this.now,
    submitLocally: (encoded, done) => this.local.push({ encoded, done }),
    sendRequest: (leader, request) => {
      if (!this.connected || request.type !== 'propose') return false;
      this.sent.push({ leader, request });
      return true;
    },
  });

  /** Where in the log the leader says that it applied what it answers. */
  index = 0;

  /** Whatever was sent last, decoded. */
  last() {
    const sent = this.sent.at(-1);
    assert.ok(sent);
    return { ...sent, command: decodeSubmittedCommand(sent.request.encoded) };
  }

  answer(result: CommandResult): void {
    const { requestId } = this.last().request;
    this.proposer.responded({
      ...{ type: 'proposed', requestId, index: this.index },
      encodedResult: encodeCommandResult(result),
    });
  }

  /** A follower of member 2 that has its incarnation. */
  static async follower(): Promise<World> {
    const world = new World();
    world.proposer.leaderChanged(2);
    const first = world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined);
    assert.equal(world.last().command.command.type, 'registerClient');
    world.answer({ revision: 1, outcome: { type: 'registerClient', incarnation: 40 } });
    await Promise.resolve();
    world.answer(applied);
    assert.deepEqual(await first, applied);
    return world;
  }
}

test('the leader submits to its own log, without an identity of ours', async () => {
  const world = new World();
  world.proposer.leaderChanged(self);
  const proposed = world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined);
  assert.equal(decodeSubmittedCommand(world.local[0]?.encoded as Uint8Array).identity, undefined);
  world.local[0]?.done({ type: 'applied', result: applied, index: 1 });
  assert.deepEqual(await proposed, applied);
});

test('a command waits for a leader and goes to it', async () => {
  const world = new World();
  const proposed = world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined);
  assert.equal(world.local.length, 0);
  world.proposer.leaderChanged(self);
  world.local[0]?.done({ type: 'applied', result: applied, index: 1 });
  assert.deepEqual(await proposed, applied);
});

test('a forwarded command is tried again under the same identity at the next leader', async () => {
  const world = await World.follower();
  const proposed = world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined);
  const first = world.last();
  assert.equal(first.command.identity?.incarnation, 40);
  world.connected = false;
  world.proposer.linkDown(2);
  world.connected = true;
  world.proposer.leaderChanged(3);
  const second = world.last();
  assert.equal(second.leader, 3);
  assert.deepEqual(second.command.identity, first.command.identity);
  world.answer(applied);
  assert.deepEqual(await proposed, applied);
});

test('a follower that becomes leader submits what it had forwarded, under that identity', async () => {
  const world = await World.follower();
  const proposed = world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined);
  const { identity } = world.last().command;
  world.proposer.leaderChanged(self);
  assert.deepEqual(decodeSubmittedCommand(world.local[0]?.encoded as Uint8Array).identity, identity);
  world.local[0]?.done({ type: 'applied', result: applied, index: 1 });
  assert.deepEqual(await proposed, applied);
});

test('an accepted command that was certainly not applied is submitted again', async () => {
  const world = new World();
  world.proposer.leaderChanged(self);
  const proposed = world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined);
  world.local[0]?.done({ type: 'not-applied' });
  world.proposer.sweep(10);
  assert.equal(world.local.length, 2);
  world.local[1]?.done({ type: 'applied', result: applied, index: 1 });
  assert.deepEqual(await proposed, applied);
});

test('an unknown outcome without an identity is told as such and not tried again', async () => {
  const world = new World();
  world.proposer.leaderChanged(self);
  const proposed = world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined);
  world.local[0]?.done({ type: 'unknown' });
  await assert.rejects(proposed, { code: 'unavailable', outcome: 'unknown' });
  world.proposer.sweep(10);
  assert.equal(world.local.length, 1);
});

test('when its time is up a command fails, and says whether it may have been applied', async () => {
  const world = new World();
  const early = world.proposer.propose({ type: 'tick' }, 100, undefined, undefined);
  world.proposer.sweep(100);
  await assert.rejects(early, { code: 'no-leader', outcome: 'not-applied', retryable: true });
  world.proposer.leaderChanged(self);
  const late = world.proposer.propose({ type: 'tick' }, 200, undefined, undefined);
  world.proposer.sweep(200);
  await assert.rejects(late, { code: 'timeout', outcome: 'unknown' });
  world.local[0]?.done({ type: 'applied', result: applied, index: 1 });
});

test("the client's own identity is used as it is, and its being unknown is its own business", async () => {
  const world = await World.follower();
  const identity = { incarnation: 9, sequence: 4, acknowledgedBelow: 2 };
  const proposed = world.proposer.propose({ type: 'tick' }, 1000, identity, undefined);
  assert.deepEqual(world.last().command.identity, identity);
  const failed: CommandResult = { revision: 5, outcome: { type: 'failed', failure: 'unknown-incarnation' } };
  world.answer(failed);
  assert.deepEqual(await proposed, failed);
});

test('a member whose incarnation was forgotten makes a new one and proposes again', async () => {
  const world = await World.follower();
  const proposed = world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined);
  world.answer({ revision: 5, outcome: { type: 'failed', failure: 'unknown-incarnation' } });
  assert.equal(world.last().command.command.type, 'registerClient');
  world.answer({ revision: 5, outcome: { type: 'registerClient', incarnation: 41 } });
  await Promise.resolve();
  assert.equal(world.last().command.identity?.incarnation, 41);
  world.answer(applied);
  assert.deepEqual(await proposed, applied);
});

test('no more than a thousand forwarded commands are out at once, and the rest follow', async () => {
  const world = await World.follower();
  const before = world.sent.length;
  const proposals = Array.from({ length: 1200 }, () =>
    world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined),
  );
  assert.equal(world.sent.length - before, 1000);
  for (let position = before; position < before + 1200; position++) {
    const sent = world.sent[position];
    assert.ok(sent, `command ${position - before} was never sent`);
    world.proposer.responded({
      type: 'proposed',
      requestId: sent.request.requestId,
      index: 0,
      encodedResult: encodeCommandResult(applied),
    });
  }
  assert.equal((await Promise.all(proposals)).length, 1200);
});

test('an aborted command is given up at once', async () => {
  const world = await World.follower();
  const abort = new AbortController();
  const proposed = world.proposer.propose({ type: 'tick' }, 1000, undefined, abort.signal);
  abort.abort();
  await assert.rejects(proposed, { code: 'aborted', outcome: 'unknown' });
  assert.equal(world.proposer.busy, false);
});

const outcome = (expected: string) => (error: { outcome?: string }) => error.outcome === expected;

test('what stands in our own log when its time is up may yet be applied, whoever leads by then', async () => {
  const world = new World();
  world.proposer.leaderChanged(self);
  const late = world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined);
  world.proposer.leaderChanged(0);
  world.now = 1001;
  world.proposer.sweep(world.now);
  await assert.rejects(late, outcome('unknown'));
});

test('what stands in our own log when it is aborted, or the member stops, may yet be applied', async () => {
  const world = new World();
  world.proposer.leaderChanged(self);
  const controller = new AbortController();
  const aborted = world.proposer.propose({ type: 'tick' }, 1000, undefined, controller.signal);
  const cut = world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined);
  const returned = world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined);
  world.local[2]?.done({ type: 'not-applied' });
  controller.abort();
  await assert.rejects(aborted, outcome('unknown'));
  world.proposer.abandon();
  await assert.rejects(cut, outcome('unknown'));
  await assert.rejects(returned, outcome('not-applied'));
});

test('a refusal after an attempt whose fate is unknown does not say that nothing was applied', async () => {
  const world = await World.follower();
  const proposed = world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined);
  world.proposer.linkDown(2);
  const { requestId } = world.last().request;
  world.proposer.responded({ type: 'refused', requestId });
  await assert.rejects(proposed, outcome('unknown'));
});

test('a command that cannot be encoded fails at once, and not in the turn that finds a leader', async () => {
  const world = new World();
  const bad = world.proposer.propose({ type: 'compact', revision: 0.5 }, 1000, undefined, undefined);
  await assert.rejects(bad, { code: 'invalid-argument' });
  assert.equal(world.proposer.busy, false);
  world.proposer.leaderChanged(self);
  assert.equal(world.local.length, 0);
});

test('commands that wait without a leader are bounded in bytes, and one alone is too', async () => {
  const world = new World();
  const put = (sizeBytes: number): Command => ({
    type: 'put',
    request: {
      ...{ key: Uint8Array.of(1), value: new Uint8Array(sizeBytes), lease: 0n },
      ...{ prevKv: false, ignoreValue: false, ignoreLease: false },
    },
  });
  const propose = (sizeBytes: number) => world.proposer.propose(put(sizeBytes), 1000, undefined, undefined);
  await assert.rejects(propose(40 * 1024 * 1024), { code: 'too-large', outcome: 'not-applied' });
  const waiting = Array.from({ length: 4 }, () => propose(30 * 1024 * 1024));
  await assert.rejects(propose(30 * 1024 * 1024), { code: 'too-many-requests', outcome: 'not-applied' });
  world.now = 1001;
  world.proposer.sweep(world.now);
  for (const proposed of waiting) await assert.rejects(proposed, { code: 'no-leader' });
  world.proposer.leaderChanged(self);
  const taken = world.proposer.propose(put(30 * 1024 * 1024), 2000, undefined, undefined);
  world.local[0]?.done({ type: 'applied', result: applied, index: 1 });
  assert.deepEqual(await taken, applied);
});

test('a result is given out when this member has applied what it came of, or time is up', async () => {
  const world = await World.follower();
  world.index = 9;
  const settled: string[] = [];
  const propose = (name: string) =>
    world.proposer.propose({ type: 'tick' }, 1000, undefined, undefined).then(() => settled.push(name));
  const first = propose('first');
  world.answer(applied);
  world.proposer.applied(8);
  await Promise.resolve();
  assert.deepEqual(settled, []);
  world.proposer.applied(9);
  await first;
  world.index = 10;
  const second = propose('second');
  world.answer(applied);
  world.proposer.sweep(999);
  await Promise.resolve();
  assert.deepEqual(settled, ['first']);
  world.proposer.sweep(1000);
  await second;
  const third = propose('third');
  world.answer(applied);
  world.proposer.abandon();
  await third;
  assert.equal(world.proposer.busy, false);
});

test('who gives up on a result that is not applied here knows that it may be', async () => {
  const world = await World.follower();
  world.index = 9;
  const controller = new AbortController();
  const proposal = world.proposer.propose({ type: 'tick' }, 1000, undefined, controller.signal);
  world.answer(applied);
  controller.abort();
  await assert.rejects(proposal, { code: 'aborted', outcome: 'unknown' });
  world.proposer.applied(9);
});
