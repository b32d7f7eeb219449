import type { CallConnection, CallContext } from '../types.ts';
import type { BatchWriter } from './batch.ts';
import { messageOverheadBytes, tellTakenBytes, toFrontEnd, windowBytes } from './records.ts';

interface CallOptions {
  readonly id: number;
  readonly connection: CallConnection;
  readonly deadlineMs: number | undefined;
  readonly token: string | undefined;
  readonly requiresLeader: boolean;
}

/** A call that came through a front end, as its handler sees it; and, where it is one, its streams. */
export class ServedCall implements CallContext {
  readonly id: number;
  readonly connection: CallConnection;
  readonly token: string | undefined;
  readonly requiresLeader: boolean;
  /** Requests that could not be read. */
  failure: unknown;
  readonly #writer: BatchWriter;
  readonly #nowMs: () => number;
  readonly #dueMs: number | undefined;
  #controller: AbortController | undefined;
  #cause: Error | undefined;
  #waiting: Uint8Array[] | undefined;
  #noMoreRequests = false;
  #takenBytes = 0;
  #unreadBytes = 0;
  #over = false;
  #wakeReader: () => void = () => {};
  #wakeWriter: () => void = () => {};

  constructor(
    { id, connection, deadlineMs, token, requiresLeader }: CallOptions,
    { writer, nowMs }: { writer: BatchWriter; nowMs: () => number },
  ) {
    this.id = id;
    this.connection = connection;
    this.token = token;
    this.requiresLeader = requiresLeader;
    this.#writer = writer;
    this.#nowMs = nowMs;
    this.#dueMs = deadlineMs === undefined ? undefined : nowMs() + deadlineMs;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cause !== undefined) this.#controller.abort(this.#cause);
    }
    return this.#controller.signal;
  }

  get deadlineMs(): number | undefined {
    return this.#dueMs === undefined ? undefined : Math.max(0, this.#dueMs - this.#nowMs());
  }

  /** Nobody waits for answers any more. */
  get isOver(): boolean {
    return this.#over;
  }

  abort(cause: Error): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    this.#controller?.abort(cause);
    this.end();
  }

  /** No more requests are read, and no more answers written. */
  end(): void {
    this.#over = true;
    this.#noMoreRequests = true;
    this.#wakeReader();
    this.#wakeWriter();
  }

  received(message: Uint8Array): void {
    if (this.#over) return;
    this.#waiting ??= [];
    this.#waiting.push(message);
    this.#wakeReader();
  }

  noMoreRequests(): void {
    this.#noMoreRequests = true;
    this.#wakeReader();
  }

  /** For one reader. A message that does not decode ends the call. */
  async *requests(decode: (message: Uint8Array) => unknown): AsyncGenerator<unknown> {
    for (;;) {
      const message = this.#waiting?.shift();
      if (message !== undefined) {
        this.#tellTaken(message.length);
        let request: unknown;
        try {
          request = decode(message);
        } catch (error) {
          this.failure = error;
          this.abort(error instanceof Error ? error : new Error(String(error)));
          return;
        }
        yield request;
      } else if (this.#noMoreRequests) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
    }
  }

  /** Resolves when the front end takes more, or the call is over. */
  async sent(bytes: number): Promise<void> {
    this.#unreadBytes += bytes + messageOverheadBytes;
    while (this.#unreadBytes > windowBytes && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
  }

  answersTaken(bytes: number): void {
    this.#unreadBytes -= bytes;
    this.#wakeWriter();
  }

  #tellTaken(bytes: number): void {
    this.#takenBytes += bytes + messageOverheadBytes;
    if (this.#takenBytes < tellTakenBytes || this.#over) return;
    this.#writer.begin(toFrontEnd.requestsTaken, 8);
    this.#writer.whole(this.id);
    this.#writer.whole(this.#takenBytes);
    this.#takenBytes = 0;
  }
}
