import type { Worker } from 'node:worker_threads';
import type { Runtime, Timer } from '../../runtime/index.ts';

/** Looks so often, or four times in the patience where that is less. */
const lookEveryMs = 2000;

/** What a thread has done since it was started, ms. */
interface Spent {
  /** On a processor. */
  readonly usedMs: number;
  /** It waited for something outside of it, as no life does. */
  readonly idleMs: number;
}

/**
 * Ends when a life has used so much processor time, or has waited for so long with nothing to do: neighbours on the
 * machine, which only make it last longer, do not count.
 */
export class Patience {
  readonly #worker: Worker;
  readonly #patienceMs: number;
  readonly #runtime: Runtime;
  readonly #onOver: (why: string) => void;
  readonly #since: Promise<Spent>;
  #timer: Timer | undefined;
  #ended = false;

  constructor(
    worker: Worker,
    { patienceMs, runtime }: { readonly patienceMs: number; readonly runtime: Runtime },
    onOver: (why: string) => void,
  ) {
    this.#worker = worker;
    this.#patienceMs = patienceMs;
    this.#runtime = runtime;
    this.#onOver = onOver;
    this.#since = spentBy(worker);
    this.#lookLater();
  }

  end(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }

  #lookLater(): void {
    if (this.#ended) return;
    const delayMs = Math.min(lookEveryMs, this.#patienceMs / 4);
    this.#timer = this.#runtime.timers.after(delayMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const [since, now] = await Promise.all([this.#since, spentBy(this.#worker)]);
    if (this.#ended) return;
    const seconds = Math.round(this.#patienceMs / 1000);
    if (now.usedMs - since.usedMs >= this.#patienceMs) this.#onOver(`${seconds} s of processor time`);
    else if (now.idleMs - since.idleMs >= this.#patienceMs)
      this.#onOver(`${seconds} s in which it waited for something that does not come`);
    else this.#lookLater();
  }
}

/** Also while the thread is in a loop without an end. Never rejects. */
async function spentBy(worker: Worker): Promise<Spent> {
  const { idle: idleMs, active } = worker.performance.eventLoopUtilization();
  // Before Node.js 24.6 nobody tells of another thread but the clock.
  if (worker.cpuUsage === undefined) return { usedMs: active, idleMs };
  const { user, system } = await worker.cpuUsage().catch(() => ({ user: 0, system: 0 }));
  return { usedMs: (user + system) / 1000, idleMs };
}
