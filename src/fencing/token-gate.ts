/** Remembers for each resource the highest token, and lets nothing lower by: for what has no guard of its own. */
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime } from '../runtime/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { Queue } from './token-gate-queue.ts';
import {
  type CheckedWriter,
  checkCount,
  checkFunction,
  checkObject,
  checkToken,
  checkWriter,
  type Writer,
} from './writer.ts';

/** The highest token that was let into a resource. */
export interface GateEntry {
  readonly token: number;
  /** Of the token; '': not named. */
  readonly election: string;
  /** Changes with every `store`; never comes back. */
  readonly revision: number;
}

/** Where a gate remembers. One record for each resource, changed by compare-and-set; what it has must never go back. */
export interface GateStorage {
  /** The newest that any `store` put there and answered; undefined: nothing yet. */
  load(resource: string): Promise<GateEntry | undefined>;
  /**
   * Puts `next` in the place of the entry with `expectedRevision` (0: of none), in one step and durably.
   * False: the entry has another revision now, nothing changed. A failure may have stored it or not.
   */
  store(
    resource: string,
    next: { readonly token: number; readonly election: string },
    expectedRevision: number,
  ): Promise<boolean>;
}

export interface TokenGateOptions {
  readonly storage: GateStorage;
  /** How long `guard` waits for effects of older leaders in this process. 0 to 86400000, default 10000. */
  readonly waitMs?: number | undefined;
  readonly runtime?: Runtime | undefined;
}

export interface GuardOptions {
  /** Stops waiting for older effects; not the effect itself. */
  readonly signal?: AbortSignal | undefined;
}

/** A writer inside: while it is, no newer one of this process comes in. */
export interface Passage extends AsyncDisposable {
  readonly resource: string;
  readonly token: number;
  readonly election: string;
  /**
   * Looks again whether a newer token came, through another process.
   * @throws 'stale-token', outcome 'unknown': one did, so what was done since may have come after its first effect.
   */
  recheck(): Promise<void>;
  /** Lets newer ones in. Idempotent. */
  leave(): void;
}

const longestName = 512;

/**
 * A gate over any number of resources, each named by 1 to 512 bytes. A token that was let in shuts every lower one out
 * for good, in every process whose gate has the same storage.
 *
 * What a gate cannot do: be one step with the effect behind it. `admit` says that the token was the highest at that
 * moment; a process that is paused between `admit` and its effect can still carry it out after a newer leader's. So:
 * - `guard` keeps effects of different tokens on one resource apart within one gate object: a newer leader's effect waits
 *   until the older ones under way have ended, and older ones that come later are refused. Where all effects on the
 *   resource go through one gate object of one process, that is complete.
 * - Where several processes have effects on it, `guard` looks again after the effect and says when a newer token came
 *   meanwhile ('stale-token', outcome 'unknown'). It tells of the overlap; it does not undo it.
 * A resource that can compare tokens itself (SQL, objects, the files here) is always the better guard.
 */
export function tokenGate(options: TokenGateOptions): TokenGate {
  checkObject('A token gate needs options: { storage }', options);
  return new TokenGate(options);
}

export class TokenGate {
  readonly #storage: GateStorage;
  readonly #waitMs: number;
  readonly #queue: Queue;

  /** @internal use `tokenGate` */
  constructor({ storage, waitMs = 10_000, runtime }: TokenGateOptions) {
    if (typeof storage?.load !== 'function' || typeof storage.store !== 'function') {
      throw new ConclaveError('invalid-argument', 'A token gate needs a storage with load and store.');
    }
    this.#storage = storage;
    this.#waitMs = checkCount('waitMs', waitMs, 0, 86_400_000);
    this.#queue = new Queue((runtime ?? nodeRuntime()).timers);
  }

  /**
   * Lets this token in, and remembers it durably before it resolves.
   *
   * @throws 'stale-token': a higher one was let in before; 'failed-precondition': one of another election was;
   * 'not-leading' from `assertHeld()`; 'invalid-argument'; 'too-large' for a name; 'unsupported': tokens that cannot
   * fence; what the storage throws: then the token may be remembered, and asking again is harmless.
   */
  async admit(resource: string, writer: Writer): Promise<void> {
    checkResource(resource);
    await this.#admit(resource, checkWriter(writer));
  }

  /**
   * Runs `effect` once this token is let in and the effects of older tokens in this process have ended. Effects of one
   * token run side by side. Resolves to what it returns.
   *
   * @throws as `admit`, before the effect; what the effect throws; 'timeout', before the effect: older ones took longer
   * than `waitMs`; 'aborted', likewise; 'stale-token' with outcome 'unknown' after it: a newer token came meanwhile.
   */
  async guard<T>(
    resource: string,
    writer: Writer,
    effect: () => T | Promise<T>,
    options: GuardOptions = {},
  ): Promise<T> {
    checkFunction('The effect behind the gate', effect);
    await using passage = await this.enter(resource, writer, options);
    const result = await effect();
    await passage.recheck();
    return result;
  }

  /**
   * The first half of `guard`, where the effect is no function: dispose the passage when it has ended.
   * @throws as `guard`, before the effect.
   */
  async enter(resource: string, writer: Writer, options: GuardOptions = {}): Promise<Passage> {
    checkResource(resource);
    const checked = checkWriter(writer);
    // In line first: a newer token that is let in after this one was looked at must find it there.
    const place = this.#queue.join(resource, checked.token);
    try {
      await this.#admit(resource, checked);
      const waited = await place.olderOnesLeft(this.#waitMs, options.signal);
      if (waited) await this.#admit(resource, checked);
    } catch (error) {
      place.leave();
      throw error;
    }
    const { token, election } = checked;
    const leave = () => place.leave();
    return {
      ...{ resource, token, election, leave },
      recheck: () => this.#recheck(resource, checked),
      async [Symbol.asyncDispose]() {
        leave();
      },
    };
  }

  async #admit(resource: string, writer: CheckedWriter): Promise<void> {
    for (;;) {
      writer.assertHeld();
      const seen = await this.#storage.load(resource);
      if (seen !== undefined) {
        checkToken(nameOf(resource), writer, seen);
        const known = writer.election === '' || writer.election === seen.election;
        if (seen.token === writer.token && known) break;
      }
      const next = { token: writer.token, election: writer.election || (seen?.election ?? '') };
      if (await this.#storage.store(resource, next, seen?.revision ?? 0)) break;
    }
    writer.assertHeld();
  }

  async #recheck(resource: string, writer: CheckedWriter): Promise<void> {
    const seen = await this.#storage.load(resource);
    if (seen === undefined || seen.token <= writer.token) return;
    const message = `${nameOf(resource)} let token ${seen.token} in while an effect of token ${writer.token} was under way: which came last is unknown.`;
    throw new ConclaveError('stale-token', message, {
      outcome: 'unknown',
      details: { token: writer.token, highestToken: seen.token },
    });
  }
}

function nameOf(resource: string): string {
  return `Resource ${JSON.stringify(resource)}`;
}

function checkResource(resource: string): void {
  if (typeof resource !== 'string' || resource === '' || !resource.isWellFormed()) {
    throw new ConclaveError('invalid-argument', 'A resource needs a name: a string that is not empty.');
  }
  const bytes = new TextEncoder().encode(resource).length;
  if (bytes > longestName) {
    throw new ConclaveError(
      'too-large',
      `The resource's name has ${bytes} bytes; the limit is ${longestName}.`,
    );
  }
}
