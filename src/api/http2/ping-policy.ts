/** Pings that come too early and are let pass, one after the other. */
const maxStrikes = 2;
/** Who has no call open has nothing to keep alive. */
const withoutCallsMs = 2 * 60 * 60_000;
/** Of a PING and of its answer. */
const pingBytes = 17;

/**
 * How often the other side may ask whether we live: gRPC's keep-alive enforcement with `permitWithoutStream: false`,
 * as etcd's servers have it. Whatever we send in between excuses a ping, since clients measure by that how much they
 * can be sent.
 */
export class PingPolicy {
  readonly #minIntervalMs: number;
  readonly #nowMs: () => number;
  #lastMs = Number.NEGATIVE_INFINITY;
  #sentBytes = 0;
  #strikes = 0;

  /** `minIntervalMs` 0: any pace will do. */
  constructor(minIntervalMs: number, nowMs: () => number) {
    this.#minIntervalMs = minIntervalMs;
    this.#nowMs = nowMs;
  }

  /** A ping has come that will be answered. False: one too many. `sentBytes`: by us on this connection, so far. */
  allows(openStreams: number, sentBytes: number): boolean {
    if (this.#minIntervalMs === 0) return true;
    const nowMs = this.#nowMs();
    const sinceMs = nowMs - this.#lastMs;
    const quiet = sentBytes === this.#sentBytes;
    this.#lastMs = nowMs;
    this.#sentBytes = sentBytes + pingBytes;
    if (!quiet) this.#strikes = 0;
    else if (sinceMs < (openStreams === 0 ? withoutCallsMs : this.#minIntervalMs)) this.#strikes += 1;
    return this.#strikes <= maxStrikes;
  }
}
