/** The options of `once`, their defaults, and their checks: all of them before anything has an effect. */
import { type ElectionSessionOptions, type LeaseStore, Session } from '../../election/index.ts';
import {
  checkSignal,
  checkStore,
  resolveElectionSettings,
  sessionOptionNames,
  sessionOptionsOf,
} from '../../election/options.ts';
import { ConclaveError } from '../../errors/index.ts';
import { checkNames } from '../../errors/option-names.ts';
import { jsonCodec, type ResultCodec } from './codec.ts';

export interface OnceOptions<T = unknown> extends ElectionSessionOptions {
  /**
   * How long the outcome is kept at least, in milliseconds from when it was recorded. 1000 to 31622400000 (366 days),
   * or Infinity, for ever; default 86400000, a day. After it the operation is unknown, and would run again. A store
   * that cannot forget (`capabilities.recordsExpire`) takes Infinity only.
   */
  readonly retainMs?: number | undefined;
  /** The most bytes of an encoded result. 1 to 1048576; default 65536. The store may have a limit of its own. */
  readonly resultLimitBytes?: number | undefined;
  /** How results become bytes, the same for all callers of an operation. Default JSON. */
  readonly codec?: ResultCodec<T> | undefined;
  /**
   * Whether an error that the function threw may be tried again: then it is not recorded, and the next caller runs the
   * function. A ConclaveError that is `retryable` always may. Default: every other error is final.
   */
  readonly isRetryable?: ((error: unknown) => boolean) | undefined;
  /**
   * Use this session, shared with other operations and elections, instead of one for this call: many operations then
   * cost one lease. Its options then count, not those given here; it is left open.
   */
  readonly session?: Session | undefined;
  /** Ends the waiting; while the function runs, aborts its signal. */
  readonly signal?: AbortSignal | undefined;
  /**
   * On a store that is only `advisory`, or whose tokens do not survive deletion, two may run at once and two results
   * be recorded. Say here, in words of your own, why that is acceptable; without it such a store is refused.
   */
  readonly acceptAdvisory?: string | undefined;
}

/** Complete: the compiler says so. */
const ownNames = {
  retainMs: true,
  resultLimitBytes: true,
  codec: true,
  isRetryable: true,
  session: true,
  signal: true,
  acceptAdvisory: true,
} as const satisfies Record<Exclude<keyof OnceOptions, keyof ElectionSessionOptions>, true>;

const optionNames: readonly string[] = [...sessionOptionNames, ...Object.keys(ownNames)];

export interface OnceSettings {
  readonly name: string;
  readonly operationId: string;
  readonly session: Session;
  readonly ownsSession: boolean;
  /** undefined: for ever. */
  readonly recordTtlMs: number | undefined;
  readonly resultLimitBytes: number;
  readonly codec: ResultCodec<unknown>;
  readonly isRetryable: (error: unknown) => boolean;
  readonly signal: AbortSignal | undefined;
}

const namePrefix = 'once/';
const idLimitBytes = 512;
const dayMs = 86_400_000;
const most = { retainMs: 366 * dayMs, resultBytes: 1_048_576 };

/** @throws 'invalid-argument' or 'unsupported'. */
export function resolveOnce(
  store: LeaseStore,
  operationId: string,
  options: OnceOptions<never>,
): OnceSettings {
  checkStore(store);
  checkNames('The options of once', options, optionNames);
  const { session, signal } = options;
  const name = `${namePrefix}${checkOperationId(operationId)}`;
  checkSignal(signal);
  const resultLimitBytes = checkWhole(
    'resultLimitBytes',
    options.resultLimitBytes ?? 65_536,
    1,
    most.resultBytes,
  );
  const settings = {
    name,
    operationId,
    recordTtlMs: checkRetention(store, options.retainMs ?? dayMs),
    resultLimitBytes,
    codec: checkCodec(options.codec ?? (jsonCodec as ResultCodec<never>), resultLimitBytes),
    isRetryable: checkPredicate(options.isRetryable),
    signal,
  };
  checkPromises(store, options.acceptAdvisory);
  if (session === undefined)
    return { ...settings, session: new Session(store, sessionOptionsOf(options)), ownsSession: true };
  if (session.store !== store) throw invalid('The session given to once belongs to another store.');
  return { ...settings, session, ownsSession: false };
}

/** So that the election's name, the longest key of any store and an HTTP header have room for it. */
function checkOperationId(id: string): string {
  if (typeof id !== 'string') throw invalid(`The operation id must be a string, not ${typeof id}.`);
  if (id === '') throw invalid('The operation id is empty: it must name one operation.');
  const sizeBytes = new TextEncoder().encode(id).length;
  if (sizeBytes > idLimitBytes) {
    const message = `The operation id has ${sizeBytes} bytes; the limit is ${idLimitBytes}. Hash what it is made of.`;
    throw new ConclaveError('too-large', message);
  }
  if (/\p{Cc}|\p{Surrogate}/u.test(id)) {
    throw invalid(`The operation id ${JSON.stringify(id)} contains a control character or half a character.`);
  }
  return id;
}

function checkRetention(store: LeaseStore, retainMs: number): number | undefined {
  if (retainMs === Number.POSITIVE_INFINITY) return undefined;
  if (!(typeof retainMs === 'number' && retainMs >= 1000 && retainMs <= most.retainMs)) {
    throw invalid(
      `retainMs must be a number from 1000 to ${most.retainMs}, or Infinity, not ${String(retainMs)}.`,
    );
  }
  if (store.capabilities.recordsExpire) return retainMs;
  throw new ConclaveError(
    'unsupported',
    `${store.description} cannot forget records, so the outcome of every operation would stay for ever: use another store, or say retainMs: Infinity and remove old ones yourself.`,
  );
}

function checkCodec(codec: ResultCodec<never>, resultLimitBytes: number): ResultCodec<unknown> {
  if (typeof codec?.encode !== 'function' || typeof codec.decode !== 'function') {
    throw invalid('codec must be an object with the functions encode and decode.');
  }
  if (codec.maxBytes !== undefined) {
    const mostBytes = checkWhole('codec.maxBytes', codec.maxBytes, 0, Number.MAX_SAFE_INTEGER);
    if (mostBytes > resultLimitBytes) {
      const message = `The codec gives up to ${mostBytes} bytes, and resultLimitBytes is ${resultLimitBytes}: raise the limit, or record where the result lies.`;
      throw new ConclaveError('too-large', message);
    }
  }
  return codec as ResultCodec<unknown>;
}

function checkPredicate(predicate: OnceOptions['isRetryable']): (error: unknown) => boolean {
  if (predicate === undefined) return () => false;
  if (typeof predicate === 'function') return predicate;
  throw invalid('isRetryable must be a function.');
}

function checkPromises(store: LeaseStore, acceptAdvisory: string | undefined): void {
  resolveElectionSettings(store, { acceptAdvisory });
  if (store.capabilities.tokenSurvivesDeletion || acceptAdvisory !== undefined) return;
  throw new ConclaveError(
    'unsupported',
    `The tokens of ${store.description} may begin anew when records are deleted, so an old owner could record over a newer one: use another store, or say in acceptAdvisory why that is acceptable.`,
  );
}

function checkWhole(what: string, value: number, least: number, highest: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= highest) return value;
  throw invalid(`${what} must be a whole number from ${least} to ${highest}, not ${String(value)}.`);
}

function invalid(message: string): ConclaveError {
  return new ConclaveError('invalid-argument', message);
}
