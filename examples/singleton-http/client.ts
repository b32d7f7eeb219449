/** A client of the service, which knows the replicas and nothing of who leads. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Answer {
  readonly ticket: string;
  /** Who answered, in the end. */
  readonly from: string;
  readonly redirected: boolean;
}

export class TicketClient {
  /** Requests that came to nothing and were repeated: the replica was down, paused, or knew no leader. */
  repeated = 0;
  readonly #replicas: readonly string[];
  #position: number;

  /** `position`: which replica to ask first. It stays that one until a request fails; then it is the next one. */
  constructor(replicas: readonly string[], position = 0) {
    this.#replicas = replicas;
    this.#position = position;
  }

  /** A request that is repeated may cost a number that nobody gets. Where that matters, send an idempotency key. */
  async take(): Promise<Answer> {
    for (;;) {
      const replica = this.#replicas[this.#position % this.#replicas.length];
      try {
        // Shorter than the TTL: what a paused leader answers when it wakes comes to nobody.
        const response = await fetch(`${replica}/tickets`, {
          method: 'POST',
          signal: AbortSignal.timeout(500),
        });
        const ticket = (await response.text()).trim();
        if (response.ok) {
          return { ticket, from: new URL(response.url).origin, redirected: response.redirected };
        }
        // 503: it knows no leader yet, and will soon.
      } catch {
        // It is down or paused, or sent us to one that is.
        this.#position += 1;
      }
      this.repeated += 1;
      await sleep(50);
    }
  }
}
