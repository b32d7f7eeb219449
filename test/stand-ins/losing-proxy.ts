// A connection to a server that breaks when a test says so: after the server was asked, before it was heard.
import { connect, createServer, type Socket } from 'node:net';

export interface LosingProxy extends AsyncDisposable {
  readonly port: number;
  /**
   * From the next `times` connections on which a client sends `marker`, the server's answer is lost: the connection
   * ends when the server has answered. Resolves when the last one was.
   */
  loseAnswersTo(marker: string | RegExp, times?: number): Promise<void>;
  /** Passes nothing on any more, in both directions, and closes nothing. */
  freeze(): void;
}

export async function losingProxy(targetPort: number): Promise<LosingProxy> {
  const sockets = new Set<Socket>();
  let frozen = false;
  let armed: { marker: string | RegExp; left: number; done: () => void } | undefined;

  const server = createServer((client) => {
    const target = connect(targetPort, '127.0.0.1');
    let lose = false;
    let sent = '';
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        target.destroy();
      });
    }
    client.on('data', (chunk) => {
      if (frozen) return;
      // The marker may come in two pieces.
      sent = `${sent}${chunk.toString('latin1')}`.slice(-65_536);
      if (armed !== undefined && armed.left > 0 && !lose && has(sent, armed.marker)) {
        lose = true;
        armed.left -= 1;
      }
      target.write(chunk);
    });
    target.on('data', (chunk) => {
      if (frozen) return;
      if (!lose) {
        sent = '';
        client.write(chunk);
        return;
      }
      client.destroy();
      target.destroy();
      if (armed?.left === 0) armed.done();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    loseAnswersTo(marker, times = 1) {
      const { promise, resolve } = Promise.withResolvers<void>();
      armed = { marker, left: times, done: resolve };
      return promise;
    },
    freeze() {
      frozen = true;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function has(sent: string, marker: string | RegExp): boolean {
  return typeof marker === 'string' ? sent.includes(marker) : marker.test(sent);
}
