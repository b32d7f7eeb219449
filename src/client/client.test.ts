import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type ApiServer, serveApi } from '../api/index.ts';
import { TestingMember } from '../api/testing.ts';
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime } from '../runtime/index.ts';
import { type ConclaveClient, connectClient, toBytes, toText, type WatchBatch } from './index.ts';

const runtime = nodeRuntime();

function serve(member: TestingMember, port = 0): Promise<ApiServer> {
  return serveApi(member, { runtime, listen: { host: '127.0.0.1', port }, closeGraceMs: 10 });
}

function endpointOf(server: ApiServer): string {
  return `127.0.0.1:${server.address.port}`;
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = await serve(new TestingMember(runtime));
  await server.close();
  return server.address.port;
}

describe('A client of one server', () => {
  const member = new TestingMember(runtime);
  let server: ApiServer;
  let client: ConclaveClient;

  before(async () => {
    server = await serve(member);
    client = connectClient({ endpoints: endpointOf(server), runtime });
  });
  after(async () => {
    await client.close();
    await server.close();
  });

  test('reads what it put', async () => {
    await client.put('a', 'one');
    const kv = await client.get('a');
    assert.equal(toText(kv?.value ?? toBytes('none')), 'one');
    assert.equal(await client.get('b'), undefined);
  });

  test('deletes by prefix and tells how many', async () => {
    await Promise.all(['p/1', 'p/2', 'q'].map((key) => client.put(key, key)));
    assert.equal((await client.deleteRange('p/', { prefix: true })).deleted, 2);
    assert.notEqual(await client.get('q'), undefined);
  });

  test('applies a sequence of transactions at revisions of their own', async () => {
    const key = toBytes('moved');
    await client.put(key, 'old');
    const answers = await client.txnSequence([
      { success: [{ request: { $case: 'requestDeleteRange', value: { key } } }] },
      { success: [{ request: { $case: 'requestPut', value: { key, value: toBytes('new') } } }] },
    ]);
    const [first = 0, second = 0] = answers.map((answer) => answer.header?.revision);
    assert.equal(second, first + 1);
    assert.equal((await client.get(key))?.createRevision, second);
  });

  test('keeps the server error with its code, text and outcome', async () => {
    await assert.rejects(client.compact(1_000_000), (error) => {
      assert.ok(ConclaveError.is(error, 'out-of-range'));
      assert.match(error.message, /required revision is a future revision/);
      assert.equal(error.outcome, 'not-applied');
      return true;
    });
  });

  test('grants, renews and revokes leases in milliseconds', async () => {
    const { lease, ttlMs } = await client.leaseGrant(1234);
    assert.equal(ttlMs, 1234);
    assert.deepEqual(await client.leases(), [lease]);
    assert.equal(await client.renewLease(lease), 1234);
    await client.leaseRevoke(lease);
    assert.equal(await client.renewLease(lease), 0);
    assert.equal(await client.leaseRemaining(lease), undefined);
  });

  test('renews all leases of one turn in one request', async () => {
    const granted = await Promise.all([1, 2, 3].map((n) => client.leaseGrant(n * 1000)));
    const from = member.proposed.length;
    const ttls = await Promise.all(granted.map(({ lease }) => client.renewLease(lease)));
    assert.deepEqual(ttls, [1000, 2000, 3000]);
    const renewals = member.proposed.slice(from).filter((command) => command.type === 'leaseRenew');
    assert.equal(renewals.length, 1);
  });

  test('tells the state of the member', async () => {
    assert.equal((await client.memberState()).name, 'testing');
    assert.equal((await client.memberList())[0]?.name, 'testing');
    assert.equal((await client.status()).leader, 0xa1n);
  });

  test('ends a watch with out-of-range where its revision is compacted', async () => {
    await client.put('w', '1');
    const { header } = await client.put('w', '2');
    await client.compact(header?.revision ?? 0);
    const watch = client.watch({ key: toBytes('w'), startRevision: 1 });
    await assert.rejects(
      async () => {
        for await (const _ of watch);
      },
      (error) => ConclaveError.is(error, 'out-of-range'),
    );
  });

  test('ends a watch quietly when its signal aborts', async () => {
    const stop = new AbortController();
    const batches: WatchBatch[] = [];
    for await (const batch of client.watch({ key: toBytes('w') }, { signal: stop.signal })) {
      batches.push(batch);
      stop.abort();
    }
    assert.equal(batches.length, 1);
    assert.equal(batches[0]?.events.length, 0);
  });

  test('retries what was refused for now under the same identity', async () => {
    member.failure = new ConclaveError('no-leader', 'nobody leads', { retryable: true });
    const putting = client.put('later', 'x');
    const seen = member.proposed.length;
    while (member.proposed.length < seen + 2) await new Promise((resolve) => setImmediate(resolve));
    member.failure = undefined;
    await putting;
    assert.notEqual(await client.get('later'), undefined);
  });

  test('says timeout with an unknown outcome when nobody could tell', async () => {
    member.failure = new ConclaveError('timeout', 'no answer', { retryable: true, outcome: 'unknown' });
    const failing = client.put('perhaps', 'x', { timeoutMs: 50 });
    await assert.rejects(
      failing,
      (error) => ConclaveError.is(error, 'timeout') && error.outcome === 'unknown',
    );
    member.failure = undefined;
  });

  test('says that nothing was applied when every attempt was refused', async () => {
    member.failure = new ConclaveError('no-leader', 'nobody leads', { retryable: true });
    const failing = client.put('never', 'x', { timeoutMs: 1000 });
    await assert.rejects(
      failing,
      (error) => ConclaveError.is(error, 'no-leader') && error.outcome === 'not-applied',
    );
    member.failure = undefined;
  });

  test('rejects at once when the signal has aborted', async () => {
    const signal = AbortSignal.abort('enough');
    await assert.rejects(client.put('x', 'y', { signal }), (error) => ConclaveError.is(error, 'aborted'));
    await assert.rejects(client.renewLease(1n, { signal }), (error) => ConclaveError.is(error, 'aborted'));
  });

  test('refuses everything once closed', async () => {
    const closing = connectClient({ endpoints: endpointOf(server), runtime });
    await closing.put('x', 'y');
    await closing.close();
    await assert.rejects(closing.put('x', 'y'), (error) => ConclaveError.is(error, 'closed'));
    await assert.rejects(closing.renewLease(1n), (error) => ConclaveError.is(error, 'closed'));
  });
});

describe('A client of several servers', () => {
  test('finds the one that works', async () => {
    const server = await serve(new TestingMember(runtime));
    const dead = [await freePort(), await freePort()].map((port) => `127.0.0.1:${port}`);
    await using client = connectClient({ endpoints: [...dead, endpointOf(server)], runtime });
    await client.put('a', 'b');
    await client.get('a');
    await client.close();
    await server.close();
  });

  test('says that none can be reached', async () => {
    await using client = connectClient({
      endpoints: `127.0.0.1:${await freePort()}`,
      runtime,
      timeoutMs: 100,
    });
    await assert.rejects(
      client.put('a', 'b'),
      (error) => ConclaveError.is(error, 'unavailable') && error.outcome === 'not-applied',
    );
  });

  test('resumes a watch on another server without losing or repeating an event', async () => {
    const member = new TestingMember(runtime);
    const servers = [await serve(member), await serve(member)];
    await using client = connectClient({ endpoints: servers.map(endpointOf), runtime });
    const values: string[] = [];
    for await (const { events } of client.watch({ key: toBytes('k') })) {
      values.push(...events.map((event) => toText(event.kv?.value ?? toBytes('?'))));
      const next = values.length + 1;
      if (next > 6) break;
      // Whichever server has the watch, each is gone once.
      if (next === 3 || next === 5) {
        const gone = servers.shift();
        await gone?.close();
        servers.push(await serve(member, gone?.address.port));
      }
      if (events.length > 0 || next === 1) await client.put('k', String(next));
    }
    assert.deepEqual(values, ['1', '2', '3', '4', '5', '6']);
    await client.close();
    for (const server of servers) await server.close();
  });

  test('gives up a server that accepts and then says nothing, and applies the call elsewhere', async () => {
    const held = new Set<Socket>();
    const silent = createServer((socket) => {
      held.add(socket);
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const member = new TestingMember(runtime);
    const server = await serve(member);
    const endpoints = [`127.0.0.1:${port}`, endpointOf(server)];
    // Whichever endpoint a client starts with: of several, one starts with the silent one.
    for (let n = 0; n < 6; n += 1) {
      await using client = connectClient({ endpoints, runtime, silenceMs: 30, probeTimeoutMs: 30 });
      await client.put('a', String(n));
      assert.equal(toText((await client.get('a'))?.value ?? toBytes('none')), String(n));
    }
    await server.close();
    for (const socket of held) socket.destroy();
    silent.close();
  });

  test('takes its watches away from a member on which calls fail', async () => {
    const members = [new TestingMember(runtime), new TestingMember(runtime)];
    const servers = await Promise.all(members.map((member) => serve(member)));
    await using client = connectClient({ endpoints: servers.map(endpointOf), runtime });
    const watched = (): TestingMember | undefined =>
      members.find((member) => member.keyspace.watcherCount > 0);
    const seen: string[] = [];
    for await (const { events } of client.watch({ key: toBytes('k') })) {
      seen.push(...events.map((event) => toText(event.kv?.value ?? toBytes('?'))));
      if (seen.length > 0) break;
      const cutOff = watched();
      assert.ok(cutOff);
      cutOff.failure = new ConclaveError('no-leader', 'cut off from the others', { retryable: true });
      // The call finds another member; the watch, which would stay silent for ever, must follow.
      await client.put('k', 'elsewhere');
    }
    assert.deepEqual(seen, ['elsewhere']);
    await client.close();
    for (const server of servers) await server.close();
  });

  test('fails a watch that asked for it while no server has a leader, and goes on with another', async () => {
    const members = [new TestingMember(runtime), new TestingMember(runtime)];
    const servers = await Promise.all(members.map((member) => serve(member)));
    await using client = connectClient({ endpoints: servers.map(endpointOf), runtime });
    const key = toBytes('k');
    const patient = client.watch({ key });
    await patient.next();
    const change = patient.next();
    const watch = client.watch({ key }, { outageMs: 200 });
    await watch.next();
    const at = members.findIndex(({ keyspace }) => keyspace.watcherCount > 0);
    const rest = members[1 - at] as TestingMember;
    rest.led = false;
    await servers[at]?.close();
    await assert.rejects(watch.next(), (error) => {
      assert.ok(ConclaveError.is(error, 'unavailable') && error.retryable);
      assert.match(error.message, /knows no leader|ECONNREFUSED|closing/);
      return true;
    });
    rest.led = true;
    await client.put('k', 'again');
    const { value } = await change;
    assert.equal(toText(value?.events[0]?.kv?.value ?? toBytes('none')), 'again');
    await patient.return(undefined);
    await client.close();
    await servers[1 - at]?.close();
  });

  test('applies a mutation once though its answer was lost and it was sent again', async () => {
    const member = new TestingMember(runtime);
    const servers = [await serve(member), await serve(member)];
    await using client = connectClient({ endpoints: servers.map(endpointOf), runtime });
    await client.put('counter', '0');
    const original = member.propose.bind(member);
    let lost = 0;
    member.propose = async (command, options) => {
      const result = await original(command, options);
      if (command.type === 'put' && lost++ === 0) {
        throw new ConclaveError('timeout', 'the answer was lost', { retryable: true, outcome: 'unknown' });
      }
      return result;
    };
    await client.put('counter', '1');
    assert.equal((await client.get('counter'))?.version, 2);
    await client.close();
    for (const server of servers) await server.close();
  });
});

describe('A lease bound to a connection', () => {
  test('is left alone when the holder undoes the binding before it leaves', async () => {
    const member = new TestingMember(runtime);
    const server = await serve(member);
    const holder = connectClient({ endpoints: endpointOf(server), runtime });
    const { lease } = await holder.leaseGrant(60_000);
    const attachment = await holder.attach(lease, { graceMs: 5 });
    assert.equal(attachment.state, 'attached');
    await attachment.close();
    assert.equal(
      member.proposed.some((command) => command.type === 'detach'),
      false,
    );
    await holder.close();
    await server.close();
  });

  test('is bound elsewhere, without a break, when its member says that it stops', async () => {
    const members = [new TestingMember(runtime), new TestingMember(runtime)];
    const servers = await Promise.all(members.map((member) => serve(member)));
    await using client = connectClient({ endpoints: servers.map(endpointOf), runtime });
    const lease = 77n;
    for (const member of members) await member.propose({ type: 'leaseGrant', lease, ttlMs: 60_000 });
    const attachment = await client.attach(lease, { graceMs: 5 });
    const states: string[] = [];
    attachment.subscribe((state) => states.push(state));
    const attachedTo = (member: TestingMember): boolean =>
      (member.keyspace.lease(lease, false)?.attachment ?? 0) > 0;
    const stopping = members.find(attachedTo);
    const other = members.find((member) => member !== stopping);
    assert.ok(stopping && other);
    await stopping.prepareToStop();
    while (!attachedTo(other)) await new Promise((resolve) => setImmediate(resolve));
    await servers[members.indexOf(stopping)]?.close();
    assert.deepEqual(states, ['attached']);
    assert.equal(
      stopping.proposed.some((command) => command.type === 'detach'),
      false,
    );
    await client.close();
    for (const server of servers) await server.close();
  });

  test('tells a break at once and is bound again', async () => {
    const member = new TestingMember(runtime);
    const server = await serve(member);
    await using client = connectClient({ endpoints: endpointOf(server), runtime });
    const { lease } = await client.leaseGrant(60_000);
    const attachment = await client.attach(lease, { graceMs: 5 });
    const states: string[] = [];
    const again = new Promise<void>((resolve) => {
      attachment.subscribe((state) => {
        states.push(state);
        if (states.length === 3) resolve();
      });
    });
    await server.close();
    const next = await serve(member, server.address.port);
    await again;
    assert.deepEqual(states, ['attached', 'broken', 'attached']);
    await client.close();
    await next.close();
  });

  test('is lost where there is no such lease', async () => {
    const server = await serve(new TestingMember(runtime));
    await using client = connectClient({ endpoints: endpointOf(server), runtime });
    await assert.rejects(client.attach(5n, { graceMs: 1 }), (error) => ConclaveError.is(error, 'lease-lost'));
    await client.close();
    await server.close();
  });
});
