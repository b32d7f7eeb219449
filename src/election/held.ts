/** What is held as long as all of some leaderships of one session last. */
import { ConclaveError } from '../errors/index.ts';
import type { Leadership } from './leadership.ts';
import type { Lock } from './lock.ts';

export interface HeldParts {
  /** Of the election that the token is from. */
  readonly name: string;
  readonly token: number;
  /** For messages: 'permit 2 of semaphore "reports"'. */
  readonly what: string;
  /** At least one; lost with the first of them. */
  readonly leaderships: readonly Leadership[];
  /** Gives them up. Called once; never rejects. */
  readonly release: () => Promise<void>;
}

export class Held implements Lock {
  readonly name: string;
  readonly token: number;
  readonly holder: string;
  readonly tokenSurvivesDeletion: boolean;
  readonly #parts: HeldParts;
  readonly #controller = new AbortController();
  #released: Promise<void> | undefined;
  #isGivenUp = false;

  constructor(parts: HeldParts) {
    const [first] = parts.leaderships;
    this.#parts = parts;
    this.name = parts.name;
    this.token = parts.token;
    this.holder = first?.holder ?? '';
    this.tokenSurvivesDeletion = first?.tokenSurvivesDeletion ?? false;
    for (const { signal } of parts.leaderships) {
      const onAbort = () => this.#controller.abort(this.#notHeld(signal.reason));
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get validUntil(): number {
    return Math.min(...this.#parts.leaderships.map((one) => one.validUntil));
  }

  remainingMs(): number {
    return Math.min(...this.#parts.leaderships.map((one) => one.remainingMs()));
  }

  assertHeld(): void {
    try {
      for (const leadership of this.#parts.leaderships) leadership.assertHeld();
    } catch (cause) {
      throw this.signal.aborted ? this.signal.reason : this.#notHeld(cause);
    }
  }

  release(): Promise<void> {
    if (!this.signal.aborted) this.#isGivenUp = true;
    this.#released ??= this.#parts.release();
    return this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  #notHeld(cause: unknown): ConclaveError {
    const { token, holder } = this;
    const why = this.#isGivenUp ? 'it was released' : 'it was lost';
    const message = `${holder} does not hold ${this.#parts.what} (token ${token}): ${why}.`;
    return new ConclaveError('not-leading', message, { cause, details: { name: this.name, token, holder } });
  }
}
