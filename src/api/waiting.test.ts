import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from '../keyspace/index.ts';
import type { ProposeOptions, WaitOptions } from '../member/types.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { PutRequest, RangeRequest, services } from '../wire/index.ts';
import { Api } from './api.ts';
import { TestingCall, TestingMember } from './testing.ts';

class ListeningMember extends TestingMember {
  readonly waits: (number | undefined)[] = [];

  override propose(command: Command, options: ProposeOptions = {}) {
    this.waits.push(options.timeoutMs);
    return super.propose(command, options);
  }

  override readBarrier(options: WaitOptions = {}) {
    this.waits.push(options.timeoutMs);
    return super.readBarrier();
  }
}

test('a request waits in the member for as long as its caller; what clears up behind one that has left, for longer', async () => {
  const runtime = manualRuntime();
  const member = new ListeningMember(runtime);
  const { registry } = new Api(member, { runtime });
  const [put, range] = [services.KV.put, services.KV.range].map(({ path }) => registry.get(path));
  assert.ok(put?.shape === 'unary' && range?.shape === 'unary');
  const key = new Uint8Array([1]);
  for (const deadlineMs of [1234, undefined, 0]) {
    const call = Object.assign(new TestingCall(), { deadlineMs });
    await put.handler(PutRequest.create({ key }), call);
    await range.handler(RangeRequest.create({ key }), call);
  }
  assert.deepEqual(member.waits, [1234, 1234, undefined, undefined, undefined, undefined]);
});
