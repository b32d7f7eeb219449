import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { WatchCreateRequest, WatchRequest } from '../wire/index.ts';
import { TestingCall, TestingMember, TestingRequests, testingServices } from './testing.ts';
import { WatchStream } from './watch-stream.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

/** Streams of one member, whose watches begin with its history and find nothing there. */
function setUp() {
  const runtime = manualRuntime();
  const member = new TestingMember(runtime);
  const services = testingServices(member, runtime);
  let keys = 0;
  /** Resolves when the stream says how far it has got, which is when all of its watches are up to date. */
  const search = async (watches: number): Promise<void> => {
    const requests = new TestingRequests<WatchRequest>();
    for (let at = 0; at < watches; at++) {
      const value = WatchCreateRequest.create({ key: bytes(`none ${keys++}`), startRevision: 2 });
      requests.send(WatchRequest.create({ requestUnion: { $case: 'createRequest', value } }));
    }
    requests.send(WatchRequest.create({ requestUnion: { $case: 'progressRequest', value: {} } }));
    const call = new TestingCall();
    for await (const { watchId } of new WatchStream(services, call).responses(requests))
      if (watchId === -1) return;
  };
  const write = (records: number): Promise<unknown> => {
    const request = { value: bytes('v'), lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
    const onSuccess = Array.from({ length: records }, (_, at) => ({
      type: 'put' as const,
      request: { ...request, key: bytes(`k${at}`) },
    }));
    return member.propose({ type: 'txn', request: { compare: [], success: onSuccess, failure: [] } });
  };
  const turn = () => new Promise<void>((resolve) => runtime.timers.nextTurn(resolve));
  return { search, write, turn };
}

test('a stream with many watches far behind does not keep others from their turn', async () => {
  const { search, write, turn } = setUp();
  for (let at = 0; at < 40; at++) await write(1000);
  const done: string[] = [];
  const many = search(40).then(() => done.push('many'));
  await turn();
  const one = search(1).then(() => done.push('one'));
  await Promise.all([many, one]);
  assert.deepEqual(done, ['one', 'many']);
});

test('watches far behind catch up with a history that grows faster than all of them together would read it', async () => {
  const { search, write, turn } = setUp();
  for (let at = 0; at < 12; at++) await write(1000);
  let searching = 60;
  const searches = Array.from({ length: searching }, () => search(1).then(() => searching--));
  let turns = 0;
  for (; searching > 0 && turns < 400; turns++) {
    await write(1000);
    await turn();
  }
  assert.equal(searching, 0, `${searching} still search after ${turns} turns`);
  await Promise.all(searches);
});
