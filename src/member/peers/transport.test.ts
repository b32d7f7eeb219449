import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Connection, nodeRuntime } from '../../runtime/index.ts';
import { manualRuntime } from '../../runtime/testing.ts';
import { silentLogger } from '../logger.ts';
import { encodeGreeting, FrameSplitter, frameHead, frameKinds } from './frames.ts';
import { PeerTransport, type PeerTransportOptions } from './transport.ts';

const runtime = nodeRuntime();
const loopback = '127.0.0.1';

/** An event log that a test can wait on. */
class Journal {
  private readonly lines: string[] = [];
  private wake: (() => void) | undefined;
  add(line: string): void {
    this.lines.push(line);
    this.wake?.();
  }
  async until(line: string): Promise<void> {
    while (!this.lines.includes(line)) await new Promise<void>((resolve) => (this.wake = resolve));
    this.lines.splice(0, this.lines.indexOf(line) + 1);
  }
  has(line: string): boolean {
    return this.lines.includes(line);
  }
}

async function freePort(): Promise<number> {
  const listener = await runtime.network.listen({ host: loopback, port: 0 }, () => {});
  const { port } = listener.address;
  await listener.close();
  return port;
}

function member(
  memberId: number,
  ports: ReadonlyMap<number, number>,
  changes: Partial<PeerTransportOptions> = {},
) {
  const journal = new Journal();
  const transport = new PeerTransport({
    runtime,
    logger: silentLogger,
    clusterId: 7,
    memberId,
    listen: [{ host: loopback, port: ports.get(memberId) as number }],
    peers: [...ports]
      .filter(([id]) => id !== memberId)
      .map(([id, port]) => ({ memberId: id, addresses: [{ host: loopback, port }] })),
    announcement: Uint8Array.of(memberId),
    admit: ({ from }) =>
      ports.has(from) ? undefined : { code: 'unknown', text: `Member ${from} is not part of this.` },
    greeting: () => ({ fresh: false, configurationIndex: 0, peerUrls: [] }),
    onRefusal: ({ code }) => journal.add(`refused: ${code}`),
    addressesOf: (urls) => urls.map((url) => ({ host: loopback, port: Number(url) })),
    toldCluster: () => Uint8Array.of(123, 125),
    onFrame: (peer, frame) =>
      journal.add(`${peer}:${frame.kind}:${frame.group}:${Buffer.from(frame.payload).toString('latin1')}`),
    onLink: (peer, state) => journal.add(`${peer} ${state}`),
    ...changes,
  });
  return { transport, journal };
}

async function pair(context: TestContext) {
  const ports = new Map([
    [1, await freePort()],
    [2, await freePort()],
  ]);
  const one = member(1, ports);
  const two = member(2, ports);
  context.after(async () => {
    await one.transport.close();
    await two.transport.close();
  });
  await one.transport.start();
  await two.transport.start();
  await Promise.all([one.journal.until('2 up'), two.journal.until('1 up')]);
  return { ports, one, two };
}

test('two members find each other, whoever starts first, and frames carry their group', async (context) => {
  const { one, two } = await pair(context);
  assert.equal(one.transport.connected(2), true);
  assert.equal(one.transport.send(2, frameKinds.raft, 9, Buffer.from('hello')), true);
  one.transport.flush();
  await two.journal.until(`1:${frameKinds.raft}:9:hello`);
});

test('a member that goes is noticed by its connections, and found again when it is back', async (context) => {
  const { ports, one, two } = await pair(context);
  await two.transport.close();
  await one.journal.until('2 down');
  assert.equal(one.transport.connected(2), false);
  const again = member(2, ports);
  context.after(() => again.transport.close());
  await again.transport.start();
  await one.journal.until('2 up');
});

/** Greets the transport under test as somebody and gives what it answers. */
async function greet(port: number, greeting: Uint8Array): Promise<string> {
  const connection: Connection = await runtime.network.connect({ host: loopback, port }, { timeoutMs: 2000 });
  const splitter = new FrameSplitter();
  return new Promise((resolve) => {
    connection.onClose = () => resolve('closed');
    connection.onData = (chunk) =>
      splitter.push(chunk, (frame) => {
        resolve(
          frame.kind === frameKinds.refusal ? Buffer.from(frame.payload).toString() : `kind ${frame.kind}`,
        );
        connection.destroy();
      });
    connection.write([frameHead(frameKinds.greeting, 0, greeting.length), greeting]);
  });
}

test('a stranger, another cluster and a wrong address are refused with the reason', async (context) => {
  const { ports } = await pair(context);
  const port = ports.get(1) as number;
  const hello = { version: 1, clusterId: 7, from: 2, to: 1 };
  assert.match(
    await greet(port, encodeGreeting({ ...hello, clusterId: 8 })),
    /belongs to cluster 7, not to 8/,
  );
  assert.match(await greet(port, encodeGreeting({ ...hello, to: 3 })), /This is member 1, not 3/);
  assert.match(await greet(port, encodeGreeting({ ...hello, from: 9 })), /Member 9 is not part/);
  assert.equal(await greet(port, Buffer.from('not a greeting at all, but long enough')), 'closed');
});

const pairPorts = new Map([
  [1, 3001],
  [2, 3002],
]);

/** Two members on a manual runtime, whose links a test can silence. */
async function manualPair() {
  const manual = manualRuntime();
  const one = member(1, pairPorts, { runtime: manual });
  const two = member(2, pairPorts, { runtime: manual });
  await one.transport.start();
  await two.transport.start();
  await manual.advance(100);
  return { manual, one, two };
}

/** Member 1, linked to a member 2 by hand: what that accepts and what it dials can end one after the other. */
async function besideOneByHand() {
  const manual = manualRuntime();
  const one = member(1, pairPorts, { runtime: manual });
  const accepted: Connection[] = [];
  const greeting = encodeGreeting({ version: 1, clusterId: 7, from: 2, to: 1 });
  const writeGreeting = (connection: Connection) =>
    connection.write([frameHead(frameKinds.greeting, 0, greeting.length), greeting]);
  const listener = await manual.network.listen({ host: loopback, port: 3002 }, (connection) => {
    accepted.push(connection);
    writeGreeting(connection);
  });
  await one.transport.start();
  const dialling = manual.network.connect({ host: loopback, port: 3001 }, { timeoutMs: 1000 });
  await manual.advance(0);
  const dialled = await dialling;
  writeGreeting(dialled);
  await manual.advance(10);
  await one.journal.until('2 up');
  return { manual, one, accepted, dialled, listener };
}

test('a link on which nothing is heard any more is given up, and made anew when the network is back', async () => {
  const { manual, one, two } = await manualPair();
  assert.ok(one.transport.connected(2) && two.transport.connected(1));
  await manual.advance(60_000);
  assert.ok(one.transport.connected(2) && two.transport.connected(1), 'an idle link lives');
  manual.network.silence();
  await manual.advance(8000);
  manual.network.speak();
  await manual.advance(0);
  assert.ok(one.journal.has('2 down') && two.journal.has('1 down'));
  await manual.advance(3000);
  assert.ok(one.transport.connected(2) && two.transport.connected(1));
  await one.transport.close();
  await two.transport.close();
});

test('a pause of our own is not held against the peers', async () => {
  const { manual, one, two } = await manualPair();
  await manual.clock.stall(20_000);
  await manual.advance(1000);
  assert.ok(!one.journal.has('2 down') && !two.journal.has('1 down'));
  await one.transport.close();
  await two.transport.close();
});

test('a connection of which the peer says that nothing arrives on it is made anew', async () => {
  const { manual, one, two } = await manualPair();
  await manual.advance(2000);
  // As member 1 after it lost power and came back: it has dialled, and knows nothing of what we hold to be up.
  const dialled = await manual.network.connect({ host: loopback, port: 3002 }, { timeoutMs: 1000 });
  const greeting = encodeGreeting({ version: 1, clusterId: 7, from: 1, to: 2 });
  dialled.write([frameHead(frameKinds.greeting, 0, greeting.length), greeting]);
  assert.ok(!two.journal.has('1 down'));
  dialled.write([frameHead(frameKinds.alive, 0, 1), Uint8Array.of(0)]);
  await manual.advance(1000);
  assert.ok(two.journal.has('1 down'));
  assert.ok(one.transport.connected(2) && two.transport.connected(1));
  await one.transport.close();
  await two.transport.close();
});

test('a connection to a peer that has lost its own to us is made anew: it may be as dead, and nobody can say so', async () => {
  const { manual, one, accepted, dialled, listener } = await besideOneByHand();
  // Member 2 never learns that what it dialled broke at the other end, and hears nothing on what it accepted.
  dialled.destroy();
  await manual.advance(2500);
  assert.equal(accepted.length, 1, 'the peer may be about to dial');
  await manual.advance(2000);
  assert.equal(accepted.length, 2);
  await manual.advance(2000);
  assert.equal(accepted.length, 2, 'the new one is given its time');
  await one.transport.close();
  await listener.close();
});

test('that nothing more will come from a peer is told, although the way to it was known to be broken before', async () => {
  const { manual, one, accepted, dialled, listener } = await besideOneByHand();
  await listener.close();
  accepted[0]?.destroy();
  await manual.advance(0);
  await one.journal.until('2 down');
  // On its way when the process died.
  dialled.write([frameHead(frameKinds.raft, 5, 1), Uint8Array.of(65)]);
  await manual.advance(0);
  await one.journal.until('2:3:5:A');
  dialled.destroy();
  await manual.advance(0);
  assert.ok(one.journal.has('2 down'));
  await one.transport.close();
});

test('one that is let in unknown is reached where its greeting says, as long as it stays', async (context) => {
  const [first, third] = [await freePort(), await freePort()];
  const one = member(1, new Map([[1, first]]), { admit: () => undefined });
  const three = member(3, new Map([...[[1, first] as const], [3, third]]), {
    greeting: () => ({ fresh: false, configurationIndex: 9, peerUrls: [String(third)] }),
  });
  context.after(async () => {
    await one.transport.close();
    await three.transport.close();
  });
  await one.transport.start();
  await three.transport.start();
  await Promise.all([one.journal.until('3 up'), three.journal.until('1 up')]);
  assert.equal(one.transport.send(3, frameKinds.raft, 9, Buffer.from('hello')), true);
  one.transport.flush();
  await three.journal.until(`1:${frameKinds.raft}:9:hello`);
  await three.transport.close();
  await one.journal.until('3 down');
  assert.equal(one.transport.send(3, frameKinds.raft, 9, Buffer.from('hello')), false);
});

test('one that is let in unknown and did not say where it is is reached when it greets again and does', async (context) => {
  const [first, third] = [await freePort(), await freePort()];
  const one = member(1, new Map([[1, first]]), { admit: () => undefined });
  const silent = member(3, new Map([...[[1, first] as const], [3, third]]));
  const three = member(3, new Map([...[[1, first] as const], [3, third]]), {
    greeting: () => ({ fresh: false, configurationIndex: 9, peerUrls: [String(third)] }),
    listen: [],
  });
  context.after(async () => {
    for (const { transport } of [one, silent, three]) await transport.close();
  });
  await one.transport.start();
  await silent.transport.start();
  // Its connection stands, and is replaced by that of the other one.
  await three.transport.start();
  await one.journal.until('3 up');
});

test('who is no peer any more keeps its connections for a while, is not dialled again, and can come back', async () => {
  const { manual, one, two } = await manualPair();
  one.transport.setPeers([]);
  await manual.advance(1000);
  assert.equal(one.transport.connected(2), true);
  one.transport.setPeers([{ memberId: 2, addresses: [{ host: loopback, port: 3002 }] }]);
  await manual.advance(10_000);
  assert.equal(one.transport.connected(2), true);
  one.transport.setPeers([]);
  await manual.advance(10_000);
  assert.equal(one.transport.connected(2), false);
  await one.transport.close();
  await two.transport.close();
});
