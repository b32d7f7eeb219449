/** One call of `once`: sees the outcome, or owns the operation and records one. */
import type { LeaseStore, LiveSession } from '../../election/index.ts';
import { linkSignals, sleep } from '../../election/waiting.ts';
import { ConclaveError } from '../../errors/index.ts';
import { Claim } from './claim.ts';
import type { NotJson, ResultCodec } from './codec.ts';
import { reviveFailure } from './failure.ts';
import { HeldOperation, type OperationLeadership } from './operation-leadership.ts';
import { type OnceOptions, type OnceSettings, resolveOnce } from './options.ts';
import { type Ending, judge } from './outcome.ts';
import { finalRecord, type Place, readState, watchUntil } from './place.ts';
import { decodeRecord, encodeRecord, type FinalRecord, isFinal } from './record.ts';
import { writeOutcome, writeState } from './recording.ts';
import { type Turn, takeTurn } from './turns.ts';

/** What the function gets. */
export interface OnceContext {
  /** Pass it on as an idempotency key, or keep it in the transaction of the effect. */
  readonly operationId: string;
  /** 1 for the first run that the store knows of, one more for each that began after it. */
  readonly attempt: number;
  /**
   * The run before ended without a word: its effect may have taken place, and its process may still be running. Known
   * for `retainMs` after that run began.
   */
  readonly takenOver: boolean;
  /** Of `leadership`. */
  readonly token: number;
  /** For the guards of `conclave/fencing`. */
  readonly leadership: OperationLeadership;
  /** Aborts when the leadership is lost, or the caller's signal aborts: stop then. */
  readonly signal: AbortSignal;
}

/** The options; they must name a codec where the result's type is one that JSON would lose or change. */
export type OnceArguments<T> =
  true extends NotJson<T>
    ? [options: OnceOptions<T> & { readonly codec: ResultCodec<T> }]
    : [options?: OnceOptions<T>];

/**
 * Runs `fn` unless the operation has an outcome, and gives every caller within `retainMs` the one outcome that was
 * recorded: the decoded result, or the error that it threw (name, message, code and details; a ConclaveError stays
 * one). Callers that come while it runs wait for it; later ones cost one read. Settles only after `fn` has.
 *
 * `fn` MAY RUN AGAIN: after a crash, or a pause past the lease, between its effect and the record. So let the resource
 * know the operation id: as an idempotency key, or in the transaction that has the effect. `fn` must not call `once`
 * for its own operation, which would wait for itself.
 *
 * The operation is the election 'once/' and the id: do not campaign for that name.
 *
 * @throws the recorded error; what `fn` threw, unrecorded, where that may be tried again; 'lease-lost' (outcome
 * 'unknown', retryable) where this call lost the operation while `fn` ran, and nobody has recorded an outcome since;
 * 'aborted' (outcome 'unknown' once `fn` has begun); 'too-large' or 'invalid-argument' (outcome 'unknown', recorded)
 * for a result that cannot be recorded; 'data-damaged' where the record is not an operation's; 'invalid-argument',
 * 'too-large' (of the id, or by `codec.maxBytes`) and 'unsupported' before anything has an effect.
 */
export async function once<T>(
  store: LeaseStore,
  operationId: string,
  fn: (context: OnceContext) => T | Promise<T>,
  ...[options]: OnceArguments<T>
): Promise<T> {
  const settings = resolveOnce(store, operationId, (options ?? {}) as OnceOptions<never>);
  if (typeof fn !== 'function') {
    throw new ConclaveError('invalid-argument', 'What is to run once must be a function.');
  }
  const { signal } = settings;
  if (signal?.aborted) throw ConclaveError.aborted(`Operation ${JSON.stringify(operationId)}`, signal);
  return (await new Call(store, settings, fn).run()) as T;
}

export interface Owned {
  readonly live: LiveSession;
  readonly token: number;
  readonly attempt: number;
}

class Call {
  readonly #settings: OnceSettings;
  readonly #fn: (context: OnceContext) => unknown;
  readonly #place: Place;
  readonly #claim: Claim;
  /** What the outcome with this token was made of, if it is our own. */
  #own: { readonly token: number; readonly cause: unknown } | undefined;

  constructor(store: LeaseStore, settings: OnceSettings, fn: (context: OnceContext) => unknown) {
    const { name, session } = settings;
    this.#settings = settings;
    this.#fn = fn;
    this.#place = { store, name, settings: session.settings };
    this.#claim = new Claim(this.#place, session);
  }

  async run(): Promise<unknown> {
    const { session, ownsSession, name, signal } = this.#settings;
    const turn = ownsSession ? undefined : await takeTurn(session, name, signal);
    let outcome: Uint8Array | undefined;
    try {
      outcome = turn?.outcome ?? (await this.#settle(turn));
    } finally {
      const leaving = ownsSession ? session[Symbol.asyncDispose]() : this.#claim.leave();
      void leaving.then(() => turn?.end(outcome));
      if (ownsSession) await this.#awaitBriefly(leaving);
    }
    return this.#told(outcome);
  }

  /** Gives the final record. */
  async #settle(turn: Turn | undefined): Promise<Uint8Array> {
    const { name, signal } = this.#settings;
    for (;;) {
      const { record, leader } = await readState(this.#place, signal);
      const known = finalRecord(name, record);
      if (known !== undefined) return known;
      if (leader !== undefined) {
        const seen = await watchUntil(this.#place, signal, (state) => {
          return finalRecord(name, state.record) ?? (state.leader === undefined ? 'free' : undefined);
        });
        if (seen !== 'free') return seen;
      }
      await turn?.claim();
      const claimed = await this.#claim.win(signal);
      if (claimed.status === 'settled') return claimed.outcome;
      const outcome = await this.#begin(claimed.live, claimed.token, claimed.record);
      if (outcome !== undefined) return outcome;
    }
  }

  /** undefined: the leadership was lost before the function began. */
  async #begin(
    live: LiveSession,
    token: number,
    record: Uint8Array | undefined,
  ): Promise<Uint8Array | undefined> {
    const { name, signal } = this.#settings;
    const before = record === undefined ? undefined : decodeRecord(name, record);
    if (before !== undefined && isFinal(before)) return record;
    // Of this very leadership: an earlier write of ours whose answer was lost.
    const again = before?.token === token;
    const attempt = (before?.attempt ?? 0) + (again ? 0 : 1);
    const takenOver = before?.state === 'running' && !again;
    const owned = { live, token, attempt };
    const marked = await writeState(this.#place, this.#settings, owned, 'running');
    if (signal?.aborted) throw ConclaveError.aborted(`Operation ${JSON.stringify(name)}`, signal);
    if (!marked || !live.check()) return undefined;
    const ending = await this.#runFunction(owned, takenOver);
    return await this.#finish(owned, ending);
  }

  async #runFunction({ live, token, attempt }: Owned, takenOver: boolean): Promise<Ending> {
    const { operationId, signal } = this.#settings;
    const leadership = new HeldOperation({ ...this.#place, token, live });
    const link = linkSignals(signal, leadership.signal);
    const context = { operationId, attempt, takenOver, token, leadership, signal: link.signal };
    const running = (async (): Promise<Ending> => ({
      status: 'returned',
      value: await this.#fn(context),
    }))().catch((error: unknown): Ending => ({ status: 'threw', error }));
    live.holdOpen(running);
    const ending = await running;
    link.release();
    leadership.end();
    return ending;
  }

  async #finish(owned: Owned, ending: Ending): Promise<Uint8Array> {
    const { live } = owned;
    const cause = ending.status === 'threw' ? ending.error : undefined;
    if (!live.check()) return await this.#afterLoss(cause);
    const verdict = judge(this.#settings, owned, ending);
    if (verdict !== undefined) return await this.#record(owned, verdict.record, verdict.cause);
    await writeState(this.#place, this.#settings, owned, 'open');
    if (this.#settings.signal?.aborted) throw this.#abortedRunning(cause);
    throw cause;
  }

  async #record(owned: Owned, record: FinalRecord, cause: unknown): Promise<Uint8Array> {
    this.#own = { token: owned.token, cause };
    const bytes = encodeRecord(record);
    const written = await writeOutcome(this.#place, this.#settings, owned, bytes);
    if (written === 'recorded') {
      this.#claim.released();
      return bytes;
    }
    if (written === 'lost') return await this.#afterLoss(cause);
    if (record.state === 'done' && written.code === 'too-large') {
      const refused = judge(this.#settings, owned, { status: 'refused', error: written });
      if (refused) return await this.#record(owned, refused.record, written);
    }
    owned.live.lose('closed');
    throw this.#unrecorded('its outcome could not be recorded', written);
  }

  /**
   * The function ran, and whether its outcome was recorded is unknown, or it was not: what counts is the record that
   * there is, or that the new owner makes; never our own that is in none.
   */
  async #afterLoss(cause: unknown): Promise<Uint8Array> {
    const { name, signal } = this.#settings;
    try {
      for (;;) {
        const { record, leader } = await readState(this.#place, signal);
        const known = finalRecord(name, record);
        if (known !== undefined) return known;
        if (leader === undefined) break;
        await watchUntil(this.#place, signal, (state) => {
          return finalRecord(name, state.record) !== undefined || state.leader === undefined || undefined;
        });
      }
    } catch (error) {
      if (signal?.aborted) throw this.#abortedRunning(cause ?? error);
      throw this.#unrecorded('its leadership was lost, and the store cannot be asked for an outcome', error);
    }
    throw this.#unrecorded('its leadership was lost, and nobody has recorded an outcome since', cause, true);
  }

  #unrecorded(why: string, cause: unknown, retryable = false): ConclaveError {
    const { operationId } = this.#settings;
    const message = `Operation ${JSON.stringify(operationId)} has run here, but ${why}: it may have taken effect. Call again with the same operation id.`;
    const details = { operationId };
    return new ConclaveError('lease-lost', message, { outcome: 'unknown', retryable, cause, details });
  }

  #abortedRunning(cause: unknown): ConclaveError {
    const { operationId } = this.#settings;
    const message = `Operation ${JSON.stringify(operationId)} was aborted by its signal while it ran: it may have taken effect, and nothing was recorded.`;
    return new ConclaveError('aborted', message, { outcome: 'unknown', cause, details: { operationId } });
  }

  #told(outcome: Uint8Array): unknown {
    const { name, operationId, codec } = this.#settings;
    const record = decodeRecord(name, outcome);
    if (!isFinal(record)) throw new ConclaveError('internal', `The record of ${name} is not final.`);
    if (record.state === 'failed') {
      throw reviveFailure(record.failure, this.#own?.token === record.token ? this.#own.cause : undefined);
    }
    try {
      return codec.decode(record.result);
    } catch (cause) {
      const message = `The recorded result of operation ${JSON.stringify(operationId)} cannot be decoded: all its callers must use the codec that it was recorded with.`;
      throw new ConclaveError('data-damaged', message, { cause, details: { operationId } });
    }
  }

  async #awaitBriefly(leaving: Promise<void>): Promise<void> {
    const enough = new AbortController();
    await Promise.race([leaving, sleep(this.#place.settings.runtime, 1000, enough.signal)]);
    enough.abort();
  }
}
