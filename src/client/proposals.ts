import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { type ProposeRequest, type ProposeResponse, services } from '../wire/index.ts';
import { neverSent } from './call-errors.ts';
import { type CallOptions, waitWithin } from './calls.ts';
import { type Endpoints, mayRetry, outOfTime } from './endpoints.ts';
import type { Link } from './link.ts';
import type { UnaryOptions } from './transport.ts';

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
  /** Sequences that were sent and given up while an earlier one was pending: they may still arrive. */
  readonly abandoned: Set<number>;
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
    let isSent = false;
    const forget = (): boolean => incarnation.pending.delete(sequence);
    const abandon = (): void => {
      if (!forget() || !isSent) return;
      const [lowest = sequence] = incarnation.pending;
      // Else the next proposal says that nobody waits for it any more.
      if (lowest < sequence) incarnation.abandoned.add(sequence);
    };
    // At once: whatever this caller asks for next must overtake and so annul what it gave up here.
    options.signal?.addEventListener('abort', abandon, { once: true });
    try {
      const repeatable = { ...options, mayRepeat: true };
      return await this.#endpoints.run(what, repeatable, async (link, { timeoutMs: shareMs, ambiguous }) => {
        const timeoutMs = await this.#annul(incarnation, link, { ...options, timeoutMs: shareMs });
        // Empty only when the caller has given up, and then nothing is sent any more.
        const [acknowledgedBelow = sequence] = incarnation.pending;
        const proposal = { incarnation: incarnation.id, sequence, acknowledgedBelow, request };
        try {
          isSent = true;
          const unaryOptions =
            options.signal === undefined ? { timeoutMs } : { signal: options.signal, timeoutMs };
          return (await link.unary(services.Conclave.propose, proposal, unaryOptions)).response;
        } catch (error) {
          if (ambiguous && ConclaveError.is(error, 'unknown-incarnation')) throw forgotten(what, error);
          throw error;
        }
      });
    } catch (error) {
      if (ConclaveError.is(error) && error.outcome === 'unknown') abandon();
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', abandon);
      forget();
    }
  }

  /**
   * Before anything else is sent, what was given up out of turn gets nothing to do, under its own number: whichever of the
   * two arrives first is the one that is applied. Resolves to what is left of the time.
   */
  async #annul(incarnation: Incarnation, link: Link, { signal, timeoutMs }: UnaryOptions): Promise<number> {
    if (incarnation.abandoned.size === 0) return timeoutMs;
    const { clock } = this.#runtime;
    const untilMs = clock.monotonicMs() + timeoutMs;
    const within = signal === undefined ? { timeoutMs } : { signal, timeoutMs };
    const [acknowledgedBelow = Number.POSITIVE_INFINITY] = incarnation.pending;
    const annulling = [...incarnation.abandoned].map(async (sequence) => {
      // Else the proposal that follows says so.
      if (sequence >= acknowledgedBelow) {
        const proposal = { incarnation: incarnation.id, sequence, acknowledgedBelow, request: nothing };
        await link.unary(services.Conclave.propose, proposal, within).catch(unlessAnswered);
      }
      incarnation.abandoned.delete(sequence);
    });
    await Promise.all(annulling);
    return Math.max(untilMs - clock.monotonicMs(), 1);
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
          registration.made = { id: incarnation, nextSequence: 1, pending: new Set(), abandoned: new Set() };
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

const nothing: Mutation = { $case: 'txn', value: { compare: [], success: [], failure: [] } };

/** Refused for good is an answer: that number is used up, or unknown with its whole incarnation. */
function unlessAnswered(error: unknown): void {
  if (!ConclaveError.is(error)) throw error;
  const isAboutCaller = error.code === 'permission-denied' || error.code === 'unauthenticated';
  if (error.code === 'aborted' || isAboutCaller || mayRetry(error)) throw neverSent(error);
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
