/** A string in Redis that only the newest leader can write. */
import { backoffMs, sleep } from '../../election/waiting.ts';
import { ConclaveError } from '../../errors/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import {
  type CheckedWriter,
  checkCount,
  checkFunction,
  checkLeadership,
  checkObject,
  checkToken,
  type FencedLeadership,
} from '../writer.ts';
import { type RedisClient, scriptRunner } from './client.ts';
import { type Answer, Fence } from './fence.ts';
import { checkKey, checkSlots, checkText } from './keys.ts';
import { claimFence, deleteValue, readValue, type Script, writeValue } from './scripts.ts';
import { besideKey } from './slot.ts';

export interface FencedKeyOptions {
  readonly key: string;
  /** Where token, election and version are kept. Default: `{key}:fence`, in the same slot of a cluster. */
  readonly fenceKey?: string | undefined;
  /** Take a value that has no fence, as if written with token 0. Default false: refuse. */
  readonly adopt?: boolean | undefined;
  readonly runtime?: Runtime | undefined;
}

export interface KeyVersion {
  /** False: the key has no value. */
  readonly exists: boolean;
  /** One more with each write under this fence, deletions and claims included; 0: none yet. */
  readonly version: number;
  /** The token that wrote last. */
  readonly token: number;
  /** The election that the token is from; '' where none was named. */
  readonly election: string;
  readonly value: string | undefined;
}

export interface KeyCallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface KeyDeleteOptions extends KeyCallOptions {
  /** Refuse ('version-conflict') unless this is the fence's version. Default: whatever is there. */
  readonly expectedVersion?: number | undefined;
}

export interface KeyUpdateOptions extends KeyCallOptions {
  /** The value goes away after so long; the fence stays. Default: never. */
  readonly ttlMs?: number | undefined;
}

export interface KeyWriteOptions extends KeyDeleteOptions, KeyUpdateOptions {}

export interface KeyWritten {
  readonly version: number;
  readonly token: number;
}

/**
 * Guards the value of one key. The value is a plain string that anyone can GET; each write is a script that compares
 * the token with the fence beside it.
 *
 * Guarantees, on one Redis server or on one master that is never replaced by a replica: a token lower than one that
 * wrote is refused, whatever clocks and pauses do; a write that is sent twice, since its answer was lost, takes effect
 * once.
 *
 * A token counts as seen when it wrote: `claim` or `update` shuts older leaders out first.
 *
 * Not protected: **failover**. Redis replicates asynchronously, so a replica that is promoted may lack the last writes
 * and the fence with them; then an older leader is let in again. `WAIT` does not cure that: it reports, after the
 * write took effect, how many replicas have it, and the failover may choose another one. Nor is a restart that loses
 * the last writes (`appendfsync everysec`, or no append-only file at all). Evicted or deleted fences (use
 * `maxmemory-policy noeviction` or `volatile-*`), and keys that programs without this guard write. Where these must
 * not happen, fence in another store.
 */
export function fencedKey(client: RedisClient, options: FencedKeyOptions): FencedKey {
  checkObject('A fenced key needs options: { key }', options);
  return new FencedKey(client, options);
}

export class FencedKey {
  readonly key: string;
  readonly fenceKey: string;
  readonly #fence: Fence;
  readonly #adopt: string;
  readonly #runtime: Runtime;

  /** @internal use `fencedKey` */
  constructor(client: RedisClient, options: FencedKeyOptions) {
    const { key, adopt, runtime } = options;
    checkKey('The key', key);
    this.key = key;
    this.fenceKey = options.fenceKey ?? besideKey(key, ':fence');
    checkKey('The key of the fence', this.fenceKey);
    if (this.fenceKey === key) {
      throw new ConclaveError('invalid-argument', 'The fence must have a key of its own.');
    }
    checkSlots(this.fenceKey, [key]);
    this.#runtime = runtime ?? nodeRuntime();
    this.#adopt = adopt === true ? '1' : '';
    this.#fence = new Fence(`Key ${JSON.stringify(key)}`, scriptRunner(client), this.#runtime);
  }

  /**
   * What is there now, from the master.
   * @throws 'data-damaged' (the fence); 'failed-precondition' (no string, or the server refuses); 'unavailable',
   * 'timeout', 'aborted'.
   */
  async read(options: KeyCallOptions = {}): Promise<KeyVersion> {
    const { signal } = options;
    return publicVersion(await this.#fence.read({ script: readValue, keys: this.#keys, args: [], signal }));
  }

  /**
   * Sets the value, whatever there is.
   * @throws 'stale-token': a newer leader has written; 'version-conflict': only with `expectedVersion`;
   * 'not-leading' from `assertHeld()`, which is checked although safety does not depend on it; 'failed-precondition':
   * guarded by another election, a value without a fence, or refused by the server; and as `read`. Outcome 'unknown'
   * when no certain answer came: `read` tells.
   */
  async write(
    leadership: FencedLeadership,
    value: string,
    options: KeyWriteOptions = {},
  ): Promise<KeyWritten> {
    const args = valueArguments(value, options.ttlMs);
    return await this.#write(checkLeadership(leadership), writeValue, args, options);
  }

  /** Deletes the value; the fence stays. @throws as `write`. */
  async delete(leadership: FencedLeadership, options: KeyDeleteOptions = {}): Promise<KeyWritten> {
    return await this.#write(checkLeadership(leadership), deleteValue, [], options);
  }

  /**
   * Puts this leadership's token on the fence, so that from here on every older leader is refused, even before the
   * first real write. The value stays as it is. Nothing happens where the fence has this token already.
   * @throws as `write`, but never 'version-conflict'.
   */
  async claim(leadership: FencedLeadership, options: KeyCallOptions = {}): Promise<KeyVersion> {
    return await this.#claim(checkLeadership(leadership), options.signal);
  }

  /**
   * Claims the fence, then sets the value to what `change` makes of it; calls `change` again when another write of
   * this same leadership came between.
   * @throws as `claim`, and what `change` throws.
   */
  async update(
    leadership: FencedLeadership,
    change: (current: KeyVersion) => string | Promise<string>,
    options: KeyUpdateOptions = {},
  ): Promise<KeyWritten> {
    checkFunction('The change of an update', change);
    const writer = checkLeadership(leadership);
    const { ttlMs, signal } = options;
    valueArguments('', ttlMs);
    for (let attempt = 0; ; attempt += 1) {
      const current = await this.#claim(writer, signal);
      const args = valueArguments(await change(current), ttlMs);
      const written = await this.#take(writer, writeValue, args, {
        expectedVersion: current.version,
        signal,
      });
      if (written !== undefined) return { version: written.version, token: written.token };
      await sleep(
        this.#runtime,
        backoffMs(this.#runtime.random, attempt, 2, 200),
        ...(signal ? [signal] : []),
      );
    }
  }

  get #keys(): readonly string[] {
    return [this.fenceKey, this.key];
  }

  async #claim(writer: CheckedWriter, signal: AbortSignal | undefined): Promise<KeyVersion> {
    const claimed = await this.#take(writer, claimFence, [], { signal });
    if (claimed === undefined) throw new ConclaveError('internal', 'A claim expects no version.');
    // The answer to the claim was lost: it took effect, and what the value was is read.
    if (claimed.heard) return publicVersion(claimed);
    const now = await this.read({ signal });
    checkToken(this.#fence.name, writer, now);
    return now;
  }

  async #write(
    writer: CheckedWriter,
    script: Script,
    args: readonly string[],
    options: KeyDeleteOptions,
  ): Promise<KeyWritten> {
    const { expectedVersion, signal } = options;
    if (expectedVersion !== undefined) {
      checkCount('expectedVersion', expectedVersion, 0, Number.MAX_SAFE_INTEGER - 1);
    }
    const written = await this.#take(writer, script, args, { expectedVersion, signal });
    if (written !== undefined) return { version: written.version, token: written.token };
    throw new ConclaveError(
      'version-conflict',
      `${this.#fence.name} is not at version ${expectedVersion} any more, as this write expects: read it again.`,
      { details: { expectedVersion: expectedVersion ?? 0 } },
    );
  }

  async #take(
    writer: CheckedWriter,
    script: Script,
    args: readonly string[],
    options: { readonly expectedVersion?: number | undefined; readonly signal: AbortSignal | undefined },
  ): Promise<Answer | undefined> {
    return await this.#fence.take(writer, {
      script,
      keys: this.#keys,
      args: [this.#adopt, ...args],
      ...options,
    });
  }
}

function valueArguments(value: string, ttlMs: number | undefined): readonly string[] {
  checkText('The value', value);
  if (ttlMs !== undefined) checkCount('ttlMs', ttlMs, 1, 2 ** 48);
  return [value, ttlMs === undefined ? '' : String(ttlMs)];
}

function publicVersion({ version, token, election, reply }: Answer): KeyVersion {
  const value = typeof reply === 'string' ? reply : undefined;
  return { exists: value !== undefined, version, token, election, value };
}
