import type { Clock, CloseCause } from '../runtime/types.ts';
import { failure, type StatusError } from './status.ts';
import type { CallConnection, CallContext } from './types.ts';

/** The parts of grpc-js's calls, of all shapes, that a context is made of. */
export interface GrpcCall {
  cancelled: boolean;
  getPeer(): string;
  readonly metadata: { get(name: string): readonly (string | Buffer)[] };
  /** When the caller's time is up by the wall clock; Infinity without a bound. */
  getDeadline(): { valueOf(): number };
  once(event: 'cancelled', listener: () => void): unknown;
}

const nowhere: CallConnection = {
  remote: 'unknown',
  ended: Promise.resolve<CloseCause>('broken'),
  endedBy: 'broken',
  commonName: undefined,
};

/** Made for each call; what few handlers ask for is made when they ask. */
export class GrpcCallContext implements CallContext {
  readonly connection: CallConnection;
  readonly #call: GrpcCall;
  readonly #clock: Clock;
  #controller: AbortController | undefined;
  #ended: StatusError | undefined;

  constructor(call: GrpcCall, connection: CallConnection | undefined, clock: Clock) {
    this.#call = call;
    this.#clock = clock;
    this.connection = connection ?? nowhere;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#call.cancelled) this.#ended ??= this.#cause();
      if (this.#ended !== undefined) this.#controller.abort(this.#ended);
      else this.#call.once('cancelled', () => this.abort(this.#cause()));
    }
    return this.#controller.signal;
  }

  get deadlineMs(): number | undefined {
    const deadline = this.#call.getDeadline().valueOf();
    return deadline === Infinity ? undefined : Math.max(0, deadline - this.#clock.wallMs());
  }

  /** Where etcd's clients put it, and where its gateway does. */
  get token(): string | undefined {
    const { metadata } = this.#call;
    return (metadata.get('token')[0] ?? metadata.get('authorization')[0])?.toString();
  }

  /** The first cause stays. */
  abort(cause: StatusError): void {
    this.#ended ??= cause;
    this.#controller?.abort(this.#ended);
  }

  /** grpc-js says 'cancelled' for a deadline too. */
  #cause(): StatusError {
    return failure(this.deadlineMs === 0 ? 'deadlineExceeded' : 'cancelled');
  }
}
