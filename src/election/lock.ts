/** Mutual exclusion of a block of code: an election that is held for as long as the block runs. */
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import { nodeRuntime } from '../runtime/index.ts';
import { Candidate, type CandidateOptions } from './candidate.ts';
import type { Leadership } from './leadership.ts';
import { checkSignal, waitingOptionNames } from './options.ts';
import type { LeaseStore } from './store.ts';
import { type WaitLimit, waitAtMost } from './wait-limit.ts';

export interface LockOptions extends Omit<CandidateOptions, 'yieldToPriority'>, WaitLimit {}

/** A held lock. Like every lease it can be lost: mind `signal`, `assertHeld()` and `token`. */
export interface Lock extends AsyncDisposable {
  readonly name: string;
  /** For fencing: rises with each holder of this lock. */
  readonly token: number;
  readonly holder: string;
  /** See `Leadership.tokenSurvivesDeletion`. */
  readonly tokenSurvivesDeletion: boolean;
  /** Aborts when the lock is lost or released. */
  readonly signal: AbortSignal;
  /** See `Leadership.validUntil`. */
  readonly validUntil: number;
  remainingMs(): number;
  /** @throws 'not-leading'. */
  assertHeld(): void;
  /** Idempotent; the same as disposing it. */
  release(): Promise<void>;
}

/**
 * Waits until it holds the lock: `await using held = await lock(store, 'reports')`. A lock and an election of one
 * name in one store exclude each other.
 *
 * @throws 'aborted', 'timeout' after `waitMs`: nothing is left behind; 'invalid-argument' and 'unsupported' before
 * anything has an effect; an error of the store that trying again cannot cure.
 */
export async function lock(store: LeaseStore, name: string, options: LockOptions = {}): Promise<Lock> {
  return (await hold(store, name, options)).held;
}

interface Holding {
  readonly held: Lock;
  /** Whether it was released by its holder, who still had it then. */
  readonly letGo: () => boolean;
}

async function hold(store: LeaseStore, name: string, options: LockOptions): Promise<Holding> {
  const { candidate, leadership } = await take(store, name, options);
  let letGo = false;
  const release = () => {
    letGo ||= isHeld(leadership);
    return candidate[Symbol.asyncDispose]();
  };
  const held: Lock = {
    name,
    token: leadership.token,
    holder: leadership.holder,
    tokenSurvivesDeletion: leadership.tokenSurvivesDeletion,
    signal: leadership.signal,
    get validUntil() {
      return leadership.validUntil;
    },
    remainingMs: () => leadership.remainingMs(),
    assertHeld: () => leadership.assertHeld(),
    release,
    [Symbol.asyncDispose]: release,
  };
  return { held, letGo: () => letGo };
}

function isHeld(leadership: Leadership): boolean {
  try {
    leadership.assertHeld();
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs `block` under the lock and returns what it returned. The block may release the lock before it ends.
 *
 * @throws what the block threw; 'not-leading' (outcome 'unknown') where the lock was lost before the block ended, so
 * that another may have run at the same time; and what `lock` throws.
 */
export async function withLock<T>(
  store: LeaseStore,
  name: string,
  block: (held: Lock) => T | Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  if (typeof block !== 'function') {
    const message = 'The third argument of withLock must be a function: what is to run under the lock.';
    throw new ConclaveError('invalid-argument', message);
  }
  const holding = await hold(store, name, options);
  await using held = holding.held;
  const value = await block(held);
  try {
    if (!holding.letGo()) held.assertHeld();
  } catch (cause) {
    const message = `The lock ${JSON.stringify(name)} was lost while the block ran; another may have run beside it.`;
    throw new ConclaveError('not-leading', message, { outcome: 'unknown', cause });
  }
  return value;
}

async function take(
  store: LeaseStore,
  name: string,
  options: LockOptions,
): Promise<{ candidate: Candidate; leadership: Leadership }> {
  checkNames('The options of a lock', options, waitingOptionNames);
  const { signal: _, waitMs: __, ...rest } = options;
  checkSignal(options.signal);
  // Who holds a lock gives it up when its work is done, not when it is told to.
  const candidate = new Candidate(store, name, { ...rest, yieldToPriority: false });
  try {
    const runtime = options.session?.settings.runtime ?? options.runtime ?? nodeRuntime();
    const leadership = await waitAtMost(
      runtime,
      `lock ${JSON.stringify(name)}`,
      options,
      candidate,
      (signal) => candidate.campaign({ signal }),
    );
    return { candidate, leadership };
  } catch (error) {
    await candidate[Symbol.asyncDispose]();
    throw error;
  }
}
