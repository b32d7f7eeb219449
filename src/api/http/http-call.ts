import type { IncomingMessage, OutgoingMessage, ServerResponse } from 'node:http';
import { WireError } from '../../wire/index.ts';
import { failure, type StatusError } from '../status.ts';
import type { CallConnection, CallContext } from '../types.ts';
import { Wakeup } from '../wakeup.ts';
import type { HeldBodies, HeldBody } from './held-bodies.ts';
import { type JsonBounds, JsonValues } from './json-values.ts';

/** What a handler knows of a call that came as an HTTP request. */
export class HttpCallContext implements CallContext {
  readonly connection: CallConnection;
  readonly deadlineMs = undefined;
  readonly token: string | undefined;
  readonly #controller = new AbortController();

  constructor(request: IncomingMessage, response: ServerResponse, connection: CallConnection) {
    this.connection = connection;
    this.token = request.headers.authorization;
    response.once('close', () => this.abort(failure('cancelled')));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The first cause stays. */
  abort(cause: StatusError): void {
    if (!this.signal.aborted) this.#controller.abort(cause);
  }
}

/** Values decoded and not yet taken, above which the body is not read on: how many, and their characters. */
const waitingValues = 64;
const waitingCharacters = 256 * 1024;

/**
 * The JSON values of a request's body, for one reader. Ends with the body; an incomplete value at its end, or one that
 * is too long, is thrown in its turn.
 */
export class BodyValues implements AsyncIterable<string>, HeldBody {
  readonly #request: IncomingMessage;
  readonly #waiting: string[] = [];
  readonly #wakeup = new Wakeup();
  readonly #connection: CallConnection;
  readonly #held: HeldBodies;
  readonly #values: JsonValues;
  #waitingCharacters = 0;
  #failure: Error | undefined;
  #over = false;

  constructor(request: IncomingMessage, connection: CallConnection, bounds: JsonBounds, held: HeldBodies) {
    this.#request = request;
    this.#connection = connection;
    this.#held = held;
    const values = new JsonValues(bounds);
    this.#values = values;
    request.on('data', (chunk: Uint8Array) => {
      if (this.#over) return;
      try {
        for (const value of values.push(chunk)) {
          this.#waiting.push(value);
          this.#waitingCharacters += value.length;
        }
        held.hold(connection, this, values.heldBytes);
        if (this.#isFull) request.pause();
      } catch (error) {
        this.#fail(error as StatusError);
      }
      this.#wakeup.notify();
    });
    request.once('end', () => {
      this.#waiting.push(...values.end());
      if (values.incomplete) this.#fail(new WireError('unexpected EOF'));
      this.end();
    });
    request.once('close', () => this.end());
  }

  /** No more values are taken from the body; what is left of it is read and dropped. Idempotent. */
  end(): void {
    this.#over = true;
    this.#release();
    this.#request.resume();
    this.#wakeup.notify();
  }

  get #isFull(): boolean {
    return this.#waiting.length >= waitingValues || this.#waitingCharacters >= waitingCharacters;
  }

  #release(): void {
    this.#values.drop();
    this.#held.hold(this.#connection, this, 0);
  }

  cut(): void {
    this.#fail(failure('tooManyRequests'));
    this.#wakeup.notify();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#over = true;
    this.#release();
  }

  /** The first value; undefined when there is none. Whatever follows is dropped as it comes: the call may wait for long. */
  async only(): Promise<string | undefined> {
    const value = await this.next();
    this.#waiting.length = 0;
    this.end();
    return value;
  }

  /** The next value; undefined when there is none. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const value = this.#waiting.shift();
      if (value !== undefined) {
        this.#waitingCharacters -= value.length;
        if (this.#request.isPaused() && !this.#isFull) this.#request.resume();
        return value;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#over) return undefined;
      await this.#wakeup.wait();
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (;;) {
      const value = await this.next();
      if (value === undefined) return;
      yield value;
    }
  }
}

/** Resolves when the response takes more, or is over. */
export function drained(response: OutgoingMessage): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    if (response.destroyed || response.closed) resolve();
    else response.on('drain', done).on('close', done);
  });
}
