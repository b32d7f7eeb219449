/** The work that runs under a leadership, whose end a resignation waits for. */
import { publish } from './events.ts';
import type { LiveSession } from './live-session.ts';
import type { SessionSettings } from './options.ts';
import { sleep } from './waiting.ts';

export class Jobs {
  readonly #running = new Set<Promise<unknown>>();
  readonly #live: LiveSession;

  constructor(live: LiveSession) {
    this.#live = live;
  }

  add(work: Promise<unknown>): void {
    this.#running.add(work);
    this.#live.holdOpen(work);
    const done = () => this.#running.delete(work);
    work.then(done, done);
  }

  /** Resolves when all have settled, those that were added meanwhile too, or `givenUp` has. Never rejects. */
  async settled(givenUp: Promise<unknown>): Promise<void> {
    if (this.#running.size === 0) return;
    let over = false;
    void givenUp.then(() => {
      over = true;
    });
    while (this.#running.size > 0 && !over)
      await Promise.race([Promise.allSettled([...this.#running]), givenUp]);
  }

  /** Says so again and again, at growing distances, while a job ignores that its leadership is over. */
  async reportOverrun(
    settings: SessionSettings,
    of: { readonly name: string; readonly token: number },
  ): Promise<void> {
    if (this.#running.size === 0) return;
    const { runtime, onEvent, ttlMs, holder } = settings;
    const startMs = runtime.clock.monotonicMs();
    const settled = new AbortController();
    const all = Promise.allSettled([...this.#running]).then(() => settled.abort());
    for (let delayMs = Math.min(ttlMs, 5000); this.#running.size > 0; delayMs *= 2) {
      await sleep(runtime, delayMs, settled.signal);
      if (settled.signal.aborted || this.#running.size === 0) break;
      const elapsedMs = runtime.clock.monotonicMs() - startMs;
      publish({ type: 'job-overran', name: of.name, holder, token: of.token, elapsedMs }, onEvent);
    }
    await all;
  }
}
