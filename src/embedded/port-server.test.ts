import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { Api } from '../api/index.ts';
import { TestingMember } from '../api/testing.ts';
import {
  type ConclaveClient,
  connectClient,
  PortTransport,
  ThreadPort,
  toBytes,
  toText,
} from '../client/index.ts';
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime } from '../runtime/index.ts';
import { services } from '../wire/index.ts';
import { PortServer } from './port-server.ts';

const runtime = nodeRuntime();

describe('A client over a message port', () => {
  const member = new TestingMember(runtime);
  const servers: PortServer[] = [];
  let api: Api;
  let client: ConclaveClient;

  function connect(): PortTransport {
    const { port1, port2 } = new MessageChannel();
    servers.push(new PortServer(api.registry, new ThreadPort(port2), runtime));
    return new PortTransport('here', new ThreadPort(port1), runtime);
  }

  before(() => {
    api = new Api(member, { runtime });
    client = connectClient({ endpoints: 'here', runtime, transport: connect });
  });
  after(async () => {
    await client.close();
    await api[Symbol.asyncDispose]();
  });

  test('puts, reads and renews', async () => {
    await client.put('a', 'one');
    assert.equal(toText((await client.get('a'))?.value ?? toBytes('none')), 'one');
    const { lease } = await client.leaseGrant(2500);
    assert.equal(await client.renewLease(lease), 2500);
  });

  test('gets errors as the member meant them', async () => {
    await assert.rejects(client.leaseRevoke(123n), (error) => ConclaveError.is(error, 'lease-lost'));
    await assert.rejects(client.put('', 'x'), (error) => ConclaveError.is(error, 'invalid-argument'));
  });

  test('is sent no more than the answer, which may lie within a larger array', async () => {
    const { port1, port2 } = new MessageChannel();
    servers.push(new PortServer(api.registry, new ThreadPort(port2), runtime));
    const held: number[] = [];
    port1.on('message', ({ body }: { readonly body?: Uint8Array }) =>
      held.push(body?.buffer.byteLength ?? 0),
    );
    const transport = new PortTransport('here', new ThreadPort(port1), runtime);
    await using own = connectClient({ endpoints: 'here', runtime, transport: () => transport });
    const stop = new AbortController();
    let watching = 0;
    const watches = ['one', 'another'].map(async () => {
      for await (const { events } of own.watch({ key: toBytes('shared') }, { signal: stop.signal })) {
        if (events.length > 0) return;
        if (++watching === 2) await client.put('shared', 'x');
      }
    });
    await Promise.all(watches);
    stop.abort();
    assert.ok(held.length >= 4, `${held}`);
    assert.ok(Math.max(...held) < 1000, `${held} bytes came with messages`);
  });

  test('gets every event of a watch though it reads slowly', async () => {
    const count = 700;
    const seen: string[] = [];
    const stop = new AbortController();
    for await (const { events } of client.watch({ key: toBytes('slow') }, { signal: stop.signal })) {
      if (seen.length === 0 && events.length === 0) {
        for (let n = 1; n <= count; n += 1) await client.put('slow', String(n));
      }
      seen.push(...events.map((event) => toText(event.kv?.value ?? toBytes('?'))));
      if (seen.length === count) stop.abort();
    }
    assert.deepEqual(
      seen,
      Array.from({ length: count }, (_, n) => String(n + 1)),
    );
  });

  test('sees a break at once and connects again', async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    for await (const { events } of client.watch({ key: toBytes('b') }, { signal: stop.signal })) {
      seen.push(events.length);
      if (seen.length === 3) stop.abort();
      if (seen.length === 2) for (const server of servers) server.close();
      await client.put('b', 'x');
    }
    assert.deepEqual(seen, [0, 1, 1]);
  });

  test('refuses a method that is not there', async () => {
    const transport = connect();
    const nowhere = { ...services.KV.range, path: '/nowhere/nothing' };
    const request = services.KV.range.decodeRequest(new Uint8Array(0));
    await assert.rejects(transport.unary(nowhere, request, { timeoutMs: 1000 }), (error) =>
      ConclaveError.is(error, 'unsupported'),
    );
    transport.close();
  });
});
