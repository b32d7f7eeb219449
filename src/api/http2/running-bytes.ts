/**
 * Bytes of large requests whose handlers run, on all connections. Above the bound more are refused, but not the only one of
 * its connection: handlers may wait for long, and else a few connections could keep all others out.
 */
export class RunningBytes {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** False: there are too many. `ofConnection`: what is counted already of the same connection. */
  take(bytes: number, ofConnection: number): boolean {
    if (ofConnection > 0 && this.#bytes + bytes > this.#maxBytes) return false;
    this.#bytes += bytes;
    return true;
  }

  /** They run no more. */
  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}
