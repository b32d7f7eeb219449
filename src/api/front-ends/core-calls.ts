import { NumberTable } from '../../collections/index.ts';
import type { CloseCause } from '../../runtime/types.ts';
import { toStatus } from '../status.ts';
import type { CallConnection } from '../types.ts';
import { type BatchReader, type BatchWriter, maxTextBytes } from './batch.ts';
import {
  callFlags,
  cancelCauses,
  closeCauses,
  messageOverheadBytes,
  readStatus,
  tellTakenBytes,
  toCore,
  toFrontEnd,
  windowBytes,
} from './records.ts';

/** A client's connection that this thread holds. The core hears of it with its first call. */
export interface FrontEndConnection extends CallConnection {
  readonly id: number;
  told: boolean;
}

const nothing = (): void => {};

/** Who makes a call, as far as the core has to know; and, with one answer, who waits for it. */
export class Caller {
  readonly kind = 'unary';
  readonly connection: FrontEndConnection;
  readonly deadlineMs: number | undefined;
  readonly token: string | undefined;
  readonly requiresLeader: boolean;
  /** What `cancel` is told; set when the call begins. */
  id = 0;
  resolve: (answer: Uint8Array) => void = nothing;
  reject: (error: Error) => void = nothing;

  constructor(
    connection: FrontEndConnection,
    deadlineMs: number | undefined,
    token: string | undefined,
    requiresLeader: boolean,
  ) {
    this.connection = connection;
    this.deadlineMs = deadlineMs;
    this.token = token;
    this.requiresLeader = requiresLeader;
  }
}

/** A call with several answers, as far as they have come. */
class StreamCall {
  readonly kind = 'stream';
  readonly caller: Caller;
  readonly answers: Uint8Array[] = [];
  takenBytes = 0;
  /** Of requests that the core has not taken. */
  unreadBytes = 0;
  /** Nobody waits for answers any more; the core has been told. */
  cancelled = false;
  /** The handler has ended. */
  over = false;
  failure: Error | undefined;
  wakeReader = nothing;
  wakeWriter = nothing;

  constructor(caller: Caller) {
    this.caller = caller;
  }

  wake(): void {
    this.wakeReader();
    this.wakeWriter();
  }

  news(): Promise<void> {
    return new Promise((resolve) => {
      this.wakeReader = resolve;
    });
  }

  room(): Promise<void> {
    return new Promise((resolve) => {
      this.wakeWriter = resolve;
    });
  }
}

const idMask = 2 ** 30 - 1;

/** Calls of this front end's clients, handed to the core and answered by it. */
export class CoreCalls {
  readonly #writer: BatchWriter;
  readonly #calls = new NumberTable<Caller | StreamCall>();
  #lastId = 0;

  constructor(writer: BatchWriter) {
    this.#writer = writer;
  }

  /** Settles when the handler in the core has, also where nobody waits any more. */
  unary(method: number, message: Uint8Array, caller: Caller): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      caller.resolve = resolve;
      caller.reject = reject;
      this.#open(method, caller, caller, message);
    });
  }

  /**
   * `requests`: one message, or several that are read as fast as the core takes them. For one reader; ends when the handler in
   * the core has, also where nobody reads any more.
   */
  stream(
    method: number,
    requests: Uint8Array | AsyncIterable<Uint8Array>,
    caller: Caller,
  ): AsyncGenerator<Uint8Array> {
    const call = new StreamCall(caller);
    const single = requests instanceof Uint8Array;
    this.#open(method, caller, call, single ? requests : undefined);
    // It ends with the call, which ends the requests; it never rejects.
    if (!single) void this.#send(call, requests);
    return this.#answers(call);
  }

  async *#answers(call: StreamCall): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const answer = call.answers.shift();
        if (answer !== undefined) {
          yield answer;
          this.#tellTaken(call, answer.length);
        } else if (!call.over) {
          await call.news();
        } else if (call.failure !== undefined) {
          throw call.failure;
        } else {
          return;
        }
      }
    } finally {
      this.cancel(call.caller.id, undefined);
      while (!call.over) await call.news();
    }
  }

  /** Nobody waits for the answer any more. `cause`: why. Idempotent. */
  cancel(id: number, cause: unknown): void {
    const call = this.#calls.get(id);
    if (call === undefined || (call.kind === 'stream' && call.cancelled)) return;
    const { connection } = call.kind === 'unary' ? call : call.caller;
    if (connection.endedBy !== undefined) this.connectionEnded(connection, connection.endedBy);
    const { code } = toStatus(cause).conclave;
    const name = code === 'closed' ? 'stopped' : code === 'timeout' ? 'deadlineExceeded' : 'cancelled';
    this.#writer.begin(toCore.cancel, 5);
    this.#writer.whole(id);
    this.#writer.byte(cancelCauses.indexOf(name));
    if (call.kind === 'unary') return;
    call.cancelled = true;
    call.answers.length = 0;
    call.wake();
  }

  connectionEnded(connection: FrontEndConnection, cause: CloseCause): void {
    if (!connection.told) return;
    connection.told = false;
    this.#writer.begin(toCore.connectionEnded, 5);
    this.#writer.whole(connection.id);
    this.#writer.byte(closeCauses.indexOf(cause));
  }

  /** Takes a batch of the core's. */
  take(reader: BatchReader): void {
    while (reader.more) {
      const kind = reader.byte();
      const id = reader.whole();
      const call = this.#calls.get(id);
      if (kind === toFrontEnd.answer) {
        const answer = reader.keptBytes();
        this.#calls.delete(id);
        if (call?.kind === 'unary') call.resolve(answer);
      } else if (kind === toFrontEnd.message) {
        const answer = reader.keptBytes();
        if (call?.kind !== 'stream' || call.cancelled) continue;
        call.answers.push(answer);
        call.wakeReader();
      } else if (kind === toFrontEnd.requestsTaken) {
        const bytes = reader.whole();
        if (call?.kind !== 'stream') continue;
        call.unreadBytes -= bytes;
        call.wakeWriter();
      } else {
        const failure = kind === toFrontEnd.status ? readStatus(reader) : undefined;
        this.#calls.delete(id);
        if (call !== undefined) ended(call, failure);
      }
    }
  }

  #open(method: number, caller: Caller, call: Caller | StreamCall, message: Uint8Array | undefined): void {
    // Ids come round again after a thousand million calls; one that still runs keeps its own.
    do this.#lastId = (this.#lastId + 1) & idMask;
    while (this.#calls.get(this.#lastId) !== undefined);
    this.#calls.set(this.#lastId, call);
    const writer = this.#writer;
    const { connection, token, deadlineMs } = caller;
    caller.id = this.#lastId;
    if (!connection.told) this.#tellOf(connection);
    const flags =
      (deadlineMs === undefined ? 0 : callFlags.deadline) |
      (token === undefined ? 0 : callFlags.token) |
      (caller.requiresLeader ? callFlags.requiresLeader : 0) |
      (message === undefined ? 0 : callFlags.message);
    const tokenBytes = token === undefined ? 0 : maxTextBytes(token);
    writer.begin(toCore.call, 25 + tokenBytes + (message?.length ?? 0));
    writer.whole(caller.id);
    writer.whole(connection.id);
    writer.whole(method);
    writer.byte(flags);
    if (deadlineMs !== undefined) writer.number(deadlineMs);
    if (token !== undefined) writer.text(token);
    if (message !== undefined) writer.bytes(message);
    // A request may be looked at when its sender has left already.
    if (connection.endedBy !== undefined) this.connectionEnded(connection, connection.endedBy);
  }

  #tellOf(connection: FrontEndConnection): void {
    const { remote, commonName } = connection;
    connection.told = true;
    this.#writer.begin(toCore.connection, 5 + maxTextBytes(remote) + maxTextBytes(commonName ?? ''));
    this.#writer.whole(connection.id);
    this.#writer.text(remote);
    this.#writer.byte(commonName === undefined ? 0 : 1);
    this.#writer.text(commonName ?? '');
  }

  /** Never rejects: requests that fail end here, and who made them has told their sender why. */
  async #send(call: StreamCall, requests: AsyncIterable<Uint8Array>): Promise<void> {
    const { id } = call.caller;
    try {
      for await (const request of requests) {
        if (call.over || call.cancelled) return;
        this.#writer.begin(toCore.request, 8 + request.length);
        this.#writer.whole(id);
        this.#writer.bytes(request);
        call.unreadBytes += request.length + messageOverheadBytes;
        while (call.unreadBytes > windowBytes && !call.over && !call.cancelled) await call.room();
      }
    } catch {
      // The call has ended by it.
    }
    if (call.over || call.cancelled) return;
    this.#writer.begin(toCore.requestsEnd, 4);
    this.#writer.whole(id);
  }

  #tellTaken(call: StreamCall, bytes: number): void {
    call.takenBytes += bytes + messageOverheadBytes;
    if (call.takenBytes < tellTakenBytes || call.over) return;
    this.#writer.begin(toCore.answersTaken, 8);
    this.#writer.whole(call.caller.id);
    this.#writer.whole(call.takenBytes);
    call.takenBytes = 0;
  }
}

function ended(call: Caller | StreamCall, failure: Error | undefined): void {
  if (call.kind === 'unary') {
    call.reject(failure ?? new Error('a call ended without its answer'));
    return;
  }
  call.failure = call.cancelled ? undefined : failure;
  call.over = true;
  call.wake();
}
