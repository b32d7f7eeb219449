import { type Holder, PartialBudget } from '../http2/index.ts';
import type { CallConnection } from '../types.ts';

/** The body of a request that is not complete. */
export interface HeldBody {
  /** It is refused: its connection held most when there was no room for all. */
  cut(): void;
}

/** Bodies of one connection. Over HTTP/2 there may be many. */
class BodiesOfConnection implements Holder {
  readonly held = new Map<HeldBody, number>();
  readonly #onCut: () => void;

  constructor(onCut: () => void) {
    this.#onCut = onCut;
  }

  cut(): void {
    const bodies = [...this.held.keys()];
    this.held.clear();
    this.#onCut();
    for (const body of bodies) body.cut();
  }
}

/**
 * What requests that are not complete hold, on all connections. Where that is too much, those of the connection that holds
 * most are refused: to refuse whoever comes next would let one client who never finishes keep all others out.
 */
export class HeldBodies {
  readonly #budget: PartialBudget;
  readonly #connections = new Map<CallConnection, BodiesOfConnection>();

  constructor(maxBytes: number) {
    this.#budget = new PartialBudget(maxBytes);
  }

  get bytes(): number {
    return this.#budget.bytes;
  }

  /** The body holds so much now; 0: nothing any more. May cut it, or others. */
  hold(connection: CallConnection, body: HeldBody, bytes: number): void {
    let bodies = this.#connections.get(connection);
    if (bodies === undefined) {
      if (bytes === 0) return;
      bodies = new BodiesOfConnection(() => this.#connections.delete(connection));
      this.#connections.set(connection, bodies);
    }
    const before = bodies.held.get(body) ?? 0;
    if (bytes > 0) bodies.held.set(body, bytes);
    else bodies.held.delete(body);
    if (bodies.held.size === 0) this.#connections.delete(connection);
    this.#budget.count(bodies, bytes - before);
  }
}
