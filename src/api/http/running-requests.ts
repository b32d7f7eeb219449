import { RunningBytes, uncountedBytes } from '../http2/index.ts';
import { failure } from '../status.ts';
import type { CallConnection } from '../types.ts';

/** Large requests whose handlers run: bounded together, and each connection may have one. */
export class RunningRequests {
  readonly #bytes: RunningBytes;
  readonly #ofConnections = new Map<CallConnection, number>();

  constructor(maxBytes: number) {
    this.#bytes = new RunningBytes(maxBytes);
  }

  /** @throws StatusError where there are too many, and what the handler throws. */
  async run<Answer>(
    connection: CallConnection,
    bytes: number,
    handler: () => Promise<Answer>,
  ): Promise<Answer> {
    if (bytes <= uncountedBytes) return await handler();
    if (!this.#bytes.take(bytes, this.#ofConnections.get(connection) ?? 0)) throw failure('tooManyRequests');
    this.#count(connection, bytes);
    try {
      return await handler();
    } finally {
      this.#count(connection, -bytes);
      this.#bytes.giveBack(bytes);
    }
  }

  #count(connection: CallConnection, more: number): void {
    const bytes = (this.#ofConnections.get(connection) ?? 0) + more;
    if (bytes > 0) this.#ofConnections.set(connection, bytes);
    else this.#ofConnections.delete(connection);
  }
}
