import type { Runtime, Timer } from '../runtime/types.ts';
import type { Queued } from './watch-queue.ts';

export interface Progressing extends Queued {
  readonly progressNotify: boolean;
  ended: boolean;
  /** Something was sent since the last progress tick, so the next notification would say nothing new. */
  sentSinceTick: boolean;
}

export interface WatchProgressContext<Watch> {
  readonly runtime: Runtime;
  readonly intervalMs: number;
  readonly watches: () => Iterable<Watch>;
  /** A tick has passed: there may be something to tell. */
  readonly onTick: () => void;
}

/** Which watches of a stream are to be told how far they are: because their client asked, or has heard nothing for long. */
export class WatchProgress<Watch extends Progressing> {
  readonly #context: WatchProgressContext<Watch>;
  readonly #due = new Set<Watch>();
  #requests = 0;
  #ticking: Timer | undefined;
  #closed = false;

  constructor(context: WatchProgressContext<Watch>) {
    this.#context = context;
  }

  /** The client asks for the progress of all its watches. */
  request(): void {
    this.#requests += 1;
  }

  /** A tenth of jitter, so that streams opened together do not all speak together. */
  startTicking(): void {
    if (this.#ticking !== undefined || this.#closed) return;
    const { runtime, intervalMs } = this.#context;
    const delayMs = intervalMs * (1 + runtime.random.unit() / 10);
    this.#ticking = runtime.timers.after(
      delayMs,
      () => {
        this.#ticking = undefined;
        this.#tick();
      },
      { background: true },
    );
  }

  #tick(): void {
    let wanted = false;
    for (const watch of this.#context.watches()) {
      if (!watch.progressNotify || watch.ended) continue;
      wanted = true;
      if (!watch.sentSinceTick) this.#due.add(watch);
      watch.sentSinceTick = false;
    }
    if (wanted) this.startTicking();
    this.#context.onTick();
  }

  /** Whose progress is to be told next: of all watches where none has anything left, and of each that has not. */
  next(noneHasEvents: boolean): Watch | 'all' | undefined {
    if (this.#requests > 0 && noneHasEvents) {
      this.#requests -= 1;
      return 'all';
    }
    for (const watch of this.#due) {
      if (watch.queued) continue;
      this.#due.delete(watch);
      return watch;
    }
    return undefined;
  }

  /** The watch has ended. */
  remove(watch: Watch): void {
    this.#due.delete(watch);
  }

  close(): void {
    this.#closed = true;
    this.#ticking?.cancel();
  }
}
