// A bank's API as they are: a POST charges, and a second one with the same Idempotency-Key gets the first one's answer.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export class Payments implements AsyncDisposable {
  /** By idempotency key; a request without one is a charge of its own. */
  readonly charges = new Map<string, number>();
  /** The keys of all requests, in order. */
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #wakeups = new Set<() => void>();
  #held: Promise<void> | undefined;
  #losing = 0;

  static async start(): Promise<Payments> {
    const payments = new Payments();
    await new Promise<void>((resolve) => payments.#server.listen(0, '127.0.0.1', resolve));
    return payments;
  }

  private constructor() {
    this.#server = createServer(async (request, response) => {
      request.resume();
      const header = request.headers['idempotency-key'];
      const key = typeof header === 'string' ? header : `without a key ${this.requests.length}`;
      this.requests.push(key);
      const charge = this.charges.get(key) ?? this.charges.size + 1;
      this.charges.set(key, charge);
      const held = this.#held;
      for (const wake of this.#wakeups) wake();
      await held;
      if (this.#losing > 0) {
        this.#losing -= 1;
        request.socket.destroy();
        return;
      }
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ charge }));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/charges`;
  }

  /** From now on it charges, and keeps its answers to itself until the function that this gives is called. */
  holdAnswers(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = promise;
    return () => {
      this.#held = undefined;
      resolve();
    };
  }

  /** It charges, and breaks the connection instead of answering. */
  loseNextAnswer(): void {
    this.#losing += 1;
  }

  /** Answers to requests from now on are not held; those that are, stay so. */
  answerNewOnes(): void {
    this.#held = undefined;
  }

  /** Resolves when so many requests have come in all. */
  async requested(count: number): Promise<void> {
    while (this.requests.length < count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wakeups.add(resolve);
      await promise;
      this.#wakeups.delete(resolve);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
