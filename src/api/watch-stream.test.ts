import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import {
  type WatchCreateRequest as Create,
  WatchCreateRequest,
  WatchRequest,
  type WatchResponse,
} from '../wire/index.ts';
import { HistoryTurns } from './history-turns.ts';
import { failure } from './status.ts';
import { TestingCall, TestingMember, TestingRequests, testingServices } from './testing.ts';
import { WatchStream } from './watch-stream.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const megabyte = 1024 * 1024;

function open() {
  const runtime = manualRuntime();
  const member = new TestingMember(runtime);
  const call = new TestingCall();
  const requests = new TestingRequests<WatchRequest>();
  const answers = new WatchStream(testingServices(member, runtime), call).responses(requests);
  const responses = answers[Symbol.asyncIterator]();
  const next = async (): Promise<WatchResponse> => (await responses.next()).value as WatchResponse;
  const create = (request: Partial<Create>): void =>
    requests.send(
      WatchRequest.create({
        requestUnion: { $case: 'createRequest', value: WatchCreateRequest.create(request) },
      }),
    );
  const progress = (): void =>
    requests.send(WatchRequest.create({ requestUnion: { $case: 'progressRequest', value: {} } }));
  const put = (key: string, value: Uint8Array = bytes('v')) =>
    member.propose({
      type: 'put',
      request: { key: bytes(key), value, lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false },
    });
  return { runtime, member, call, requests, answers, responses, next, create, progress, put };
}

const revisions = (response: WatchResponse): number[] =>
  response.events.map(({ kv }) => kv?.modRevision ?? 0);

test('a slow reader gets everything in order, and meanwhile nothing is made for it', async () => {
  const { member, next, create, put } = open();
  create({ key: bytes('k') });
  assert.equal((await next()).created, true);
  for (let at = 0; at < 2500; at++) await put('k');
  const seen: number[] = [];
  while (seen.length < 2500) {
    const response = await next();
    assert.ok(response.events.length <= 1000);
    seen.push(...revisions(response));
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 2500 }, (_, at) => at + 2),
  );
  assert.equal(member.keyspace.watcherCount, 1);
});

test('many watches of one stream take turns', async () => {
  const { next, create, put } = open();
  for (const watchId of [1, 2, 3]) {
    create({ key: bytes('k'), watchId });
    await next();
  }
  for (let at = 0; at < 1500; at++) await put('k');
  const order: number[] = [];
  for (let at = 0; at < 6; at++) order.push((await next()).watchId);
  assert.deepEqual(order.slice(0, 3).sort(), [1, 2, 3]);
  assert.deepEqual(order.slice(3).sort(), [1, 2, 3]);
});

test('a reader that takes no answers is not read from without end', async () => {
  const { runtime, requests, create, next } = open();
  for (let at = 0; at < 500; at++) create({ key: bytes('k') });
  assert.equal((await next()).created, true);
  await runtime.advance(0);
  assert.ok(requests.unread > 300, `${requests.unread}`);
  for (let at = 1; at < 500; at++) assert.equal((await next()).watchId, at);
  assert.equal(requests.unread, 0);
});

test('progress is told after all events are out', async () => {
  const { runtime, next, create, progress, put } = open();
  create({ key: bytes('k') });
  await next();
  await put('k');
  progress();
  await runtime.advance(0);
  assert.deepEqual(revisions(await next()), [2]);
  const { watchId, header, events } = await next();
  assert.deepEqual({ watchId, revision: header?.revision, events }, { watchId: -1, revision: 2, events: [] });
});

test('a quiet watch that asked for it is notified of progress, a busy one is not', async () => {
  const { runtime, next, create, put } = open();
  create({ key: bytes('quiet'), progressNotify: true });
  await next();
  create({ key: bytes('busy'), progressNotify: true });
  await next();
  create({ key: bytes('silent') });
  await next();
  await put('busy');
  assert.equal((await next()).watchId, 1);
  const pending = next();
  await runtime.advance(1100);
  const first = await pending;
  assert.deepEqual({ id: first.watchId, revision: first.header?.revision }, { id: 0, revision: 2 });
  const later = next();
  await runtime.advance(1100);
  assert.deepEqual([(await later).watchId, (await next()).watchId].sort(), [0, 1]);
});

test('a watch that accepts fragments gets a large revision in parts, another gets it whole', async () => {
  const { member, next, create } = open();
  create({ rangeEnd: new Uint8Array(1), watchId: 1, fragment: true });
  await next();
  const puts = Array.from({ length: 5 }, (_, at) => ({
    type: 'put' as const,
    request: {
      ...{ key: bytes(`k${at}`), value: new Uint8Array(megabyte), lease: 0n },
      ...{ prevKv: false, ignoreValue: false, ignoreLease: false },
    },
  }));
  await member.propose({ type: 'txn', request: { compare: [], success: puts, failure: [] } });
  const parts = [await next(), await next(), await next(), await next(), await next()];
  assert.deepEqual(
    parts.map(({ fragment, events }) => [fragment, events.length]),
    [...Array.from({ length: 4 }, () => [true, 1]), [false, 1]],
  );
  create({ rangeEnd: new Uint8Array(1), watchId: 2, startRevision: 1 });
  await next();
  const whole = await next();
  assert.deepEqual([whole.fragment, whole.events.length], [false, 5]);
});

test('a watch that falls behind a compaction is cancelled with the revision', async () => {
  const { member, next, create, put } = open();
  for (let at = 0; at < 5; at++) await put('k');
  create({ key: bytes('k'), startRevision: 2 });
  await next();
  await member.propose({ type: 'compact', revision: 5 });
  const { canceled, compactRevision, watchId } = await next();
  assert.deepEqual(
    { canceled, compactRevision, watchId },
    { canceled: true, compactRevision: 5, watchId: 0 },
  );
  assert.equal(member.keyspace.watcherCount, 0);
});

test('a watch that is up to date gets what was written right before a compaction', async () => {
  const { member, next, create, put } = open();
  create({ key: bytes('k') });
  await next();
  for (let at = 0; at < 5; at++) await put('k');
  await member.propose({ type: 'compact', revision: 5 });
  const first = await next();
  const seen = [...revisions(first), ...(first.events.length < 5 ? revisions(await next()) : [])];
  assert.deepEqual(seen, [2, 3, 4, 5, 6]);
});

test('the stream goes on after the caller closed its half', async () => {
  const { requests, next, create, put } = open();
  create({ key: bytes('k') });
  requests.end();
  await next();
  await put('k');
  assert.deepEqual(revisions(await next()), [2]);
});

test('what is ready is taken without waiting, in one order with what is waited for', async () => {
  const { call, answers, next, create, put } = open();
  for (let watch = 0; watch < 3; watch++) create({ key: bytes('k') });
  for (let watch = 0; watch < 3; watch++) await next();
  assert.equal(answers.takeReady?.(), undefined);
  const seen: [number, number[]][] = [];
  const see = (response: WatchResponse): unknown => seen.push([response.watchId, revisions(response)]);
  await put('k');
  see(await next());
  await put('k');
  for (let response = answers.takeReady?.(); response !== undefined; response = answers.takeReady?.())
    see(response);
  await put('k');
  see(await next());
  assert.deepEqual(seen, [
    [0, [2]],
    [1, [2, 3]],
    [2, [2, 3]],
    [0, [3]],
    [0, [4]],
  ]);
  call.abort(failure('cancelled'));
  assert.equal(answers.takeReady?.(), undefined);
  await assert.rejects(next(), /context canceled/);
});

test('a cancelled call ends the stream and leaves no watcher and no timer', async () => {
  const { runtime, member, call, responses, next, create } = open();
  create({ key: bytes('k'), progressNotify: true });
  await next();
  const ended = responses.next();
  call.abort(failure('cancelled'));
  await assert.rejects(ended, /context canceled/);
  assert.equal(member.keyspace.watcherCount, 0);
  assert.equal(runtime.clock.nextTimerMs(), undefined);
});

test('requests that cannot be read end the stream with their error', async () => {
  const runtime = manualRuntime();
  const member = new TestingMember(runtime);
  const bad = (async function* (): AsyncGenerator<WatchRequest> {
    yield await Promise.reject(failure('requestTooLarge'));
  })();
  const responses = new WatchStream(testingServices(member, runtime), new TestingCall()).responses(bad);
  await assert.rejects(responses[Symbol.asyncIterator]().next(), /too large/);
});

test('a watch of what is rare in a long history is searched for in many turns, others go on, and progress waits for it', async (t) => {
  const { runtime, next, create, progress, put } = open();
  for (let at = 0; at < 52_000; at++) await put(at === 45_000 || at === 50_000 ? 'rare' : 'k');
  let turns = 0;
  const searching = new AbortController();
  t.after(() => searching.abort());
  const count = (): void => {
    turns += 1;
    if (!searching.signal.aborted) runtime.timers.nextTurn(count);
  };
  create({ key: bytes('rare'), startRevision: 2, watchId: 1 });
  create({ key: bytes('k'), watchId: 2 });
  progress();
  runtime.timers.nextTurn(count);
  assert.deepEqual([(await next()).watchId, (await next()).watchId], [1, 2]);
  const found = next();
  await put('k');
  assert.deepEqual([(await found).watchId, turns], [2, 0]);
  assert.deepEqual(revisions(await next()), [45_002]);
  // 40,000 records in the first turn at most, whoever asks for them.
  assert.ok(turns >= 1, `${turns}`);
  assert.deepEqual(revisions(await next()), [50_002]);
  const { watchId, header } = await next();
  assert.deepEqual({ watchId, revision: header?.revision }, { watchId: -1, revision: 52_002 });
});

test('a watch that is up to date is notified of progress while another of its stream still searches in history', async () => {
  const { runtime, member, put } = open();
  for (let at = 0; at < 15_000; at++) await put('k');
  const held: (() => void)[] = [];
  class HeldTurns extends HistoryTurns {
    override wait(goOn: () => void): void {
      held.push(goOn);
    }
  }
  const historyTurns = new HeldTurns(runtime.timers);
  const services = { ...testingServices(member, runtime), historyTurns };
  const requests = new TestingRequests<WatchRequest>();
  const answers = new WatchStream(services, new TestingCall()).responses(requests);
  const responses = answers[Symbol.asyncIterator]();
  const next = async (): Promise<WatchResponse> => (await responses.next()).value as WatchResponse;
  const watch = (watchId: number, more: Partial<Create>): void => {
    const value = WatchCreateRequest.create({ key: bytes('rare'), watchId, progressNotify: true, ...more });
    requests.send(WatchRequest.create({ requestUnion: { $case: 'createRequest', value } }));
  };
  watch(1, {});
  watch(2, { startRevision: 2 });
  requests.send(WatchRequest.create({ requestUnion: { $case: 'progressRequest', value: {} } }));
  assert.deepEqual([(await next()).watchId, (await next()).watchId], [1, 2]);
  const notified = next();
  await runtime.advance(1100);
  const { watchId, header } = await notified;
  assert.deepEqual({ watchId, revision: header?.revision }, { watchId: 1, revision: 15_001 });
  // What is asked of all watches, and told of the other, waits for it.
  const all = next();
  await runtime.advance(0);
  assert.equal(held.length, 1);
  historyTurns.budget.left = 10_000;
  held.shift()?.();
  assert.deepEqual([(await all).watchId, (await next()).watchId], [-1, 2]);
});

test('streams that search in history at the same time share what is looked at in one turn', async () => {
  const { runtime, member, put } = open();
  for (let at = 0; at < 20_000; at++) await put('k');
  const services = testingServices(member, runtime);
  const told: Promise<WatchResponse>[] = [];
  let turns = 0;
  for (let at = 0; at < 12; at++) {
    const requests = new TestingRequests<WatchRequest>();
    const answers = new WatchStream(services, new TestingCall()).responses(requests);
    const responses = answers[Symbol.asyncIterator]();
    const value = WatchCreateRequest.create({ key: bytes(`none ${at}`), startRevision: 2 });
    requests.send(
      WatchRequest.create({ requestUnion: { $case: 'createRequest', value } }),
      WatchRequest.create({ requestUnion: { $case: 'progressRequest', value: {} } }),
    );
    told.push(responses.next().then(async () => (await responses.next()).value as WatchResponse));
  }
  const all = Promise.all(told).then((responses) => {
    assert.ok(responses.every(({ watchId }) => watchId === -1));
    return true;
  });
  for (let done = false; !done; ) {
    await new Promise<void>((resolve) => runtime.timers.nextTurn(resolve));
    turns += 1;
    done = await Promise.race([all, Promise.resolve().then(() => false)]);
  }
  // 12 × 20,000 records, of which 40,000 are looked at in each turn.
  assert.ok(turns >= 6 && turns < 30, `${turns}`);
});
