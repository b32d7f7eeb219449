// A way to a server that a test can shut.
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class Gate implements AsyncDisposable {
  /** Called when a client connects, before the server hears of it. */
  onConnection: () => void = () => {};
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #open = true;

  static async to(port: number): Promise<Gate> {
    const gate = new Gate(port);
    await new Promise<void>((resolve) => gate.#server.listen(0, '127.0.0.1', resolve));
    return gate;
  }

  private constructor(port: number) {
    this.#server = createServer((client) => {
      this.onConnection();
      const server = connect(port, '127.0.0.1');
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#sockets.add(from);
        from.on('data', (chunk) => this.#open && to.write(chunk));
        from.on('error', () => {});
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
      }
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Nothing gets through any more, and nobody is told. */
  shut(): void {
    this.#open = false;
  }

  /** For connections made from now on; those that there were are broken. */
  reopen(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#open = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
