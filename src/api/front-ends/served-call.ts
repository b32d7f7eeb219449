import type { CallConnection, CallContext } from '../types.ts';
import type { BatchWriter } from './batch.ts';
import { messageOverheadBytes, tellTakenBytes, toFrontEnd, windowBytes } from './records.ts';

/** What all calls of one front end share. */
export interface Serving {
  readonly writer: BatchWriter;
  readonly nowMs: () => number;
}

/** What is known of a call from its beginning. */
export interface Opening {
  readonly id: number;
  readonly connection: CallConnection;
  /** Ms from now. */
  readonly deadlineMs: number | undefined;
  readonly token: string | undefined;
  readonly requiresLeader: boolean;
}

/** A call that came through a front end, as its handler sees it. */
export class ServedCall implements CallContext {
  protected readonly serving: Serving;
  readonly #opening: Opening;
  readonly #dueMs: number | undefined;
  #controller: AbortController | undefined;
  #cause: Error | undefined;

  constructor(opening: Opening, serving: Serving) {
    this.#opening = opening;
    this.serving = serving;
    const { deadlineMs } = opening;
    this.#dueMs = deadlineMs === undefined ? undefined : serving.nowMs() + deadlineMs;
  }

  get id(): number {
    return this.#opening.id;
  }

  get connection(): CallConnection {
    return this.#opening.connection;
  }

  get token(): string | undefined {
    return this.#opening.token;
  }

  get requiresLeader(): boolean {
    return this.#opening.requiresLeader;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cause !== undefined) this.#controller.abort(this.#cause);
    }
    return this.#controller.signal;
  }

  get deadlineMs(): number | undefined {
    return this.#dueMs === undefined ? undefined : Math.max(0, this.#dueMs - this.serving.nowMs());
  }

  abort(cause: Error): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    this.#controller?.abort(cause);
    this.end();
  }

  /** No more requests are read, and no more answers written. */
  end(): void {}
}

const nothing = (): void => {};

/** A call with several requests or answers, bounded in what waits on either side. */
export class ServedStream extends ServedCall {
  /** Requests that could not be read. */
  failure: unknown;
  readonly #waiting: Uint8Array[] = [];
  #noMoreRequests = false;
  #takenBytes = 0;
  #unreadBytes = 0;
  #over = false;
  #wakeReader = nothing;
  #wakeWriter = nothing;

  /** Nobody waits for answers any more. */
  get isOver(): boolean {
    return this.#over;
  }

  override end(): void {
    this.#over = true;
    this.#noMoreRequests = true;
    this.#wakeReader();
    this.#wakeWriter();
  }

  received(message: Uint8Array): void {
    if (this.#over) return;
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
      const message = this.#waiting.shift();
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

  /** False: there is no room for the next one. */
  sent(bytes: number): boolean {
    this.#unreadBytes += bytes + messageOverheadBytes;
    return this.#unreadBytes <= windowBytes || this.#over;
  }

  /** Resolves when the front end takes more, or the call is over. */
  async room(): Promise<void> {
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
    this.serving.writer.begin(toFrontEnd.requestsTaken, 8);
    this.serving.writer.whole(this.id);
    this.serving.writer.whole(this.#takenBytes);
    this.#takenBytes = 0;
  }
}
