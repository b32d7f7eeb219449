import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import type { MethodDescriptor } from '../wire/index.ts';
import { Backoff, type CallOptions, pause } from './calls.ts';
import { Link, type SilenceLimits } from './link.ts';
import type { TransportFactory } from './transport.ts';

export interface EndpointsOptions {
  readonly endpoints: readonly string[];
  readonly transport: TransportFactory;
  readonly runtime: Runtime;
  readonly silence: SilenceLimits;
  readonly timeoutMs: number;
}

interface Slot {
  readonly endpoint: string;
  readonly backoff: Backoff;
  link: Link | undefined;
  /** Not to be chosen before, unless all are like that. */
  shunnedUntilMs: number;
}

export interface AttemptOptions extends CallOptions {
  /** This endpoint only, without fail-over. */
  readonly endpoint?: string;
  /** A read: whatever became of an attempt, nothing was applied. Default false. */
  readonly changesNothing?: boolean;
  /**
   * Sent twice it is applied once: while an answer is late, another endpoint may be asked for it. Default: as
   * `changesNothing`.
   */
  readonly mayRepeat?: boolean;
}

/**
 * What may be repeated waits so long for one endpoint at least, and else for an even share of the time: a member that
 * is cut off from the others takes requests and holds them until there is a leader, which here takes no longer.
 */
const leastShareMs = 1500;

/** Which link to use: starts anywhere, stays with an endpoint that works, moves on from one that does not. */
export class Endpoints {
  readonly #options: EndpointsOptions;
  readonly #runtime: Runtime;
  readonly #slots: Slot[];
  #current: number;
  readonly #distrustListeners = new Set<(link: Link) => void>();
  #trouble: ConclaveError | undefined;
  #closed = false;

  constructor(options: EndpointsOptions) {
    if (options.endpoints.length === 0) {
      throw new ConclaveError('invalid-argument', 'A client needs at least one endpoint.');
    }
    this.#options = options;
    this.#runtime = options.runtime;
    this.#slots = options.endpoints.map((endpoint) => ({
      endpoint,
      backoff: new Backoff(options.runtime, 20, 1000),
      link: undefined,
      shunnedUntilMs: Number.NEGATIVE_INFINITY,
    }));
    this.#current = Math.floor(options.runtime.random.unit() * this.#slots.length);
  }

  get names(): readonly string[] {
    return this.#slots.map((slot) => slot.endpoint);
  }

  /** The endpoint that the next call goes to. */
  get current(): string {
    return this.#slots[this.#current]?.endpoint ?? '';
  }

  /** A link to the best endpoint, other than `avoid` where there is another. @throws 'closed' */
  choose(avoid?: string): Link {
    this.#assertOpen();
    const now = this.#runtime.clock.monotonicMs();
    let best: number | undefined;
    for (let step = 0; step < this.#slots.length; step += 1) {
      const at = (this.#current + step) % this.#slots.length;
      const slot = this.#slots[at];
      if (slot === undefined || (slot.endpoint === avoid && this.#slots.length > 1)) continue;
      if (slot.shunnedUntilMs <= now) {
        best = at;
        break;
      }
      if (best === undefined || slot.shunnedUntilMs < (this.#slots[best]?.shunnedUntilMs ?? 0)) best = at;
    }
    const at = best ?? this.#current;
    if (avoid === undefined) this.#current = at;
    return this.#linkOf(this.#slots[at] as Slot);
  }

  /** @throws 'invalid-argument' for an endpoint that the client was not made with. */
  linkTo(endpoint: string): Link {
    this.#assertOpen();
    const slot = this.#slots.find((candidate) => candidate.endpoint === endpoint);
    if (slot === undefined) {
      throw new ConclaveError(
        'invalid-argument',
        `${endpoint} is not an endpoint of this client: ${this.names.join(', ')}.`,
      );
    }
    return this.#linkOf(slot);
  }

  /** Why the last call failed; undefined since one succeeded. */
  get trouble(): ConclaveError | undefined {
    return this.#trouble;
  }

  worked(link: Link): void {
    this.#trouble = undefined;
    const slot = this.#slotOf(link);
    if (slot === undefined) return;
    slot.backoff.reset();
    slot.shunnedUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** The next choice is another endpoint, if there is one. */
  failed(link: Link): void {
    const slot = this.#slotOf(link);
    if (slot === undefined) return;
    this.#shun(slot);
    for (const listener of [...this.#distrustListeners]) listener(link);
  }

  /**
   * Called when a call on a link failed although its connection may stand, as when its member is cut off from the
   * others: streams on it may stay silent for ever. Not where there is nowhere else to go.
   */
  onDistrust(listener: (link: Link) => void): void {
    if (this.#slots.length > 1) this.#distrustListeners.add(listener);
  }

  /** One request with one answer, tried as `run` does. */
  unary<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    request: Req,
    what: string,
    options: AttemptOptions,
  ): Promise<Res> {
    const { signal } = options;
    return this.run(what, options, (link, { timeoutMs }) =>
      link.unary(method, request, signal === undefined ? { timeoutMs } : { signal, timeoutMs }),
    );
  }

  /**
   * Runs `attempt` on one endpoint after the other until it succeeds, fails for good, or time is up. The error's
   * outcome covers all attempts: 'unknown' as soon as one of them may have taken effect.
   */
  async run<T>(
    what: string,
    options: AttemptOptions,
    attempt: (link: Link, left: { readonly timeoutMs: number; readonly ambiguous: boolean }) => Promise<T>,
  ): Promise<T> {
    const { signal, timeoutMs = this.#options.timeoutMs } = options;
    const deadlineMs = this.#runtime.clock.monotonicMs() + timeoutMs;
    const backoff = new Backoff(this.#runtime, 10, 500);
    let ambiguous = false;
    let last: ConclaveError | undefined;
    for (let attempts = 1; ; attempts += 1) {
      if (signal?.aborted) throw withOutcome(ConclaveError.aborted(what, signal), ambiguous);
      const leftMs = deadlineMs - this.#runtime.clock.monotonicMs();
      if (leftMs <= 0) throw outOfTime(what, timeoutMs, ambiguous, last);
      let link: Link | undefined;
      let busy = false;
      try {
        link = options.endpoint === undefined ? this.choose() : this.linkTo(options.endpoint);
        const result = await attempt(link, {
          timeoutMs: this.#shareOf(leftMs, attempts, options),
          ambiguous,
        });
        this.worked(link);
        return result;
      } catch (caught) {
        const error = asConclaveError(caught, what);
        if (error.outcome === 'unknown' && !options.changesNothing) ambiguous = true;
        // Given up by this side, or refused for who asks, which may have changed: what an earlier attempt did stays
        // unknown. Any other answer is the answer.
        const isNoAnswer = leftOpenBy.has(error.code);
        if (!mayRetry(error) || this.#closed) throw withOutcome(error, ambiguous && isNoAnswer);
        // The time left for an attempt may be too short for any answer: what an earlier one heard says more.
        if (last === undefined || error.code !== 'timeout') last = error;
        this.#trouble = last;
        busy = error.code === 'too-many-requests';
        if (link !== undefined && !busy) this.failed(link);
      }
      // Every endpoint gets its turn at once; only then does it make sense to wait.
      if (attempts % this.#slots.length === 0 || busy) {
        await pause(this.#runtime, Math.min(backoff.nextMs(), Math.max(leftMs, 1)), signal);
      }
    }
  }

  /** The last endpoint that is asked has all the time that is left. */
  #shareOf(leftMs: number, attempts: number, options: AttemptOptions): number {
    const { endpoint, changesNothing = false, mayRepeat = changesNothing } = options;
    const others = this.#slots.length - attempts;
    if (!mayRepeat || endpoint !== undefined || others <= 0) return leftMs;
    return Math.min(leftMs, Math.max(leastShareMs, leftMs / (others + 1)));
  }

  close(cause: ConclaveError): void {
    this.#closed = true;
    for (const slot of this.#slots) slot.link?.transport.close(cause);
  }

  #linkOf(slot: Slot): Link {
    if (slot.link !== undefined && !slot.link.broken) return slot.link;
    const limits = this.#slots.length > 1 ? this.#options.silence : undefined;
    const link = new Link(this.#options.transport(slot.endpoint), this.#runtime, limits);
    slot.link = link;
    link.transport.onBreak(() => {
      if (slot.link !== link) return;
      slot.link = undefined;
      this.#shun(slot);
    });
    return link;
  }

  #slotOf(link: Link): Slot | undefined {
    return this.#slots.find((slot) => slot.link === link);
  }

  #shun(slot: Slot): void {
    const now = this.#runtime.clock.monotonicMs();
    if (slot.shunnedUntilMs > now) return;
    slot.shunnedUntilMs = now + slot.backoff.nextMs();
    if (this.#slots[this.#current] === slot) this.#current = (this.#current + 1) % this.#slots.length;
  }

  #assertOpen(): void {
    if (this.#closed) throw new ConclaveError('closed', 'This client is closed.');
  }
}

/** These say nothing of what an earlier attempt did, or will do when it arrives. */
const leftOpenBy: ReadonlySet<string> = new Set([
  'aborted',
  'closed',
  'permission-denied',
  'unauthenticated',
]);

const retriedCodes: ReadonlySet<string> = new Set([
  'unavailable',
  'no-leader',
  'not-leader',
  'too-many-requests',
  'timeout',
]);

export function mayRetry(error: ConclaveError): boolean {
  return error.retryable || retriedCodes.has(error.code);
}

export function asConclaveError(caught: unknown, what: string): ConclaveError {
  if (ConclaveError.is(caught)) return caught;
  return new ConclaveError('internal', `${what} failed: ${String(caught)}`, {
    cause: caught,
    outcome: 'unknown',
  });
}

function withOutcome(error: ConclaveError, unknown: boolean): ConclaveError {
  if (!unknown || error.outcome === 'unknown') return error;
  const { retryable, details, cause } = error;
  return new ConclaveError(error.code, error.message, { retryable, details, cause, outcome: 'unknown' });
}

/** What to say when time is up: `last` is the last failure that was more than a lack of time. */
export function outOfTime(
  what: string,
  timeoutMs: number,
  ambiguous: boolean,
  last: ConclaveError | undefined,
): ConclaveError {
  const why = last === undefined ? '' : ` The last attempt failed: ${last.message}`;
  // Nobody was reached, or nobody leads: that says more than that time passed. That a member was stopping is not to
  // look as if this client were closed.
  const telling = last !== undefined && !ambiguous && last.code !== 'timeout';
  const code = !telling ? 'timeout' : last.code === 'closed' ? 'unavailable' : last.code;
  return new ConclaveError(code, `${what} did not succeed within ${Math.round(timeoutMs)} ms.${why}`, {
    retryable: true,
    outcome: ambiguous ? 'unknown' : 'not-applied',
    cause: last,
  });
}
