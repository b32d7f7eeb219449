import { ConclaveError } from '../errors/index.ts';
import type { Logger } from './logger.ts';

export interface EndingContext {
  readonly logger: Logger;
  /** Tells who holds on to this member that it leaves, and gives Raft leadership away where it has it. */
  readonly handOver: () => Promise<void>;
  /** Closes all parts, those first that others wait for. */
  readonly close: () => Promise<void>;
}

/** How a member ends: when it is asked to, in order; or at once, when it must not go on. Once, whichever comes first. */
export class Ending {
  /** Rejects with what made it stop, where nobody asked for it. */
  readonly stopped: Promise<void>;
  /** It was asked to leave, and serves until it is asked to stop. */
  leaving = false;
  private readonly context: EndingContext;
  private handingOver: Promise<void> | undefined;
  private stopping: Promise<void> | undefined;
  private failure: { readonly error: unknown } | undefined;
  private settle: { resolve: () => void; reject: (error: unknown) => void } = { resolve() {}, reject() {} };

  constructor(context: EndingContext) {
    this.context = context;
    this.stopped = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    // Who does not ask is not to be ended by an unhandled rejection; the failure was logged.
    this.stopped.catch(() => undefined);
  }

  get isStopping(): boolean {
    return this.stopping !== undefined;
  }

  get hasFailed(): boolean {
    return this.failure !== undefined;
  }

  handOver(): Promise<void> {
    this.handingOver ??= this.leave();
    return this.handingOver;
  }

  private leave(): Promise<void> {
    this.leaving = true;
    return this.context.handOver();
  }

  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  private async shutDown(): Promise<void> {
    if (!this.failure) await this.handOver();
    await this.context.close();
    if (this.failure) this.settle.reject(this.failure.error);
    else this.settle.resolve();
  }

  /** A disk that refuses, or a state that must not be: stop at once rather than go on with a doubtful one. */
  fail(error: unknown): void {
    if (this.failure || this.stopping) return;
    this.failure = { error };
    // To be removed is no fault: where that was noticed helps nobody.
    const stack = ConclaveError.is(error, 'removed') ? undefined : error instanceof Error && error.stack;
    this.context.logger.error({ error: stack || String(error) }, 'The member stops.');
    this.stop().catch(() => undefined);
  }
}
