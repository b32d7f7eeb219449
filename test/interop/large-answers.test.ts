// Requests and answers of megabytes, to etcd and to our server: where watch responses are cut, what is refused, and in
// which order a request is found wrong and too large.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  services,
  TxnRequest,
  WatchCreateRequest,
  WatchRequest,
  type WatchResponse,
} from '../../src/wire/index.ts';
import { peer } from '../peers.ts';
import { Conversation, type Step } from './conversation.ts';
import { startConclave, startEtcd, type TestServer } from './servers.ts';

const etcd = peer('etcd');
const { KV, Watch } = services;
const bytes = (text: string): Uint8Array => Buffer.from(text);
const mebibyte = 1024 * 1024;
/** Such that two, with the previous values, stay below the 2 MiB of a message by less than their frames. */
const sizes = [900_000, 900_000, 300_000, 1_200_000, 1_000, 900_000, 1_048_450, 1_048_450];

async function fragments(talk: Conversation): Promise<void> {
  for (const [at, size] of sizes.entries()) {
    const request = PutRequest.create({ key: bytes(`f${at}`), value: new Uint8Array(size) });
    await talk.call('put', KV.put, request);
  }
  const range = { key: bytes('f'), rangeEnd: bytes('g') };
  for (const fragment of [true, false]) {
    const watch = talk.own(talk.caller.duplex(Watch.watch));
    const create = WatchCreateRequest.create({ ...range, fragment, prevKv: true });
    watch.send(WatchRequest.create({ requestUnion: { $case: 'createRequest', value: create } }));
    await talk.next('create', watch);
    const keys = sizes.map((_, at) => `f${at}`);
    const success = keys.map((key) =>
      RequestOp.create({
        request: { $case: 'requestDeleteRange', value: DeleteRangeRequest.create({ key: bytes(key) }) },
      }),
    );
    if (fragment) await talk.call('delete all', KV.txn, TxnRequest.create({ success }));
    else await talk.call('delete all', KV.deleteRange, DeleteRangeRequest.create(range));
    const seen: unknown[] = [];
    for (let events = 0; events < keys.length; ) {
      const response: WatchResponse | undefined = await watch.next();
      assert.ok(response !== undefined);
      events += response.events.length;
      seen.push([response.events.length, response.fragment, response.header?.revision]);
    }
    talk.steps.push({ name: `deletions, fragments ${fragment}`, answer: JSON.stringify(seen) });
    for (const key of keys) {
      const at = keys.indexOf(key);
      const request = PutRequest.create({ key: bytes(key), value: new Uint8Array(sizes[at] ?? 0) });
      await talk.call('put', KV.put, request);
    }
  }
}

async function limits(talk: Conversation): Promise<void> {
  const value = new Uint8Array(1.6 * mebibyte);
  const put = (name: string, request: Partial<PutRequest>) =>
    talk.call(name, KV.put, PutRequest.create(request));
  const putOf = (request: Partial<PutRequest>) =>
    RequestOp.create({ request: { $case: 'requestPut', value: PutRequest.create(request) } });
  await put('too large', { key: bytes('k'), value });
  await put('too large and without a key', { value });
  await put('too large with ignore_value', { key: bytes('k'), value, ignoreValue: true });
  await put('too large with an unknown lease', { key: bytes('k'), value, lease: 5n });
  const twice = [putOf({ key: bytes('k'), value }), putOf({ key: bytes('k') })];
  await talk.call('too large and twice', KV.txn, TxnRequest.create({ success: twice }));
  await talk.call('a range is no proposal', KV.range, RangeRequest.create({ key: value }));
  await talk.call('a deletion is one', KV.deleteRange, DeleteRangeRequest.create({ key: value }));
  await put('larger than any message', { key: bytes('k'), value: new Uint8Array(2 * mebibyte) });
}

describe('large answers are cut, and large requests refused, as by etcd', {
  skip: etcd.missing ?? false,
  concurrency: false,
}, () => {
  for (const [name, subject] of Object.entries({ fragments, limits })) {
    test(name, { timeout: 240_000 }, async () => {
      const record = async (start: Promise<TestServer>): Promise<readonly Step[]> => {
        await using server = await start;
        using talk = new Conversation(server.endpoint);
        await subject(talk);
        return talk.steps;
      };
      const expected = await record(startEtcd(etcd.path ?? '', { quick: true }));
      const answered = await record(startConclave({ quick: true }));
      for (const [at, step] of expected.entries()) assert.deepEqual(answered[at], step);
      assert.equal(answered.length, expected.length);
    });
  }
});
