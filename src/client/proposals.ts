import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { type ProposeRequest, type ProposeResponse, services } from '../wire/index.ts';
import { type CallOptions, waitWithin } from './calls.ts';
import { type Endpoints, outOfTime } from './endpoints.ts';

type Mutation = NonNullable<ProposeRequest['request']>;
type Answer = NonNullable<ProposeResponse['response']>;
export type AnswerTo<Case extends Mutation['$case']> = Extract<Answer, { readonly $case: Case }>['value'];
type Requested<Case extends Mutation['$case']> = Extract<Mutation, { readonly $case: Case }>['value'];

/** One registration of this client with the cluster, under which its proposals are numbered. */
interface Incarnation {
  readonly id: number;
  nextSequence: number;
  /** Sequences without an answer, ascending: a Set keeps the order of insertion. */
  readonly pending: Set<number>;
}

interface Registration {
  readonly promise: Promise<Incarnation>;
  /** Set when the promise is fulfilled: the next caller need not wait. */
  made: Incarnation | undefined;
}

/**
 * Mutations with an identity: however often one is sent, it is applied once. An incarnation is registered with the
 * first of them; when the cluster has forgotten it, those that were certainly never applied go on under a new one.
 */
export class Proposals {
  readonly #endpoints: Endpoints;
  readonly #runtime: Runtime;
  readonly #name: string;
  readonly #timeoutMs: number;
  #registration: Registration | undefined;

  constructor(options: { endpoints: Endpoints; runtime: Runtime; name: string; timeoutMs: number }) {
    this.#endpoints = options.endpoints;
    this.#runtime = options.runtime;
    this.#name = options.name;
    this.#timeoutMs = options.timeoutMs;
  }

  /** @throws ConclaveError; outcome 'unknown' only where the mutation may have been applied. */
  async propose<Case extends Mutation['$case']>(
    kind: Case,
    value: Requested<Case>,
    what: string,
    options: CallOptions,
  ): Promise<AnswerTo<Case>> {
    const request = { $case: kind, value } as Mutation;
    const deadlineMs = this.#runtime.clock.monotonicMs() + (options.timeoutMs ?? this.#timeoutMs);
    for (;;) {
      const leftMs = Math.max(deadlineMs - this.#runtime.clock.monotonicMs(), 1);
      const within = { ...options, timeoutMs: leftMs };
      const registration = this.#register();
      const incarnation = registration.made ?? (await this.#registered(registration, what, options, leftMs));
      try {
        const response = await this.#send(incarnation, request, what, within);
        if (response?.$case !== kind) throw mismatch(what, kind, response?.$case);
        return response.value as AnswerTo<Case>;
      } catch (error) {
        if (!ConclaveError.is(error, 'unknown-incarnation')) throw error;
        if (this.#registration === registration) this.#registration = undefined;
        // Applied before the incarnation was forgotten, or never: nobody can say any more.
        if (error.outcome === 'unknown') throw error;
      }
    }
  }

  async #send(
    incarnation: Incarnation,
    request: Mutation,
    what: string,
    options: CallOptions & { readonly timeoutMs: number },
  ): Promise<ProposeResponse['response']> {
    const sequence = incarnation.nextSequence;
    incarnation.nextSequence += 1;
    incarnation.pending.add(sequence);
    const forget = (): boolean => incarnation.pending.delete(sequence);
    // At once: whatever this caller asks for next must overtake and so annul what it gave up here.
    options.signal?.addEventListener('abort', forget, { once: true });
    try {
      const repeatable = { ...options, mayRepeat: true };
      return await this.#endpoints.run(what, repeatable, async (link, { timeoutMs, ambiguous }) => {
        // Empty only when the caller has given up, and then nothing is sent any more.
        const [acknowledgedBelow = sequence] = incarnation.pending;
        const proposal = { incarnation: incarnation.id, sequence, acknowledgedBelow, request };
        try {
          const unaryOptions =
            options.signal === undefined ? { timeoutMs } : { signal: options.signal, timeoutMs };
          return (await link.unary(services.Conclave.propose, proposal, unaryOptions)).response;
        } catch (error) {
          if (ambiguous && ConclaveError.is(error, 'unknown-incarnation')) throw forgotten(what, error);
          throw error;
        }
      });
    } finally {
      options.signal?.removeEventListener('abort', forget);
      forget();
    }
  }

  /** The registration goes on for others; a caller that waits in vain should hear what is wrong with it. */
  async #registered(
    { promise }: Registration,
    what: string,
    options: CallOptions,
    leftMs: number,
  ): Promise<Incarnation> {
    try {
      return await waitWithin(this.#runtime, promise, what, { ...options, timeoutMs: leftMs });
    } catch (error) {
      if (!ConclaveError.is(error, 'timeout')) throw error;
      throw outOfTime(what, options.timeoutMs ?? this.#timeoutMs, false, this.#endpoints.trouble);
    }
  }

  #register(): Registration {
    if (this.#registration !== undefined) return this.#registration;
    const promise = this.#endpoints
      .run(
        'Registering this client',
        // An incarnation more than needed is forgotten after a while.
        { timeoutMs: this.#timeoutMs, mayRepeat: true },
        (link, { timeoutMs }) =>
          link.unary(services.Conclave.registerClient, { name: this.#name }, { timeoutMs }),
      )
      .then(
        ({ incarnation }): Incarnation => {
          registration.made = { id: incarnation, nextSequence: 1, pending: new Set() };
          return registration.made;
        },
        (error: unknown) => {
          if (this.#registration === registration) this.#registration = undefined;
          // A registration in vain left nothing that matters: the mutation behind it was never sent.
          throw ConclaveError.is(error) ? notApplied(error) : error;
        },
      );
    const registration: Registration = { promise, made: undefined };
    this.#registration = registration;
    return registration;
  }
}

function notApplied(error: ConclaveError): ConclaveError {
  if (error.outcome === 'not-applied') return error;
  const { retryable, details, cause } = error;
  return new ConclaveError(error.code, error.message, { retryable, details, cause });
}

function forgotten(what: string, cause: ConclaveError): ConclaveError {
  const message = `${what} may have been applied: the cluster forgot this client before the answer was known.`;
  return new ConclaveError('unknown-incarnation', message, { outcome: 'unknown', cause });
}

function mismatch(what: string, asked: string, answered: string | undefined): ConclaveError {
  const message = `${what} was answered with ${answered ?? 'nothing'} instead of ${asked}.`;
  return new ConclaveError('internal', message, { outcome: 'unknown' });
}
