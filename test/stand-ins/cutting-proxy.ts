// A way to a server that a test cuts and mends: for servers that keep nothing when they are stopped.
import { connect, createServer, type Socket } from 'node:net';
import { listen } from './listening.ts';

export interface CuttingProxy extends AsyncDisposable {
  readonly port: number;
  /** Ends all connections, and takes no more. */
  cut(): Promise<void>;
  mend(): Promise<void>;
}

export async function cuttingProxy(targetPort: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = connect(targetPort, '127.0.0.1');
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  const cut = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const port = await listen(server);
  return { port, cut, mend: async () => void (await listen(server, port)), [Symbol.asyncDispose]: cut };
}
