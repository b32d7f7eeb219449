import * as net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConclaveError } from '../errors/index.ts';
import { acceptSockets } from './accepting.ts';
import type { Address } from './types.ts';

/** Whoever starts waits so long for another one that starts on the same port. */
const startsWithinMs = 5000;
const lookEveryMs = 20;
const attempts = 10;

/**
 * Several listeners of one process may share a port, but then nothing keeps another process with listeners of that
 * kind from sharing it too, and each would get some of the other's clients. So this looks whether the port is free to be
 * had alone, and then lets `listen` share it; two processes that start at the same time do it one after the other.
 *
 * `listen` gets the address with the port that it is to share, which for port 0 is a free one.
 *
 * @throws ConclaveError 'address-in-use', 'invalid-argument'
 */
export async function sharePort<T>(address: Address, listen: (address: Address) => Promise<T>): Promise<T> {
  const turn = await ownTurn(address.port);
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await listen({ ...address, port: await freePort(address) });
      } catch (error) {
        // A port that nobody asked for by its number can be gone again; there are others.
        const another = address.port === 0 && attempt < attempts && ConclaveError.is(error, 'address-in-use');
        if (!another) throw error;
      }
    }
  } finally {
    turn?.close();
  }
}

/** The port of the address, which nobody has. @throws ConclaveError */
async function freePort(address: Address): Promise<number> {
  const probe = await acceptSockets({ ...address, secure: false }, (socket) => socket.destroy(), {});
  await probe.close();
  return probe.address.port;
}

/** Held while this process takes the port. On Linux a name of a socket that no file has is free as soon as its owner ends. */
async function ownTurn(port: number): Promise<net.Server | undefined> {
  if (process.platform !== 'linux' || port === 0) return undefined;
  for (let waitedMs = 0; waitedMs < startsWithinMs; waitedMs += lookEveryMs) {
    const turn = await tryTurn(`\0conclave shares port ${port}`);
    if (turn !== undefined) return turn;
    await sleep(lookEveryMs);
  }
  // Somebody holds the name and does nothing: the look at the port itself has to do.
  return undefined;
}

function tryTurn(name: string): Promise<net.Server | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', () => resolve(undefined));
    server.listen(name, () => resolve(server));
  });
}
