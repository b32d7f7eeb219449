// A TCP proxy in front of a database that breaks the connection around a commit.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface CommitProxy extends AsyncDisposable {
  readonly port: number;
  /**
   * What happens to the next commit that passes: it is lost on its way to the server, or its answer on the way back,
   * which is awaited so that it has taken effect.
   */
  lose: 'nothing' | 'request' | 'answer';
  /** How many were lost. */
  readonly lost: number;
}

export async function startCommitProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<CommitProxy> {
  const sockets = new Set<Socket>();
  const state = { lose: 'nothing' as CommitProxy['lose'], lost: 0 };
  const server = createServer((client) => {
    const database = connect(target.port, target.host);
    const cut = () => {
      client.destroy();
      database.destroy();
    };
    let swallowAnswer = false;
    for (const socket of [client, database]) {
      sockets.add(socket);
      socket.on('error', cut).on('close', cut);
    }
    client.on('data', (chunk) => {
      if (state.lose !== 'nothing' && /\bcommit\b/i.test(chunk.toString('latin1'))) {
        state.lost += 1;
        const what = state.lose;
        state.lose = 'nothing';
        if (what === 'request') return cut();
        swallowAnswer = true;
      }
      database.write(chunk);
    });
    database.on('data', (chunk) => (swallowAnswer ? cut() : client.write(chunk)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get lose() {
      return state.lose;
    },
    set lose(what) {
      state.lose = what;
    },
    get lost() {
      return state.lost;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
