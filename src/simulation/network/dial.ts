import { ConclaveError } from '../../errors/index.ts';
import type { Address, Connection, Timer } from '../../runtime/types.ts';
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import { eventKinds } from '../world/scheduler.ts';
import { End } from './end.ts';
import type { Fabric } from './fabric.ts';
import { Flow } from './flow.ts';
import type { Link } from './link.ts';

/** As Linux: how long an unanswered attempt waits before the next one; it doubles. */
const firstRetryUs = 1_000_000;

/** Who listens on an address. */
export interface Acceptor {
  readonly process: Process;
  readonly open: boolean;
  onConnection(connection: Connection): void;
}

export interface DialParts {
  readonly fabric: Fabric;
  readonly process: Process;
  readonly address: Address;
  /** undefined: there is no such host. */
  readonly host: Host | undefined;
  readonly there: Link;
  readonly back: Link;
  readonly framed: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  acceptor(): Acceptor | undefined;
  localPort(): number;
  opened(near: End, far: End): void;
}

/** One attempt to connect: three packets, each of which may have to be sent again. */
export class Dial {
  readonly promise: Promise<Connection>;
  readonly #parts: DialParts;
  readonly #timer: Timer | undefined;
  #tries = 0;
  #settled = false;
  #resolve: (connection: Connection) => void = () => {};
  #reject: (error: ConclaveError) => void = () => {};

  constructor(parts: DialParts) {
    this.#parts = parts;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { signal, timeoutMs, process } = parts;
    if (signal?.aborted) {
      this.#aborted();
      return;
    }
    signal?.addEventListener('abort', this.#aborted, { once: true });
    this.#timer = process.runtime.timers.after(timeoutMs, () => {
      parts.fabric.counts.connectsTimedOut += 1;
      this.#fail(`no answer within ${timeoutMs} ms`);
    });
    if (parts.host === undefined) {
      process.after(parts.there.latencyUs, eventKinds.network, () =>
        this.#fail('the host name does not resolve'),
      );
    } else this.#try();
  }

  get #where(): string {
    return `${this.#parts.address.host}:${this.#parts.address.port}`;
  }

  get #over(): boolean {
    return this.#settled || !this.#parts.process.alive;
  }

  #try(): void {
    if (this.#over) return;
    const { fabric, there } = this.#parts;
    const { scheduler } = fabric;
    const retryUs = firstRetryUs * 2 ** this.#tries;
    this.#tries += 1;
    if (!this.#passes(there)) {
      scheduler.after(retryUs, eventKinds.network, undefined, () => this.#try());
      return;
    }
    const wayUs = there.transitUs(0, scheduler.nowUs, fabric.random);
    scheduler.after(wayUs, eventKinds.network, undefined, () => {
      if (!this.#over && !this.#answer())
        scheduler.after(retryUs - wayUs, eventKinds.network, undefined, () => this.#try());
    });
  }

  #passes(link: Link): boolean {
    const { random, counts } = this.#parts.fabric;
    if (!link.passes) return false;
    if (!random.chance(link.lossRate)) return true;
    counts.packetsLost += 1;
    return false;
  }

  /** At the other host. False where the answer gets lost. */
  #answer(): boolean {
    const { fabric, process, there, back, address, framed } = this.#parts;
    if (!there.passes || !this.#passes(back)) return false;
    const acceptor = this.#parts.acceptor();
    if (acceptor === undefined) {
      fabric.counts.connectionsRefused += 1;
      const wayUs = back.transitUs(0, fabric.scheduler.nowUs, fabric.random);
      process.after(wayUs, eventKinds.network, () => this.#fail('connection refused (ECONNREFUSED)'));
      return true;
    }
    const near = new End(fabric, process, address);
    const far = new End(fabric, acceptor.process, {
      host: process.host.address,
      port: this.#parts.localPort(),
    });
    const out = new Flow(fabric, { from: near, to: far, link: there, back, framed });
    const home = new Flow(fabric, { from: far, to: near, link: back, back: there, framed });
    near.join(out, home);
    far.join(home, out);
    near.onOpen = () => this.#connected(near);
    far.onOpen = () => {
      if (acceptor.open) acceptor.onConnection(far);
      else far.destroy();
    };
    this.#parts.opened(near, far);
    out.open(home.open(0));
    return true;
  }

  #connected(near: End): void {
    if (!this.#settle()) {
      near.destroy();
      return;
    }
    const { fabric, process } = this.#parts;
    fabric.counts.connectionsMade += 1;
    fabric.note(process.name, () => `connected to ${this.#where}`);
    this.#resolve(near);
  }

  #fail(reason: string): void {
    if (!this.#settle()) return;
    const message = `Cannot connect to ${this.#where}: ${reason}.`;
    this.#reject(new ConclaveError('unavailable', message, { retryable: true }));
  }

  readonly #aborted = (): void => {
    if (!this.#settle()) return;
    this.#reject(ConclaveError.aborted(`Connecting to ${this.#where}`, this.#parts.signal));
  };

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#timer?.cancel();
    this.#parts.signal?.removeEventListener('abort', this.#aborted);
    return true;
  }
}
