import { ConclaveError } from '../errors/index.ts';
import type { AttachRequest, AttachResponse } from '../wire/index.ts';
import type { ApiServices } from './service.ts';
import { commandFailure, invalidArgument, toStatus } from './status.ts';
import type { CallContext } from './types.ts';
import { Wakeup } from './wakeup.ts';

interface Attachment {
  readonly attachment: number;
  readonly graceMs: number;
  /** The holder said that it heard of it. Until then it may be bound elsewhere, under a lower number. */
  confirmed: boolean;
}

/**
 * One stream's attachments: leases that end soon after the holder's connection does.
 *
 * A break counts only when it certainly came from the holder: FIN or RST of the connection, or the holder ending or
 * cancelling this stream. A deadline, a broken network or our own closing says nothing about the holder, so the
 * leases keep their deadlines. A member that stops says so first ('moving') and detaches nothing.
 */
export class AttachStream {
  readonly #api: ApiServices;
  readonly #context: CallContext;
  readonly #attachments = new Map<bigint, Attachment>();
  readonly #answers: AttachResponse[] = [];
  readonly #work = new Wakeup();
  readonly #room = new Wakeup();
  #failure: unknown;
  /** The holder closed its half: it asks for nothing more, and leaves. */
  #requestsEnded = false;
  #moving = false;
  #closed = false;

  constructor(api: ApiServices, context: CallContext) {
    this.#api = api;
    this.#context = context;
  }

  async *responses(requests: AsyncIterable<AttachRequest>): AsyncGenerator<AttachResponse> {
    const { signal } = this.#context;
    const wake = (): void => this.#work.notify();
    signal.addEventListener('abort', wake);
    this.#api.holders.enter();
    const unsubscribe = this.#api.member.onChange((status) => {
      if (status.stopping) this.#move();
    });
    if (this.#api.member.status().stopping) this.#move();
    const reading = this.#read(requests);
    try {
      for (;;) {
        signal.throwIfAborted();
        const answer = this.#answers.shift();
        if (answer !== undefined) {
          this.#room.notify();
          yield answer;
        } else if (this.#failure !== undefined) {
          throw this.#failure;
        } else if (this.#requestsEnded) {
          return;
        } else {
          await this.#work.wait();
        }
      }
    } finally {
      this.#closed = true;
      this.#room.notify();
      signal.removeEventListener('abort', wake);
      unsubscribe();
      this.#api.holders.leave();
      this.#leave();
      // It ends with the requests, which the transport ends with the call; it never rejects.
      void reading;
    }
  }

  async #read(requests: AsyncIterable<AttachRequest>): Promise<void> {
    try {
      for await (const request of requests) {
        if (this.#closed) return;
        if (request.confirmed > 0) {
          this.#confirm(request);
          continue;
        }
        const answer = await this.#handle(request);
        if (this.#closed) return;
        this.#answers.push(answer);
        this.#work.notify();
        while (this.#answers.length >= 128 && !this.#closed) await this.#room.wait();
      }
      this.#requestsEnded = true;
    } catch (error) {
      this.#failure = error;
    }
    this.#work.notify();
  }

  #confirm({ ID, confirmed }: AttachRequest): void {
    const attachment = this.#attachments.get(ID);
    if (attachment?.attachment === confirmed) attachment.confirmed = true;
  }

  async #handle(request: AttachRequest): Promise<AttachResponse> {
    if (request.detach) {
      // Forgetting is enough: nothing but this stream would have detached it.
      const detached = this.#attachments.delete(request.ID);
      return this.#response(request.ID, { detached });
    }
    if (request.graceMs < 0)
      throw invalidArgument(`conclave: a grace of ${request.graceMs} ms; give 0 or more`);
    this.#api.access.askedAnew(this.#context);
    const { outcome, revision } = await this.#api.access.propose(this.#context, {
      type: 'attach',
      lease: request.ID,
    });
    const header = this.#api.headers.header(revision);
    if (outcome.type === 'failed') {
      if (outcome.failure !== 'lease-not-found') throw commandFailure(outcome.failure);
      this.#attachments.delete(request.ID);
      return this.#response(request.ID, { header, unknownLease: true });
    }
    if (outcome.type !== 'attach') {
      throw new ConclaveError('internal', `An attachment was answered by the outcome of ${outcome.type}.`);
    }
    const { attachment } = outcome;
    this.#attachments.set(request.ID, { attachment, graceMs: request.graceMs, confirmed: false });
    return this.#response(request.ID, { header, attachment });
  }

  #move(): void {
    if (this.#moving) return;
    this.#moving = true;
    this.#answers.push(this.#response(0n, { moving: true }));
    this.#work.notify();
  }

  /** The stream is over: shortens the leases if it was the holder who ended it. */
  #leave(): void {
    const attachments = [...this.#attachments];
    this.#attachments.clear();
    if (this.#moving || !this.#endedByHolder()) return;
    for (const [lease, { attachment, graceMs, confirmed }] of attachments) {
      // A detach could cut the healthy lease of a holder that went elsewhere; without one, a dead holder's lasts longer.
      if (!confirmed) continue;
      const command = { type: 'detach', lease, attachment, graceMs } as const;
      this.#api.background.retry(`detach lease ${lease.toString(16)}`, () =>
        this.#api.member.propose(command),
      );
    }
  }

  #endedByHolder(): boolean {
    const { connection, signal } = this.#context;
    if (connection.endedBy !== undefined) return connection.endedBy === 'peer';
    if (signal.aborted) return toStatus(signal.reason).conclave.code === 'aborted';
    return this.#requestsEnded;
  }

  #response(ID: bigint, rest: Partial<AttachResponse>): AttachResponse {
    return {
      header: this.#api.headers.header(),
      ID,
      attachment: 0,
      moving: false,
      unknownLease: false,
      detached: false,
      ...rest,
    };
  }
}
