/** A script of your own that runs only for the newest leader. */
import { ConclaveError } from '../../errors/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { checkLeadership, checkObject, type FencedLeadership } from '../writer.ts';
import { type RedisClient, scriptRunner } from './client.ts';
import { Fence } from './fence.ts';
import { checkKey, checkSlots, checkText } from './keys.ts';
import { fencedSource, type Script } from './scripts.ts';

export interface FencedScriptOptions {
  /** Where token, election and version are kept: one for all that must not be written by an older leader. */
  readonly fenceKey: string;
  /** Lua, as for EVAL: it sees its own `KEYS` and `ARGV`, and what it returns is returned. */
  readonly script: string;
  readonly runtime?: Runtime | undefined;
}

export interface ScriptCallOptions {
  /** In the slot of the fence: give them its part in braces. Default: none. */
  readonly keys?: readonly string[] | undefined;
  /** Default: none. */
  readonly args?: readonly (string | number)[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Wraps a Lua script by the check of the fence: several keys, lists, hashes, streams, counters, in one step. Sent by
 * its hash, and whole where the server does not know it.
 *
 * Guarantees and what is not protected: as `fencedKey`. In particular a failover may forget the fence together with
 * the script's last effects. Redis does not undo a script that fails on its way.
 */
export function fencedScript(client: RedisClient, options: FencedScriptOptions): FencedScript {
  checkObject('A fenced script needs options: { fenceKey, script }', options);
  return new FencedScript(client, options);
}

export class FencedScript {
  readonly fenceKey: string;
  readonly #fence: Fence;
  readonly #script: Script;

  /** @internal use `fencedScript` */
  constructor(client: RedisClient, { fenceKey, script, runtime }: FencedScriptOptions) {
    checkKey('The key of the fence', fenceKey);
    checkText('The script', script);
    if (script.trim() === '' || script.startsWith('#!')) {
      throw new ConclaveError('invalid-argument', 'The script must be Lua, without a line of #! before it.');
    }
    this.fenceKey = fenceKey;
    this.#script = fencedSource(script);
    this.#fence = new Fence(
      `Fence ${JSON.stringify(fenceKey)}`,
      scriptRunner(client),
      runtime ?? nodeRuntime(),
    );
  }

  /**
   * Runs the script, if no newer leader has used the fence. When its answer was lost it is sent again, is run once all
   * the same, and what it returned the first time is returned (up to 64 KiB).
   * @throws 'stale-token'; 'failed-precondition': guarded by another election, refused by the server, or the script
   * failed (outcome 'unknown': what it did before that stays); 'not-leading' from `assertHeld()`; 'data-damaged' (the
   * fence); 'invalid-argument'; 'unsupported'; 'unavailable', 'timeout', 'aborted' with outcome 'unknown' when no
   * certain answer came; 'unavailable' with `details.applied` true when the script ran and its answer is lost for good.
   */
  async run(leadership: FencedLeadership, options: ScriptCallOptions = {}): Promise<unknown> {
    const { keys = [], args = [], signal } = options;
    const writer = checkLeadership(leadership);
    for (const key of keys) checkKey('Each key', key);
    checkSlots(this.fenceKey, keys);
    if (keys.includes(this.fenceKey)) {
      throw new ConclaveError('invalid-argument', 'The fence is none of the keys of the script.');
    }
    const texts = args.map(String);
    for (const text of texts) checkText('Each argument', text);
    const call = {
      script: this.#script,
      keys: [this.fenceKey, ...keys],
      args: texts,
      signal,
      userScript: true,
    };
    const answer = await this.#fence.take(writer, call);
    if (answer?.heard === true) return answer.reply ?? null;
    const message = `The script on ${this.#fence.name} ran, but what it returned was lost on its way.`;
    throw new ConclaveError('unavailable', message, { outcome: 'unknown', details: { applied: true } });
  }
}
