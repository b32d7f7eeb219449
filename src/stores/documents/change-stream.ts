/** The service's own word on what changed, listened to while anybody waits, and asked for again when it ends. */
import { pause } from '../../runtime/pause.ts';
import type { Timer } from '../../runtime/types.ts';
import type { DriverCalls } from './calling.ts';
import type { DocumentChange } from './driver.ts';

/** After the last who waited is gone: another is likely to come soon. */
const lingerMs = 5000;
const firstPauseMs = 100;
/** A stream that lasted so long is asked for again soon. */
const steadyMs = 10_000;
const longestPauseMs = 30_000;

export class ChangeStream {
  readonly #calls: DriverCalls;
  readonly #onChange: (change: DocumentChange) => void;
  #wanted = false;
  #running: AbortController | undefined;
  #linger: Timer | undefined;
  /** Nothing can be missed at present. */
  live = false;

  constructor(calls: DriverCalls, onChange: (change: DocumentChange) => void) {
    this.#calls = calls;
    this.#onChange = onChange;
  }

  want(wanted: boolean): void {
    this.#wanted = wanted;
    this.#linger?.cancel();
    this.#linger = undefined;
    if (this.#calls.driver.changes === undefined) return;
    if (this.#calls.closed.aborted) return this.#stop();
    if (!wanted) {
      this.#linger = this.#calls.runtime.timers.after(lingerMs, () => this.#stop(), { background: true });
    } else if (this.#running === undefined) {
      this.#running = new AbortController();
      this.#calls.closed.addEventListener('abort', this.#onClosed);
      void this.#run(this.#running.signal);
    }
  }

  readonly #onClosed = (): void => this.#stop();

  #stop(): void {
    this.#calls.closed.removeEventListener('abort', this.#onClosed);
    this.#linger?.cancel();
    this.live = false;
    this.#running?.abort();
    this.#running = undefined;
  }

  /** Never rejects: without the stream it is polled. */
  async #run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      let liveSinceMs = Number.POSITIVE_INFINITY;
      try {
        for await (const change of this.#calls.driver.changes?.(signal) ?? []) {
          if (signal.aborted) return;
          if (change === 'all') {
            this.live = true;
            liveSinceMs = Math.min(liveSinceMs, this.#calls.nowMs());
          }
          this.#onChange(change);
        }
      } catch {
        // Whoever waits is polled meanwhile, and hears from that what is wrong.
      }
      if (signal.aborted) return;
      // One that ends as soon as it has begun makes all who wait look each time.
      if (this.#calls.nowMs() - liveSinceMs >= steadyMs) failures = 0;
      const wasLive = this.live;
      this.live = false;
      // Looks were put off in the belief that changes would be told.
      if (wasLive && this.#wanted) this.#onChange('all');
      await this.#pause(Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures, 10)), signal);
    }
  }

  #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    const { random, timers } = this.#calls.runtime;
    return pause(timers, delayMs * (0.5 + random.unit() / 2), signal, { background: true });
  }
}
