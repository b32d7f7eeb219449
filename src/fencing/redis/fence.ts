/** The calls behind the guards: a script, its answer, and what is done when none came. */
import { backoffMs, sleep } from '../../election/waiting.ts';
import { ConclaveError, type ErrorCode, type ErrorOutcome } from '../../errors/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { untilAborted } from '../until-aborted.ts';
import { type CheckedWriter, checkToken } from '../writer.ts';
import { failure, type ScriptRunner } from './client.ts';
import { recentWrites, type Script, writeIdLength } from './scripts.ts';

export interface Answer {
  readonly election: string;
  readonly token: number;
  readonly version: number;
  readonly reply: unknown;
  /** False: the script ran, but what it returned is not known any more. */
  readonly heard: boolean;
}

export interface FenceCall {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly expectedVersion?: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly userScript?: boolean | undefined;
}

const attempts = 4;

export class Fence {
  /** Begins a message: "Key orders". */
  readonly name: string;
  readonly #runner: ScriptRunner;
  readonly #runtime: Runtime;
  /** The highest that any answer told of. */
  #seenVersion = 0;

  constructor(name: string, runner: ScriptRunner, runtime: Runtime) {
    this.name = name;
    this.#runner = runner;
    this.#runtime = runtime;
  }

  async read(call: FenceCall): Promise<Answer> {
    const what = `Reading ${this.name}`;
    const { status, answer } = this.#parse(await this.#send(call, call.args, what, 'not-applied'));
    if (status !== 'done') throw this.#refusal(status, answer);
    return answer;
  }

  /**
   * Runs a script that takes the fence. One whose answer was lost is sent again: the fence knows the ids of its last
   * writes, so it takes effect once. undefined: `expectedVersion` is not the version, and nothing was written.
   */
  async take(writer: CheckedWriter, call: FenceCall): Promise<Answer | undefined> {
    const { expectedVersion, signal } = call;
    const writeId = Buffer.from(this.#runtime.random.bytes(writeIdLength / 2)).toString('hex');
    const version = expectedVersion === undefined ? '' : String(expectedVersion);
    const args = [writer.election, String(writer.token), writeId, version, ...call.args];
    const what = `Writing ${this.name}`;
    const seenVersion = expectedVersion ?? this.#seenVersion;
    let lost: ConclaveError | undefined;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      let raw: unknown;
      try {
        if (signal?.aborted) throw ConclaveError.aborted(what, signal);
        writer.assertHeld();
        raw = await this.#send(call, args, what, 'unknown');
      } catch (error) {
        if (!ConclaveError.is(error)) throw error;
        if (error.outcome === 'not-applied' && lost === undefined) throw error;
        if (error.outcome === 'not-applied' || !error.retryable) throw unknown(error, lost);
        lost = error;
        await sleep(
          this.#runtime,
          backoffMs(this.#runtime.random, attempt, 20, 1000),
          ...(signal ? [signal] : []),
        );
        continue;
      }
      return this.#judge(raw, writer, seenVersion, lost);
    }
    throw lost;
  }

  #judge(
    raw: unknown,
    writer: CheckedWriter,
    seenVersion: number,
    lost: ConclaveError | undefined,
  ): Answer | undefined {
    const { status, answer } = this.#parse(raw);
    if (status === 'done' || status === 'repeated') return answer;
    if (status === 'repeated-unheard') return { ...answer, heard: false };
    const doubt = this.#doubt(answer.version - seenVersion, lost);
    if (status === 'conflict') {
      if (doubt === undefined) return undefined;
      throw doubt;
    }
    let refusal: ConclaveError;
    try {
      if (status === 'refused') checkToken(this.name, writer, answer);
      refusal = this.#refusal(status, answer);
    } catch (error) {
      if (!ConclaveError.is(error)) throw error;
      refusal = error;
    }
    const earlier = lost ?? doubt;
    throw earlier === undefined ? refusal : unknown(refusal, earlier);
  }

  /** undefined: no earlier copy of a write that was refused took effect: so few writes back, it would have been recognised. */
  #doubt(writesSince: number, lost: ConclaveError | undefined): ConclaveError | undefined {
    if (writesSince < recentWrites) return undefined;
    if (lost !== undefined || !this.#runner.resends) return lost;
    const message = `${this.name} was written ${writesSince} times since its version was last known, and the client may have sent this write twice.`;
    return new ConclaveError('version-conflict', message, { outcome: 'unknown' });
  }

  async #send(
    { script, keys, signal, userScript }: FenceCall,
    args: readonly string[],
    what: string,
    outcome: ErrorOutcome,
  ): Promise<unknown> {
    try {
      return await untilAborted(this.#runner.run(script, keys, args), signal);
    } catch (error) {
      const { resends } = this.#runner;
      throw failure(error, { what, signal, outcome, resends, userScript: userScript ?? false });
    }
  }

  #parse(raw: unknown): { readonly status: string; readonly answer: Answer } {
    if (!Array.isArray(raw) || raw.length < 4) {
      const message = `${this.name} was answered with something else than its script returns. Does the client transform replies?`;
      throw new ConclaveError('failed-precondition', message, { outcome: 'unknown' });
    }
    const [status, election, token, version, reply] = raw.map((part, index) =>
      index < 4 ? String(part) : part,
    );
    const answer = { election, token: Number(token), version: Number(version), reply, heard: true };
    this.#seenVersion = Math.max(answer.version, this.#seenVersion);
    return { status, answer };
  }

  #refusal(status: string, { election, reply }: Answer): ConclaveError {
    const refused = (code: ErrorCode, message: string, outcome: ErrorOutcome = 'not-applied') =>
      new ConclaveError(code, message, { outcome });
    if (status === 'wrong-type') {
      return refused('failed-precondition', `${this.name} holds a ${election}, not a string.`);
    }
    if (status === 'unfenced') {
      const message = `${this.name} has a value and no fence, so who may write it is unknown: another program wrote it, or the fence was deleted or evicted. Take it over with the option adopt, once no other program writes it.`;
      return refused('failed-precondition', message);
    }
    if (status === 'failed') {
      const message = `The script on ${this.name} returned an error: ${String(reply)}. What it did before that stays.`;
      return refused('failed-precondition', message, 'unknown');
    }
    const message = `The fence of ${this.name} is damaged, so its highest token is unknown. Look who else writes it.`;
    return refused('data-damaged', message);
  }
}

/** An earlier attempt had no answer, or may have been there unseen, so it may have taken effect. */
function unknown(error: ConclaveError, lost: ConclaveError | undefined): ConclaveError {
  if (error.outcome === 'unknown') return error;
  const message = `${error.message} An earlier attempt had no answer and may have taken effect.`;
  const { code, details } = error;
  return new ConclaveError(code, message, { outcome: 'unknown', details, cause: lost ?? error.cause });
}
