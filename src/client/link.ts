import { ConclaveError } from '../errors/index.ts';
import type { Runtime, Timer } from '../runtime/types.ts';
import { type MethodDescriptor, services } from '../wire/index.ts';
import type { Transport, TransportStream, UnaryOptions } from './transport.ts';

export interface SilenceLimits {
  /** How long an answer may be due with nothing heard at all, before the endpoint is asked for a sign of life. */
  readonly silenceMs: number;
  /** How long it has for that sign. */
  readonly probeTimeoutMs: number;
}

/**
 * A transport under watch: an endpoint that owes answers and says nothing (its process is stopped, its host gone) is
 * noticed in a fraction of a second and its connection closed, so that calls move on. An endpoint that is alive
 * but cannot answer yet is left to its work.
 */
export class Link {
  readonly transport: Transport;
  readonly endpoint: string;
  readonly #runtime: Runtime;
  readonly #limits: SilenceLimits | undefined;
  #owed = 0;
  #heardMs: number;
  #timer: Timer | undefined;
  #broken = false;

  /** Without limits nothing is watched: for a client with nowhere else to go. */
  constructor(transport: Transport, runtime: Runtime, limits: SilenceLimits | undefined) {
    this.transport = transport;
    this.endpoint = transport.endpoint;
    this.#runtime = runtime;
    this.#limits = limits;
    this.#heardMs = runtime.clock.monotonicMs();
    transport.onBreak(() => {
      this.#broken = true;
      this.#timer?.cancel();
    });
  }

  get broken(): boolean {
    return this.#broken;
  }

  async unary<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    request: Req,
    options: UnaryOptions,
  ): Promise<Res> {
    const answered = this.expectAnswer();
    try {
      return await this.transport.unary(method, request, options);
    } finally {
      answered();
    }
  }

  stream<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    options?: { readonly signal?: AbortSignal },
  ): TransportStream<Req, Res> {
    const stream = this.transport.stream(method, options);
    const heard = (result: IteratorResult<Res>): IteratorResult<Res> => {
      if (!result.done) this.#heard();
      return result;
    };
    // By hand: a generator around it would cost several promises for each response.
    const responses: AsyncIterable<Res> = {
      [Symbol.asyncIterator]: () => {
        const inner = stream.responses[Symbol.asyncIterator]();
        return {
          next: () => inner.next().then(heard),
          return: async () => {
            await inner.return?.();
            return { done: true, value: undefined };
          },
        };
      },
    };
    const { closed } = stream;
    return {
      send: (message) => stream.send(message),
      responses,
      end: () => stream.end(),
      close: () => stream.close(),
      closed,
    };
  }

  /** Says that an answer is due now. Call what it returns when it has come, or is not awaited any more. */
  expectAnswer(): () => void {
    this.#owed += 1;
    if (this.#owed === 1) this.#heardMs = this.#runtime.clock.monotonicMs();
    this.#arm();
    let settled = false;
    return () => {
      if (settled) return;
      settled = true;
      this.#owed -= 1;
      this.#heard();
    };
  }

  #heard(): void {
    this.#heardMs = this.#runtime.clock.monotonicMs();
  }

  /** One timer that comes back by itself while answers are due; none for each call. */
  #arm(): void {
    if (this.#limits === undefined || this.#timer !== undefined || this.#broken) return;
    const { silenceMs } = this.#limits;
    const dueMs = this.#heardMs + silenceMs - this.#runtime.clock.monotonicMs();
    this.#timer = this.#runtime.timers.after(Math.max(dueMs, 1), () => this.#look(), { background: true });
  }

  #look(): void {
    if (!this.#isSilent) {
      this.#lookAgain();
      return;
    }
    // Answers that wait in the sockets are read first: a stall of our own is no silence of theirs.
    this.#runtime.timers.nextTurn(() => {
      if (this.#isSilent && this.#limits !== undefined) {
        this.#timer = undefined;
        this.#probe(this.#limits);
      } else this.#lookAgain();
    });
  }

  #lookAgain(): void {
    this.#timer = undefined;
    if (this.#owed > 0) this.#arm();
  }

  get #isSilent(): boolean {
    if (this.#owed === 0 || this.#broken || this.#limits === undefined) return false;
    return this.#runtime.clock.monotonicMs() - this.#heardMs >= this.#limits.silenceMs;
  }

  #probe(limits: SilenceLimits): void {
    const stream = this.transport.stream(services.Conclave.memberState);
    const timer = this.#runtime.timers.after(
      limits.probeTimeoutMs,
      () => {
        const silent = `${this.endpoint} has not answered for ${limits.silenceMs + limits.probeTimeoutMs} ms.`;
        // Whatever came in the same turn counts: only a socket that was read and was empty is silent.
        this.#runtime.timers.nextTurn(() => {
          if (done) return;
          this.transport.close(
            new ConclaveError('unavailable', silent, { retryable: true, outcome: 'unknown' }),
          );
        });
      },
      { background: true },
    );
    let done = false;
    const answered = (): void => {
      if (done) return;
      done = true;
      timer.cancel();
      stream.close();
      this.#heard();
      if (this.#owed > 0) this.#arm();
    };
    stream.send({ follow: false });
    stream.end();
    // Any end is a sign of life, a refusal too; and a break is told by the transport itself.
    void stream.closed.then(answered);
    void readOne(stream.responses).then(answered);
  }
}

async function readOne(responses: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const _ of responses) return;
  } catch {
    // The stream's end says why.
  }
}
