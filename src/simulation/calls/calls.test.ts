import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Api } from '../../api/index.ts';
import { TestingMember } from '../../api/testing.ts';
import { type ConclaveClient, connectClient, toBytes, toText } from '../../client/index.ts';
import { PortServer } from '../../embedded/port-server.ts';
import { ConclaveError } from '../../errors/index.ts';
import { Member } from '../../member/index.ts';
import type { CloseCause, Connection } from '../../runtime/types.ts';
import { services } from '../../wire/index.ts';
import { SimulatedDisk } from '../disk/index.ts';
import { TestingWorld } from '../network/testing.ts';
import type { Process } from '../world/process.ts';
import { AcceptedPort } from './connection-port.ts';
import { type CallServer, serveCalls } from './serve.ts';
import { simulatedTransport } from './transport.ts';

const port = 2379;

function endpointOn(process: Process): string {
  return `http://${process.host.address}:${port}`;
}

function clientOn(process: Process, ...servers: Process[]): ConclaveClient {
  const { runtime } = process;
  return connectClient({
    endpoints: servers.map(endpointOn),
    runtime,
    transport: simulatedTransport(runtime),
  });
}

/** A member without consensus on the first host. */
async function served(
  seed: number,
): Promise<{ life: TestingWorld; member: TestingMember; server: CallServer }> {
  const life = new TestingWorld(seed);
  const { runtime } = life.process(0);
  const member = new TestingMember(runtime);
  const address = { host: life.host(0).address, port };
  return { life, member, server: await serveCalls(member, { runtime, address }) };
}

describe('Calls over a simulated network', () => {
  test('reach a cluster of real members', async () => {
    const hashes: string[] = [];
    for (const seed of [4, 4]) {
      const life = new TestingWorld(seed);
      const peerUrl = (at: number) => `http://${life.host(at).address}:2380`;
      const initialCluster = life.hosts.map(({ name }, at) => ({ name, peerUrls: [peerUrl(at)] }));
      const processes = life.hosts.map((host) => {
        const process = life.world.startProcess(host.name, host);
        const disk = new SimulatedDisk(life.world, host, life.world.random(`disk ${host.name}`));
        process.attach({ disk: disk.of(process), network: life.network.of(process) });
        return process;
      });
      let tapped = 0;
      life.network.onFrame = () => {
        tapped += 1;
      };
      for (const [at, { runtime, host }] of processes.entries()) {
        const member = await life.until(
          Member.start({
            name: host.name,
            dataDir: '/data',
            peerListenUrls: [peerUrl(at)],
            clientAdvertiseUrls: [`http://${host.address}:${port}`],
            initialCluster,
            runtime,
          }),
        );
        await serveCalls(member, { runtime, address: { host: host.address, port } });
      }
      const client = clientOn(life.process(2), ...processes);
      await life.until(client.put('a', 'one'));
      const stop = new AbortController();
      const seen: string[] = [];
      const watching = (async () => {
        for await (const { events } of client.watch({ key: toBytes('a') }, { signal: stop.signal })) {
          seen.push(...events.map((event) => toText(event.kv?.value ?? toBytes('?'))));
          if (seen.length === 0) void client.put('a', 'two').then(() => client.put('a', 'three'));
          if (seen.length === 2) stop.abort();
        }
      })();
      await life.until(watching);
      assert.deepEqual(seen, ['two', 'three']);
      await life.until(client.close());
      assert.ok(tapped > 0 && tapped === life.network.counts.raftMessages);
      hashes.push(life.world.trace.hash);
    }
    assert.equal(hashes[0], hashes[1]);
  });

  test('fail without effect where the connection never came up', async () => {
    const life = new TestingWorld(2);
    const transport = simulatedTransport(life.process(1).runtime)(endpointOn(life.process(0)));
    const breaks: ConclaveError[] = [];
    transport.onBreak((cause) => breaks.push(cause));
    const request = services.KV.range.decodeRequest(new Uint8Array(0));
    const call = transport.unary(services.KV.range, request, { timeoutMs: 1000 });
    await assert.rejects(
      life.until(call),
      (error) => ConclaveError.is(error, 'unavailable') && error.outcome === 'not-applied',
    );
    assert.equal(breaks.length, 1);
    assert.equal(breaks[0]?.outcome, 'not-applied');
  });

  test('may have had an effect where the connection was lost', async () => {
    const { life } = await served(3);
    const transport = simulatedTransport(life.process(1).runtime)(endpointOn(life.process(0)));
    const request = services.KV.range.decodeRequest(toBytes('\n\u0001a'));
    const ask = () => transport.unary(services.KV.range, request, { timeoutMs: 60_000 });
    assert.deepEqual((await life.until(ask())).kvs, []);
    life.process(0).pause();
    const call = ask();
    await life.run(100);
    life.network.breakConnections({ seenBy: 'both' });
    await assert.rejects(
      life.until(call),
      (error) => ConclaveError.is(error, 'unavailable') && error.outcome === 'unknown',
    );
    await assert.rejects(ask(), (error) => ConclaveError.is(error) && error.outcome === 'not-applied');
  });

  test('tell the member whether the holder or the network ended the connection', async () => {
    const causes: (CloseCause | undefined)[] = [];
    for (const fault of ['death', 'break'] as const) {
      const life = new TestingWorld(5);
      const { runtime } = life.process(0);
      const api = new Api(new TestingMember(runtime), { runtime });
      const servers: PortServer[] = [];
      await runtime.network.listen({ host: '0.0.0.0', port }, (connection) =>
        servers.push(new PortServer(api.registry, new AcceptedPort(connection), runtime)),
      );
      const client = clientOn(life.process(1), life.process(0));
      await life.until(client.put('a', 'one'));
      if (fault === 'death') life.process(1).die();
      else life.network.breakConnections({ seenBy: 'both' });
      let cause: CloseCause | undefined;
      void servers[0]?.ended.then((by) => {
        cause = by;
      });
      await life.run(100);
      causes.push(cause);
    }
    assert.deepEqual(causes, ['peer', 'broken']);
  });

  test('end when their time is up, or their caller gives up', async () => {
    const { life, server } = await served(6);
    const client = clientOn(life.process(1), life.process(0));
    await life.until(client.put('a', 'one'));
    life.process(0).pause();
    await assert.rejects(life.until(client.get('a', { timeoutMs: 200 })), (error) =>
      ConclaveError.is(error, 'timeout'),
    );
    const stop = new AbortController();
    const get = client.get('a', { signal: stop.signal });
    await life.run(10);
    stop.abort();
    await assert.rejects(life.until(get), (error) => ConclaveError.is(error, 'aborted'));
    life.process(0).resume();
    assert.equal(toText((await life.until(client.get('a')))?.value ?? toBytes('')), 'one');
    await life.until(client.close());
    await life.until(server.close());
  });

  test('a stream of many large answers to a slow reader costs the member no memory, and loses nothing', async () => {
    const life = new TestingWorld(7);
    const { runtime } = life.process(0);
    const api = new Api(new TestingMember(runtime), { runtime });
    const connections: Connection[] = [];
    await runtime.network.listen({ host: '0.0.0.0', port }, (connection) => {
      connections.push(connection);
      new PortServer(api.registry, new AcceptedPort(connection), runtime);
    });
    const writer = clientOn(life.process(0), life.process(0));
    const reader = clientOn(life.process(1), life.process(0));
    const seen: number[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const { events } of reader.watch({ key: toBytes('k') }, { signal: stop.signal })) {
        seen.push(...events.map((event) => (event.kv?.value ?? toBytes('')).length));
      }
    })();
    await life.run(100);
    life.process(1).pause();
    const value = 'x'.repeat(50_000);
    for (let count = 0; count < 60; count++) await life.until(writer.put('k', value));
    await life.run(1000);
    assert.equal(seen.length, 0);
    const buffered = connections.map((connection) => connection.bufferedBytes);
    assert.ok(Math.max(...buffered) > 0 && Math.max(...buffered) < 4 * value.length, String(buffered));
    life.process(1).resume();
    await life.run(5000, () => seen.length === 60);
    assert.deepEqual(
      seen,
      Array.from({ length: 60 }, () => value.length),
    );
    stop.abort();
    await life.until(watching);
  });

  test('are ended by a server that closes, which then listens no more', async () => {
    const { life, server, member } = await served(8);
    const client = clientOn(life.process(1), life.process(0));
    await life.until(client.put('a', 'one'));
    await life.until(member.prepareToStop());
    await life.until(server.close());
    await life.until(server.close());
    const network = life.network.of(life.process(1));
    await assert.rejects(life.until(network.connect(server.address, { timeoutMs: 100 })), (error) =>
      ConclaveError.is(error, 'unavailable'),
    );
    assert.equal(life.network.openConnections, 0);
  });
});
