/** Renewals of many sessions of one store go together, where the service takes several writes in one request. */
import type { DriverCalls, Within } from './calling.ts';
import type { Renewal } from './driver.ts';

interface Waiting {
  readonly renewal: Renewal;
  readonly untilMs: number;
  readonly resolve: (version: string | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** So many in a second go each at once: a few sessions need not wait for others. */
const fewInASecond = 5;
const most = 100;
/** Renewals are spread over a third of a TTL; a fiftieth of it is soon enough for one. */
const shareOfTtl = 50;
const longestWaitMs = 100;

export class RenewalBatches {
  readonly #calls: DriverCalls;
  #waiting: Waiting[] = [];
  #secondBegunMs = 0;
  #inThisSecond = 0;
  #inLastSecond = 0;

  constructor(calls: DriverCalls) {
    this.#calls = calls;
  }

  /** As a driver's `write`. */
  renew(renewal: Renewal, within: Within): Promise<string | undefined> {
    const { key, text, ...rest } = renewal;
    if (this.#calls.driver.renewMany === undefined || !this.#areMany()) {
      return this.#calls.write(key, text, rest, within);
    }
    const written = new Promise<string | undefined>((resolve, reject) => {
      this.#waiting.push({ renewal, untilMs: within.untilMs, resolve, reject });
    });
    if (this.#waiting.length >= most) void this.#flush();
    else if (this.#waiting.length === 1) {
      const waitMs = Math.min(longestWaitMs, (renewal.ttlMs ?? 0) / shareOfTtl);
      this.#calls.runtime.timers.after(waitMs, () => void this.#flush());
    }
    return this.#calls.share(written, within);
  }

  #areMany(): boolean {
    const nowMs = this.#calls.nowMs();
    if (nowMs - this.#secondBegunMs >= 1000) {
      this.#inLastSecond = nowMs - this.#secondBegunMs < 2000 ? this.#inThisSecond : 0;
      this.#inThisSecond = 0;
      this.#secondBegunMs = nowMs;
    }
    this.#inThisSecond += 1;
    return Math.max(this.#inThisSecond, this.#inLastSecond) > fewInASecond;
  }

  /** Never rejects: each of those who wait hears for itself. */
  async #flush(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    if (batch.length === 0) return;
    try {
      const untilMs = Math.max(...batch.map((one) => one.untilMs));
      const renewals = batch.map(({ renewal }) => renewal);
      const versions = await this.#calls.renewMany(renewals, { signal: undefined, untilMs });
      for (const [at, { resolve }] of batch.entries()) resolve(versions[at]);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
