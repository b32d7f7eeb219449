import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as net from 'node:net';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { listenSockets, type SocketInfo } from './sockets.ts';

async function connected() {
  const accepted = Promise.withResolvers<{ socket: Duplex; info: SocketInfo }>();
  const listener = await listenSockets({ host: '127.0.0.1', port: 0 }, (socket, info) => {
    // As HTTP/2 does: reads, and hears of errors.
    socket.resume();
    socket.on('error', () => {});
    accepted.resolve({ socket, info });
  });
  const client = net.connect(listener.address.port, '127.0.0.1');
  client.on('error', () => {});
  await once(client, 'connect');
  return { listener, client, ...(await accepted.promise) };
}

test('FIN from the other side is the peer’s doing, and known before the socket closes', async () => {
  const { listener, client, socket, info } = await connected();
  let atClose: unknown;
  socket.once('close', () => {
    atClose = info.endedBy;
  });
  client.end();
  assert.equal(await info.ended, 'peer');
  assert.equal(atClose, 'peer');
  await listener.close();
});

test('RST from the other side is the peer’s doing', async () => {
  const { listener, client, info } = await connected();
  client.resetAndDestroy();
  assert.equal(await info.ended, 'peer');
  await listener.close();
});

test('a socket that we destroy, or end first, ended locally', async () => {
  for (const end of [(socket: Duplex) => socket.destroy(), (socket: Duplex) => socket.end()]) {
    const { listener, client, socket, info } = await connected();
    client.resume();
    end(socket);
    assert.equal(await info.ended, 'local');
    await listener.close();
  }
});

test('an error that neither side made is a broken connection', async () => {
  const { listener, client, socket, info } = await connected();
  socket.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' }));
  assert.equal(await info.ended, 'broken');
  client.destroy();
  await listener.close();
});

test('the remote address is the client’s own', async () => {
  const { listener, client, info } = await connected();
  assert.equal(info.remote, `127.0.0.1:${client.localPort}`);
  assert.equal(info.endedBy, undefined);
  client.destroy();
  await listener.close();
});

test('an address in use is told as such', async () => {
  const { listener, client } = await connected();
  await assert.rejects(
    listenSockets(listener.address, () => {}),
    (error) => ConclaveError.is(error, 'address-in-use'),
  );
  client.destroy();
  await listener.close();
  await using again = await listenSockets(listener.address, () => {});
  assert.equal(again.address.port, listener.address.port);
});
