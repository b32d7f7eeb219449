/**
 * What the guards of stores with a compare-and-swap share (an object, a document): one cell whose content and fence
 * are replaced together, or not at all.
 */
import { backoffMs, sleep } from '../election/waiting.ts';
import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import {
  type CheckedWriter,
  checkCount,
  checkLeadership,
  checkToken,
  type FencedLeadership,
} from './writer.ts';

/** Who wrote the cell's present content. */
export interface Fence {
  readonly election: string;
  readonly token: number;
  /** 1 for the first write through the guard, and one more for each. */
  readonly version: number;
  /** Tells this write from any other, also after an answer was lost. */
  readonly writeId: string;
}

export interface CellState<Content> {
  readonly exists: boolean;
  /** undefined: there is nothing, or it was not written through the guard. */
  readonly fence: Fence | undefined;
  readonly content: Content;
}

/** One place in a store. `State` may carry the store's own bookmark, such as an ETag. */
export interface Cell<Content, State extends CellState<Content>> {
  /** Begins a message: "Object s3://bucket/key". */
  readonly name: string;
  load(signal: AbortSignal | undefined): Promise<State>;
  /**
   * Replaces exactly `current` by content and fence, in one step. False: for certain nothing was written, since
   * `current` is not current any more. What throws with outcome 'unknown' is read again.
   */
  swap(current: State, content: Content, fence: Fence, signal: AbortSignal | undefined): Promise<boolean>;
}

export interface CellOptions {
  /** Take what was not written through the guard, as if written with token 0; otherwise it is refused. */
  readonly adopt?: boolean | undefined;
  readonly runtime: Runtime;
}

const ambiguousAttempts = 4;
const noFence: Fence = { election: '', token: 0, version: 0, writeId: '' };

export class FencedCell<Content, State extends CellState<Content>> {
  readonly #cell: Cell<Content, State>;
  readonly #adopt: boolean;
  readonly #runtime: Runtime;

  constructor(cell: Cell<Content, State>, { adopt, runtime }: CellOptions) {
    this.#cell = cell;
    this.#adopt = adopt ?? false;
    this.#runtime = runtime;
  }

  /** Replaces whatever is there, or what is there at `expectedVersion`. */
  async write(
    leadership: FencedLeadership,
    content: (current: State) => Content,
    options: { readonly expectedVersion?: number | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<Fence> {
    const { expectedVersion, signal } = options;
    if (expectedVersion !== undefined) {
      checkCount('expectedVersion', expectedVersion, 0, Number.MAX_SAFE_INTEGER - 1);
    }
    const writer = checkLeadership(leadership);
    let existed = false;
    for (let attempt = 0; ; attempt += 1) {
      const current = await this.#load(writer, existed, attempt, signal);
      existed ||= current.exists;
      const { version } = current.fence ?? noFence;
      if (expectedVersion !== undefined && version !== expectedVersion) {
        throw new ConclaveError(
          'version-conflict',
          `${this.#cell.name} is at version ${version}, not at ${expectedVersion} as this write expects: read it again.`,
          { details: { expectedVersion, version } },
        );
      }
      const written = await this.#swap(writer, current, content(current), signal);
      if (written !== undefined) return written;
    }
  }

  /** Puts this leadership's token on the present content; nothing where it has it already. */
  async claim(leadership: FencedLeadership, signal: AbortSignal | undefined): Promise<State> {
    return await this.#claim(checkLeadership(leadership), { existed: false, attempt: 0 }, signal);
  }

  async update(
    leadership: FencedLeadership,
    change: (current: State) => Content | Promise<Content>,
    signal: AbortSignal | undefined,
  ): Promise<Fence> {
    const writer = checkLeadership(leadership);
    for (let attempt = 0; ; attempt += 1) {
      const current = await this.#claim(writer, { existed: attempt > 0, attempt }, signal);
      const written = await this.#swap(writer, current, await change(current), signal);
      if (written !== undefined) return written;
    }
  }

  async #claim(
    writer: CheckedWriter,
    from: { readonly existed: boolean; readonly attempt: number },
    signal: AbortSignal | undefined,
  ): Promise<State> {
    let { existed, attempt } = from;
    for (; ; attempt += 1) {
      const current = await this.#load(writer, existed, attempt, signal);
      const { fence } = current;
      const sameElection = writer.election === '' || fence?.election === writer.election;
      if (fence?.token === writer.token && sameElection) return current;
      const written = await this.#swap(writer, current, current.content, signal);
      // Read once more in any case: the store's bookmark of what was just written is not known.
      existed ||= current.exists || written !== undefined;
      if (written !== undefined) attempt = -1;
    }
  }

  async #load(
    writer: CheckedWriter,
    existed: boolean,
    attempt: number,
    signal: AbortSignal | undefined,
  ): Promise<State> {
    if (attempt > 0) {
      await sleep(
        this.#runtime,
        backoffMs(this.#runtime.random, attempt - 1, 5, 500),
        ...(signal ? [signal] : []),
      );
    }
    if (signal?.aborted) throw ConclaveError.aborted(`The write of ${this.#cell.name}`, signal);
    writer.assertHeld();
    const current = await this.#cell.load(signal);
    if (existed && !current.exists) {
      const message = `${this.#cell.name} was deleted while it was being written, and with it the highest token: nothing was written. Do not delete what is fenced.`;
      throw new ConclaveError('failed-precondition', message);
    }
    if (current.exists && current.fence === undefined && !this.#adopt) {
      const message = `${this.#cell.name} exists and was not written through this guard, so who may write it is unknown. Take it over with the option adopt, once no other program writes it.`;
      throw new ConclaveError('failed-precondition', message);
    }
    checkToken(this.#cell.name, writer, current.fence ?? noFence);
    return current;
  }

  /** undefined: for certain nothing was written; read again. */
  async #swap(
    writer: CheckedWriter,
    current: State,
    content: Content,
    signal: AbortSignal | undefined,
  ): Promise<Fence | undefined> {
    const before = current.fence ?? noFence;
    const bytes = this.#runtime.random.bytes(16);
    const next: Fence = {
      election: writer.election || before.election,
      token: writer.token,
      version: before.version + 1,
      writeId: Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(''),
    };
    let ambiguous: ConclaveError | undefined;
    for (let attempt = 0; attempt < ambiguousAttempts; attempt += 1) {
      this.#assertHeld(writer, ambiguous);
      try {
        if (await this.#cell.swap(current, content, next, signal)) return next;
        if (ambiguous === undefined) return undefined;
      } catch (error) {
        if (!ConclaveError.is(error)) throw error;
        if (error.outcome === 'not-applied' && ambiguous === undefined) throw error;
        ambiguous = error.outcome === 'unknown' ? error : ambiguous;
      }
      const verdict = await this.#lookAgain(before, next, signal, ambiguous);
      if (verdict === 'written') return next;
      if (verdict === 'beaten') return undefined;
      // Unchanged so far. The same swap again cannot take effect twice: it replaces what was there before it.
      await sleep(this.#runtime, backoffMs(this.#runtime.random, attempt, 20, 1000));
    }
    throw this.#unknown(ambiguous);
  }

  /** An attempt before, whose answer was lost, may still take effect. */
  #assertHeld(writer: CheckedWriter, ambiguous: ConclaveError | undefined): void {
    try {
      writer.assertHeld();
    } catch (cause) {
      if (ambiguous === undefined || !ConclaveError.is(cause)) throw cause;
      const message = `${this.#cell.name} may or may not be written: ${cause.message}`;
      throw new ConclaveError(cause.code, message, { outcome: 'unknown', cause, details: cause.details });
    }
  }

  async #lookAgain(
    before: Fence,
    next: Fence,
    signal: AbortSignal | undefined,
    ambiguous: ConclaveError | undefined,
  ): Promise<'written' | 'beaten' | 'unchanged'> {
    if (signal?.aborted) throw this.#unknown(ambiguous);
    let state: State;
    try {
      state = await this.#cell.load(signal);
    } catch {
      throw this.#unknown(ambiguous);
    }
    const now = state.fence ?? noFence;
    if (now.writeId === next.writeId) return 'written';
    if (now.writeId === before.writeId && now.version === before.version) return 'unchanged';
    if (now.version === next.version) return 'beaten';
    const hidden = `${this.#cell.name} was written again before it could be read whether this write took effect`;
    if (now.election === next.election && now.token > next.token) {
      throw new ConclaveError(
        'stale-token',
        `${hidden}; token ${now.token} wrote it, so the leadership of token ${next.token} is over.`,
        {
          outcome: 'unknown',
          cause: ambiguous,
          details: { token: next.token, highestToken: now.token },
        },
      );
    }
    throw new ConclaveError(ambiguous?.code ?? 'unavailable', `${hidden}: read it and decide.`, {
      outcome: 'unknown',
      cause: ambiguous,
    });
  }

  #unknown(cause: ConclaveError | undefined): ConclaveError {
    const message = `${this.#cell.name} may or may not be written: ${cause?.message ?? 'no certain answer came'}`;
    return new ConclaveError(cause?.code ?? 'unavailable', message, {
      outcome: 'unknown',
      retryable: cause?.retryable ?? true,
      cause,
    });
  }
}
