/** The options of elections, their defaults, and their checks: all of them before anything has an effect. */
import { hostname } from 'node:os';
import { ConclaveError } from '../errors/index.ts';
import { checkNames, shown } from '../errors/option-names.ts';
import { nodeRuntime } from '../runtime/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { checkCapabilities } from './capabilities.ts';
import type { EventListener } from './events.ts';
import type { LeaseStore } from './store.ts';
import { clockMarginMs } from './validity.ts';

export interface ElectionSessionOptions {
  /** How long a leader that stopped answering keeps the leadership. 100 to 86400000; default 5000. */
  readonly ttlMs?: number | undefined;
  /**
   * Mean distance of renewals, each jittered by a tenth; sooner after a late answer. 10 to nine tenths of the TTL;
   * default a third of the TTL.
   */
  readonly renewEveryMs?: number | undefined;
  /** How wrong any clock's rate may be: 0.01 is 1%. 0 to 0.25; default 0.01. */
  readonly clockDriftRate?: number | undefined;
  /** Who we are; must differ for each process start. Default host:pid:random. At most 1024 bytes. */
  readonly holder?: string | undefined;
  /**
   * Bind the session to its connection, so that a crash frees it at once (`true`) or after a grace of 0 to
   * 86400000 ms, instead of after the TTL. Default false. Needs a store with `capabilities.connectionBound`.
   */
  readonly releaseOnDisconnect?: boolean | { readonly graceMs: number } | undefined;
  /** Hears every event; what it throws is ignored. */
  readonly onEvent?: EventListener | undefined;
  /** The machine underneath; default `nodeRuntime()`. */
  readonly runtime?: Runtime | undefined;
}

export interface ElectionOptions extends ElectionSessionOptions {
  /**
   * How long nobody may lead after this leadership ended uncleanly (lock-delay), for work in flight to drain.
   * 0 to 86400000; default 0.
   */
  readonly graceMs?: number | undefined;
  /** Higher leads first among those who wait, where the store orders them. -2147483648 to 2147483647; default 0. */
  readonly priority?: number | undefined;
  /**
   * While leading, hand off as soon as somebody of higher priority waits: the job is told to stop, settles, and the
   * other leads in the same step. Of work under a candidate's leadership, what was given to `settle` is waited for.
   * Default false: a higher priority counts only among those who wait. Needs a store with `capabilities.handOff`.
   */
  readonly yieldToPriority?: boolean | undefined;
  /** Shown to observers, for example the leader's address. At most 65536 bytes; default ''. */
  readonly metadata?: string | undefined;
  /**
   * On a store that is only `advisory` two may lead at once and tokens may fall, so fencing fails. Say here, in
   * words of your own, why that is acceptable; without it such a store is refused.
   */
  readonly acceptAdvisory?: string | undefined;
}

/** Complete: an option that is not here would be refused, and the compiler says so. */
const sessionNames = {
  ttlMs: true,
  renewEveryMs: true,
  clockDriftRate: true,
  holder: true,
  releaseOnDisconnect: true,
  onEvent: true,
  runtime: true,
} as const satisfies Record<keyof ElectionSessionOptions, true>;

const electionNames = {
  ...sessionNames,
  graceMs: true,
  priority: true,
  yieldToPriority: true,
  metadata: true,
  acceptAdvisory: true,
} as const satisfies Record<keyof ElectionOptions, true>;

export const sessionOptionNames: readonly string[] = Object.keys(sessionNames);

export const candidateOptionNames: readonly string[] = [...Object.keys(electionNames), 'session'];

/** For what never yields: a lock and its like. */
export const waitingOptionNames: readonly string[] = [
  ...candidateOptionNames.filter((name) => name !== 'yieldToPriority'),
  'signal',
  'waitMs',
];

/** Those among the options of something greater that are its session's. */
export function sessionOptionsOf(options: ElectionSessionOptions): ElectionSessionOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => sessionOptionNames.includes(name)),
  ) as ElectionSessionOptions;
}

export interface SessionSettings {
  readonly ttlMs: number;
  readonly renewEveryMs: number;
  readonly clockDriftRate: number;
  readonly holder: string;
  readonly releaseOnDisconnect: { readonly graceMs: number } | undefined;
  readonly onEvent: EventListener | undefined;
  readonly runtime: Runtime;
}

export interface ElectionSettings {
  readonly graceMs: number;
  readonly priority: number;
  readonly yieldToPriority: boolean;
  readonly metadata: string;
}

const dayMs = 86_400_000;
const nameLimitBytes = 1024;
const metadataLimitBytes = 65_536;

export function resolveSessionSettings(store: LeaseStore, options: ElectionSessionOptions): SessionSettings {
  const ttlMs = checkRange('ttlMs', options.ttlMs ?? 5000, 100, dayMs);
  const { minTtlMs, maxTtlMs, connectionBound } = store.capabilities;
  if (ttlMs < minTtlMs) {
    throw invalid(`ttlMs ${ttlMs} is below what ${store.description} can keep: use at least ${minTtlMs} ms.`);
  }
  if (ttlMs > maxTtlMs) {
    throw invalid(`ttlMs ${ttlMs} is above what ${store.description} can keep: use at most ${maxTtlMs} ms.`);
  }
  const clockDriftRate = checkRange('clockDriftRate', options.clockDriftRate ?? 0.01, 0, 0.25);
  const validMs = ttlMs - clockMarginMs(ttlMs, clockDriftRate);
  const renewEveryMs = checkRange(
    'renewEveryMs',
    options.renewEveryMs ?? Math.min(ttlMs / 3, validMs / 2),
    10,
    ttlMs * 0.9,
  );
  // The jitter is a tenth; the answer needs a while, too.
  if (renewEveryMs * 1.1 >= validMs) {
    throw invalid(
      `renewEveryMs ${renewEveryMs} leaves no time to renew: with ttlMs ${ttlMs} and clockDriftRate ${clockDriftRate} a lease is good for ${Math.floor(validMs)} ms.`,
    );
  }
  const releaseOnDisconnect = resolveDisconnect(options.releaseOnDisconnect);
  if (releaseOnDisconnect !== undefined && !connectionBound) {
    throw new ConclaveError(
      'unsupported',
      `${store.description} cannot bind a session to its connection: leave out releaseOnDisconnect.`,
    );
  }
  const runtime = options.runtime ?? nodeRuntime();
  const holder = checkText('holder', options.holder ?? defaultHolder(runtime), nameLimitBytes);
  if (options.onEvent !== undefined && typeof options.onEvent !== 'function')
    throw invalid('onEvent must be a function.');
  return {
    ttlMs,
    renewEveryMs,
    clockDriftRate,
    holder,
    releaseOnDisconnect,
    onEvent: options.onEvent,
    runtime,
  };
}

/**
 * For callers without types, and stores of one's own: a store that is none must not show as a TypeError from somewhere
 * inside, nor one that misspells what it promises pass for a better one.
 */
export function checkStore(store: LeaseStore): void {
  const given: { capabilities?: unknown; openSession?: unknown } | undefined = store;
  const capabilities = given?.capabilities;
  if (typeof capabilities !== 'object' || capabilities === null || typeof given?.openSession !== 'function') {
    throw invalid('The first argument must be a store, such as conclaveStore(…) or memoryStore(…) gives.');
  }
  checkCapabilities(capabilities);
}

/** @throws 'invalid-argument' for anything but an AbortSignal. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined || typeof signal.addEventListener === 'function') return;
  throw invalid('signal must be an AbortSignal, such as `controller.signal`.');
}

export function resolveElectionSettings(store: LeaseStore, options: ElectionOptions): ElectionSettings {
  const { consistency, note } = store.capabilities;
  const accepted = options.acceptAdvisory;
  if (accepted !== undefined && (typeof accepted !== 'string' || accepted.trim() === '')) {
    throw invalid('acceptAdvisory must be a text that says why an advisory store is acceptable.');
  }
  if (consistency !== 'linearizable' && accepted === undefined) {
    throw new ConclaveError(
      'unsupported',
      `${store.description} is advisory (${note}): two may lead at once and fencing tokens may fall. Use a linearizable store, or say in acceptAdvisory why that is acceptable.`,
    );
  }
  const priority = checkRange('priority', options.priority ?? 0, -(2 ** 31), 2 ** 31 - 1);
  if (!Number.isInteger(priority)) throw invalid(`priority must be a whole number, not ${priority}.`);
  const { yieldToPriority = false } = options;
  if (typeof yieldToPriority !== 'boolean') throw invalid('yieldToPriority must be true or false.');
  if (yieldToPriority && !store.capabilities.handOff) {
    throw new ConclaveError(
      'unsupported',
      `${store.description} cannot hand a leadership to a waiting holder: leave out yieldToPriority.`,
    );
  }
  return {
    yieldToPriority,
    graceMs: checkRange('graceMs', options.graceMs ?? 0, 0, dayMs),
    priority,
    metadata: checkMetadata(options.metadata ?? ''),
  };
}

/** @throws 'invalid-argument'. */
export function checkRefusal(options: { readonly refuseForMs?: number | undefined }): number {
  checkNames('The options of resign()', options, ['refuseForMs']);
  const { refuseForMs = 0 } = options;
  return checkRange('refuseForMs', refuseForMs, 0, dayMs);
}

/** What is built of elections keeps its own under names that begin with it. */
export const reservedPrefix = '~';

/** Election names: 1 to 1024 bytes of UTF-8 without control characters, not beginning with '~'. */
export function checkName(name: string, what = 'The election name', limitBytes = nameLimitBytes): string {
  checkText(what, name, limitBytes);
  if (!name.startsWith(reservedPrefix)) return name;
  throw invalid(
    `${what} ${JSON.stringify(name)} begins with "~": such names are kept for semaphores and the like.`,
  );
}

export function checkHolder(what: string, holder: string): string {
  return checkText(what, holder, nameLimitBytes);
}

export function checkMetadata(metadata: string): string {
  if (typeof metadata !== 'string') throw invalid(`metadata must be a string, not ${typeof metadata}.`);
  if (!isWellFormed(metadata)) throw invalid('metadata contains half of a surrogate pair.');
  const sizeBytes = new TextEncoder().encode(metadata).length;
  if (sizeBytes > metadataLimitBytes) {
    throw invalid(`metadata has ${sizeBytes} bytes; the limit is ${metadataLimitBytes}.`);
  }
  return metadata;
}

function checkText(what: string, text: string, limitBytes: number): string {
  if (typeof text !== 'string') throw invalid(`${what} must be a string, not ${typeof text}.`);
  if (text === '') throw invalid(`${what} is empty.`);
  const sizeBytes = new TextEncoder().encode(text).length;
  if (sizeBytes > limitBytes) throw invalid(`${what} has ${sizeBytes} bytes; the limit is ${limitBytes}.`);
  if (/\p{Cc}/u.test(text)) throw invalid(`${what} ${JSON.stringify(text)} contains a control character.`);
  if (!isWellFormed(text)) throw invalid(`${what} contains half of a surrogate pair.`);
  return text;
}

function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

export function checkRange(what: string, value: number, least: number, most: number): number {
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw invalid(`${what} must be a number from ${least} to ${most}, not ${shown(value)}.`);
  }
  return value;
}

function resolveDisconnect(
  option: boolean | { readonly graceMs: number } | undefined,
): { graceMs: number } | undefined {
  if (option === undefined || option === false) return undefined;
  if (option === true) return { graceMs: 0 };
  if (typeof option !== 'object' || option === null) {
    throw invalid('releaseOnDisconnect must be true, false or { graceMs }.');
  }
  return { graceMs: checkRange('releaseOnDisconnect.graceMs', option.graceMs, 0, dayMs) };
}

function defaultHolder(runtime: Runtime): string {
  const unique = Array.from(runtime.random.bytes(8), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hostname()}:${process.pid}:${unique}`;
}

function invalid(message: string): ConclaveError {
  return new ConclaveError('invalid-argument', message);
}
