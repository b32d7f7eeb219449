import type { MemberHandle, MemberStatus } from '../member/types.ts';
import type { Runtime, Timer } from '../runtime/types.ts';
import { passing } from './ready-answers.ts';
import { failure } from './status.ts';
import type { Answers, CallConnection, CallContext, ServedMethod, UnaryHandler } from './types.ts';

/** As etcd: a stream is ended when the leader has been missing for so many election timeouts. */
const patienceInTimeouts = 3;

type Handler = ServedMethod['handler'];
type StreamHandler = (requests: unknown, context: CallContext) => Answers<unknown>;

/**
 * Calls that ask for it (etcd's clients do, by `WithRequireLeader`) fail where no Raft leader is known, and their
 * streams end when one has been missing for a while: so that a client on the wrong side of a partition goes elsewhere.
 */
export class RequiredLeader implements Disposable {
  readonly #runtime: Runtime;
  readonly #streams = new Set<AbortController>();
  readonly #unsubscribe: () => void;
  #leaderKnown: boolean;
  #ending: Timer | undefined;

  constructor(member: MemberHandle, runtime: Runtime) {
    this.#runtime = runtime;
    this.#leaderKnown = member.status().raft.leader !== 0;
    this.#unsubscribe = member.onChange((status) => this.#changed(status));
  }

  /** The handler, asking first. */
  guard(shape: ServedMethod['shape'], handler: Handler): Handler {
    if (shape === 'unary') {
      const unary = handler as UnaryHandler<unknown, unknown>;
      return (request: unknown, context: CallContext) => {
        if (context.requiresLeader && !this.#leaderKnown) return Promise.reject(failure('noLeader'));
        return unary(request, context);
      };
    }
    const stream = handler as StreamHandler;
    return (requests: unknown, context: CallContext) => {
      if (!context.requiresLeader) return stream(requests, context);
      return passing((began) =>
        this.#stream((signal) => began(stream(requests, new EndedContext(context, signal)))),
      );
    };
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#ending?.cancel();
  }

  async *#stream(begin: (signal: AbortSignal) => Answers<unknown>): AsyncGenerator<unknown> {
    if (!this.#leaderKnown) throw failure('noLeader');
    const controller = new AbortController();
    this.#streams.add(controller);
    try {
      yield* begin(controller.signal);
    } finally {
      this.#streams.delete(controller);
    }
  }

  #changed({ raft }: MemberStatus): void {
    this.#leaderKnown = raft.leader !== 0;
    if (this.#leaderKnown) {
      this.#ending?.cancel();
      this.#ending = undefined;
      return;
    }
    if (this.#ending !== undefined) return;
    const end = (): void => {
      this.#ending = undefined;
      for (const controller of this.#streams) controller.abort(failure('noLeader'));
    };
    const patienceMs = patienceInTimeouts * raft.electionTimeoutMs;
    this.#ending = this.#runtime.timers.after(patienceMs, end, { background: true });
  }
}

/** The same call, which ends by one more signal. */
class EndedContext implements CallContext {
  readonly signal: AbortSignal;
  readonly #context: CallContext;

  constructor(context: CallContext, signal: AbortSignal) {
    this.#context = context;
    this.signal = AbortSignal.any([context.signal, signal]);
  }

  get connection(): CallConnection {
    return this.#context.connection;
  }

  get deadlineMs(): number | undefined {
    return this.#context.deadlineMs;
  }

  get token(): string | undefined {
    return this.#context.token;
  }

  get requiresLeader(): boolean {
    return true;
  }
}
