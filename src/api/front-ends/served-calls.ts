import { NumberTable } from '../../collections/index.ts';
import type { CloseCause } from '../../runtime/types.ts';
import { statusOfCall } from '../failed-call.ts';
import { failure } from '../status.ts';
import type { Answers, CallConnection, Logger, ServedMethod } from '../types.ts';
import type { BatchReader, BatchWriter } from './batch.ts';
import { callFlags, cancelCauses, closeCauses, toCore, toFrontEnd, writeStatus } from './records.ts';
import { ServedCall, ServedStream, type Serving } from './served-call.ts';

type Served<Method> = Method extends unknown ? Omit<Method, 'descriptor' | 'calls'> : never;

/** What a front end can call. */
export type CoreMethod = Served<ServedMethod> & { readonly path: string };

export interface ServedCallsOptions extends Serving {
  /** By the numbers that the front end has for them. */
  readonly methods: readonly CoreMethod[];
  readonly logger: Logger;
}

type Unary = Extract<CoreMethod, { shape: 'unary' }>;
type Streaming = Exclude<CoreMethod, Unary>;

/** The core's side of one front end: the calls of its clients, served by the same handlers as any. */
export class ServedCalls {
  readonly #options: ServedCallsOptions;
  readonly #writer: BatchWriter;
  readonly #connections = new Map<number, ClientConnection>();
  readonly #unaries = new NumberTable<ServedCall>();
  readonly #streams = new NumberTable<ServedStream>();
  #gone = false;

  constructor(options: ServedCallsOptions) {
    this.#options = options;
    this.#writer = options.writer;
  }

  /** Takes a batch of the front end's. */
  take(reader: BatchReader): void {
    while (reader.more) {
      const kind = reader.byte();
      const id = reader.whole();
      switch (kind) {
        case toCore.connection:
          this.#connections.set(id, readConnection(reader));
          break;
        case toCore.connectionEnded: {
          const cause = closeCauses[reader.byte()];
          this.#connections.get(id)?.end(cause ?? 'broken');
          this.#connections.delete(id);
          break;
        }
        case toCore.call:
          this.#call(id, reader);
          break;
        case toCore.request: {
          const message = reader.keptBytes();
          this.#streams.get(id)?.received(message);
          break;
        }
        case toCore.requestsEnd:
          this.#streams.get(id)?.noMoreRequests();
          break;
        case toCore.cancel: {
          // Read also where the call is over: its answer and this have met.
          const cause = cancelCauses[reader.byte()];
          (this.#unaries.get(id) ?? this.#streams.get(id))?.abort(failure(cause ?? 'cancelled'));
          break;
        }
        case toCore.answersTaken: {
          const bytes = reader.whole();
          this.#streams.get(id)?.answersTaken(bytes);
        }
      }
    }
  }

  /** The front end runs no more: neither do its connections. That was not their clients' doing. */
  end(): void {
    this.#gone = true;
    for (const connection of this.#connections.values()) connection.end('local');
    this.#connections.clear();
    for (const calls of [this.#unaries, this.#streams]) {
      for (const [, call] of calls.entries()) call.abort(failure('stopped'));
      calls.clear();
    }
  }

  #call(id: number, reader: BatchReader): void {
    const connection = this.#connections.get(reader.whole());
    const method = this.#options.methods[reader.whole()];
    const flags = reader.byte();
    const deadlineMs = flags & callFlags.deadline ? reader.number() : undefined;
    const token = flags & callFlags.token ? reader.text() : undefined;
    const message = flags & callFlags.message ? reader.callBytes() : undefined;
    if (connection === undefined || method === undefined)
      throw new RangeError('a call of nobody, or of nothing');
    const requiresLeader = (flags & callFlags.requiresLeader) !== 0;
    const opening = { id, connection, deadlineMs, token, requiresLeader };
    if (method.shape === 'unary') {
      const call = new ServedCall(opening, this.#options);
      this.#unaries.set(id, call);
      this.#unary(call, method, message ?? noBytes);
    } else {
      const call = new ServedStream(opening, this.#options);
      this.#streams.set(id, call);
      void this.#stream(call, method, message);
    }
  }

  #unary(call: ServedCall, method: Unary, message: Uint8Array): void {
    let answer: Promise<unknown>;
    try {
      answer = method.handler(method.decode(message), call);
    } catch (error) {
      this.#fail(call, method, error);
      return;
    }
    answer.then(
      (response) => this.#answer(call, method, response),
      (error: unknown) => this.#fail(call, method, error),
    );
  }

  #answer(call: ServedCall, method: Unary, response: unknown): void {
    let message: Uint8Array;
    try {
      message = method.encode(response);
    } catch (error) {
      this.#fail(call, method, error);
      return;
    }
    this.#unaries.delete(call.id);
    if (this.#gone) return;
    this.#writer.begin(toFrontEnd.answer, 8 + message.length);
    this.#writer.whole(call.id);
    this.#writer.bytes(message);
  }

  /** Never rejects. */
  async #stream(call: ServedStream, method: Streaming, message: Uint8Array | undefined): Promise<void> {
    try {
      const answers =
        method.shape === 'duplex'
          ? method.handler(call.requests(method.decode), call)
          : method.handler(method.decode(message ?? noBytes), call);
      for await (const first of answers) {
        if (call.isOver) break;
        for (let response = first; response !== undefined; response = takeReady(call, answers)) {
          const answer = method.encode(response);
          this.#writer.begin(toFrontEnd.message, 8 + answer.length);
          this.#writer.whole(call.id);
          this.#writer.bytes(answer);
          if (!call.sent(answer.length)) await call.room();
        }
      }
      if (call.failure !== undefined) throw call.failure;
      this.#streams.delete(call.id);
      if (this.#gone) return;
      this.#writer.begin(toFrontEnd.end, 4);
      this.#writer.whole(call.id);
    } catch (error) {
      this.#fail(call, method, error);
    } finally {
      // A handler that ended while requests may still come reads no more of them.
      call.end();
    }
  }

  #fail(call: ServedCall, method: CoreMethod, error: unknown): void {
    const status = statusOfCall(error, method.path, this.#options.logger);
    this.#unaries.delete(call.id);
    this.#streams.delete(call.id);
    if (!this.#gone) writeStatus(this.#writer, call.id, status);
  }
}

const noBytes = new Uint8Array(0);

function takeReady(call: ServedStream, answers: Answers<unknown>): unknown {
  return call.isOver ? undefined : answers.takeReady?.();
}

/** A connection that a front end holds. */
class ClientConnection implements CallConnection {
  readonly remote: string;
  readonly commonName: string | undefined;
  readonly ended: Promise<CloseCause>;
  endedBy: CloseCause | undefined;
  #resolveEnded: (cause: CloseCause) => void = () => {};

  constructor(remote: string, commonName: string | undefined) {
    this.remote = remote;
    this.commonName = commonName;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  end(cause: CloseCause): void {
    this.endedBy ??= cause;
    this.#resolveEnded(this.endedBy);
  }
}

function readConnection(reader: BatchReader): ClientConnection {
  const remote = reader.text();
  const named = reader.byte() === 1;
  const commonName = reader.text();
  return new ClientConnection(remote, named ? commonName : undefined);
}
