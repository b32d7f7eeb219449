import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as net from 'node:net';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime } from './index.ts';
import type { Address, CloseCause, Connection, Listener } from './types.ts';

const { network } = nodeRuntime();
const anywhere = { host: '127.0.0.1', port: 0 };

interface Pair extends AsyncDisposable {
  readonly listener: Listener;
  readonly near: Connection;
  readonly far: Connection;
}

async function acceptOne(): Promise<{ listener: Listener; accepted: Promise<Connection> }> {
  let accept: (connection: Connection) => void = () => {};
  const accepted = new Promise<Connection>((resolve) => {
    accept = resolve;
  });
  return { listener: await network.listen(anywhere, (connection) => accept(connection)), accepted };
}

async function connectedPair(): Promise<Pair> {
  const { listener, accepted } = await acceptOne();
  const near = await network.connect(listener.address, { timeoutMs: 5000 });
  const far = await accepted;
  return {
    listener,
    near,
    far,
    async [Symbol.asyncDispose]() {
      near.destroy();
      far.destroy();
      await listener.close();
    },
  };
}

function closed(connection: Connection): Promise<CloseCause> {
  return new Promise((resolve) => {
    connection.onClose = resolve;
  });
}

/** Reads until `length` bytes have come. */
function received(connection: Connection, length: number): Promise<Uint8Array> {
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = [];
    let count = 0;
    connection.onData = (chunk) => {
      chunks.push(chunk);
      count += chunk.length;
      if (count >= length) resolve(Uint8Array.from(Buffer.concat(chunks)));
    };
  });
}

async function unusedAddress(): Promise<Address> {
  const listener = await network.listen(anywhere, () => {});
  await listener.close();
  return listener.address;
}

test('bytes arrive in order, whether written as one chunk, as small ones or as large ones', async () => {
  await using pair = await connectedPair();
  const parts = [
    [Uint8Array.of(1, 2, 3)],
    [Uint8Array.of(4), new Uint8Array(0), Uint8Array.of(5, 6)],
    [new Uint8Array(20_000).fill(7), new Uint8Array(300_000).fill(8)],
    [],
  ];
  const expected = Uint8Array.from(Buffer.concat(parts.flat()));
  const arrived = received(pair.far, expected.length);
  for (const chunks of parts) pair.near.write(chunks);
  assert.deepEqual(await arrived, expected);
});

test('a chunk is a plain Uint8Array that owns its memory', async () => {
  await using pair = await connectedPair();
  const arrived = new Promise<Uint8Array>((resolve) => {
    pair.far.onData = resolve;
  });
  pair.near.write([Uint8Array.of(1, 2, 3)]);
  const chunk = await arrived;
  assert.equal(Object.getPrototypeOf(chunk), Uint8Array.prototype);
  assert.ok(chunk.buffer.byteLength < 1024, `3 bytes pin ${chunk.buffer.byteLength}`);
});

test('what arrives before there is a handler is kept for it', async () => {
  await using pair = await connectedPair();
  const back = received(pair.near, 1);
  pair.near.write([Uint8Array.of(1, 2)]);
  // The other direction answers only after the far side has certainly had time to read.
  pair.far.write([Uint8Array.of(9)]);
  await back;
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const arrived = received(pair.far, 4);
  pair.near.write([Uint8Array.of(3, 4)]);
  assert.deepEqual(await arrived, Uint8Array.of(1, 2, 3, 4));
});

test('bufferedBytes falls to zero with a call of onDrained, once a slow reader reads', async () => {
  await using pair = await connectedPair();
  const length = 32 * 1024 * 1024;
  const drained = new Promise<void>((resolve) => {
    pair.near.onDrained = resolve;
  });
  pair.near.write([new Uint8Array(length)]);
  assert.equal(pair.near.bufferedBytes, length);
  await received(pair.far, length);
  await drained;
  assert.equal(pair.near.bufferedBytes, 0);
});

test('end flushes, and says local here and peer there', async () => {
  await using pair = await connectedPair();
  const causes = Promise.all([closed(pair.near), closed(pair.far)]);
  const length = 8 * 1024 * 1024;
  const arrived = received(pair.far, length);
  pair.near.onData = () => {};
  pair.near.write([new Uint8Array(length)]);
  pair.near.end();
  assert.equal((await arrived).length, length);
  assert.deepEqual(await causes, ['local', 'peer']);
});

test('destroy says local here and peer there', async () => {
  await using pair = await connectedPair();
  const causes = Promise.all([closed(pair.near), closed(pair.far)]);
  pair.near.destroy();
  assert.deepEqual(await causes, ['local', 'peer']);
});

test('a process that is killed is a peer that closed', async () => {
  const { listener, accepted } = await acceptOne();
  await using _ = listener;
  const child = spawn(process.execPath, [
    '-e',
    `require('node:net').connect(${listener.address.port}, '127.0.0.1').resume()`,
  ]);
  const cause = closed(await accepted);
  child.kill('SIGKILL');
  assert.equal(await cause, 'peer');
});

test('a reset from the other side is a peer that closed', async () => {
  const { listener, accepted } = await acceptOne();
  await using _ = listener;
  const socket = net.connect(listener.address.port, '127.0.0.1');
  const cause = closed(await accepted);
  socket.resetAndDestroy();
  assert.equal(await cause, 'peer');
});

test('an error of the network is a broken connection', async () => {
  const { NodeConnection } = await import('./connection.ts');
  await using pair = await connectedPair();
  const socket = net.connect(pair.listener.address.port, '127.0.0.1');
  await once(socket, 'connect');
  const connection = new NodeConnection(socket);
  const cause = closed(connection);
  socket.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' }));
  assert.equal(await cause, 'broken');
});

test('connecting where nobody listens fails with unavailable and names the address', async () => {
  const address = await unusedAddress();
  await assert.rejects(network.connect(address, { timeoutMs: 5000 }), (error) => {
    assert.ok(ConclaveError.is(error, 'unavailable'));
    assert.ok(error.retryable);
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${address.port}.*ECONNREFUSED`));
    return true;
  });
});

test('connecting to a host that does not answer fails with unavailable after timeoutMs', async () => {
  // A listener whose queue of connections is full answers nobody.
  const child = spawn(process.execPath, [
    '-e',
    `const server = require('node:net').createServer();
     server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       console.log(server.address().port);
       setTimeout(() => process.kill(process.pid, 'SIGSTOP'), 0);
     });`,
  ]);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const address = { host: '127.0.0.1', port: Number(line.toString()) };
  const made: Connection[] = [];
  try {
    // One after another until the queue is full.
    for (let count = 0; count < 50; count++) {
      made.push(await network.connect(address, { timeoutMs: 300 }));
    }
    assert.fail('the queue never filled');
  } catch (error) {
    assert.ok(ConclaveError.is(error, 'unavailable'), String(error));
    assert.match(error.message, /no answer within 300 ms/);
  } finally {
    for (const connection of made) connection.destroy();
    child.kill('SIGKILL');
  }
});

test('connecting stops when its signal aborts', async () => {
  const abort = new AbortController();
  const connecting = network.connect(await unusedAddress(), { timeoutMs: 5000, signal: abort.signal });
  abort.abort(new Error('enough'));
  await assert.rejects(connecting, (error) => ConclaveError.is(error, 'aborted'));
  const late = network.connect(anywhere, { timeoutMs: 5000, signal: abort.signal });
  await assert.rejects(late, (error) => ConclaveError.is(error, 'aborted'));
});

test('listening on a taken address fails with address-in-use and names it', async () => {
  await using listener = await network.listen(anywhere, () => {});
  await assert.rejects(
    network.listen(listener.address, () => {}),
    (error) => {
      assert.ok(ConclaveError.is(error, 'address-in-use'));
      assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${listener.address.port}`));
      return true;
    },
  );
});

test('listening on an address that this host does not have fails with invalid-argument', async () => {
  await assert.rejects(
    network.listen({ host: '192.0.2.1', port: 0 }, () => {}),
    (error) => {
      assert.ok(ConclaveError.is(error, 'invalid-argument'));
      assert.match(error.message, /192\.0\.2\.1:0: this host has no such address/);
      return true;
    },
  );
});

test('closing a listener frees the port at once and leaves connections alone', async () => {
  await using pair = await connectedPair();
  await pair.listener.close();
  await using again = await network.listen(pair.listener.address, () => {});
  assert.equal(again.address.port, pair.listener.address.port);
  const arrived = received(pair.far, 1);
  pair.near.write([Uint8Array.of(1)]);
  assert.deepEqual(await arrived, Uint8Array.of(1));
});
