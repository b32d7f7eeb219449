import { ConclaveError } from '../../errors/index.ts';
import type { Address, Connection, Runtime, Timer } from '../../runtime/index.ts';
import type { Logger } from '../logger.ts';
import {
  decodeGreeting,
  decodeRefusal,
  encodeGreeting,
  FrameSplitter,
  frameHead,
  frameKinds,
  protocolVersion,
  type Refusal,
  type SaidOfItself,
} from './frames.ts';

const firstDelayMs = 5;
const longestDelayMs = 500;
const connectTimeoutMs = 2000;
/** Beyond this, frames to a peer that does not read are dropped: Raft repeats what is lost. */
const maxBufferedBytes = 64 * 1024 * 1024;

export interface OutboundOptions {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly clusterId: number;
  readonly memberId: number;
  readonly peer: number;
  readonly addresses: readonly Address[];
  readonly announcement: Uint8Array;
  /** What we say of ourselves now. */
  readonly greeting: () => SaidOfItself;
  readonly onRefusal: (refusal: Refusal) => void;
  readonly onUp: () => void;
  readonly onDown: () => void;
}

/** The connection that we dial to one peer, for as long as the member lives: frames go out on it, none come in. */
export class Outbound {
  private readonly options: OutboundOptions;
  private connection: Connection | undefined;
  private greeted = false;
  private greetedAtMs = 0;
  private wroteAtMs = 0;
  private dialing = false;
  private closed = false;
  private attempts = 0;
  private redialTimer: Timer | undefined;
  private queued: Uint8Array[] = [];
  private readonly drainWaiters: (() => void)[] = [];
  private lastRefusal = '';
  private addresses: readonly Address[];
  private retired = false;

  constructor(options: OutboundOptions) {
    this.options = options;
    this.addresses = options.addresses;
  }

  /** It is reached elsewhere from now on. */
  moved(addresses: readonly Address[]): void {
    if (addresses.map(nameOf).join() === this.addresses.map(nameOf).join()) return;
    this.addresses = addresses;
    this.renew();
    this.dialNow();
  }

  /** It is no member any more: what stands may stand, but is not made again. */
  retire(retired: boolean): void {
    this.retired = retired;
  }

  get up(): boolean {
    return this.greeted;
  }

  /** For how long it has been up. */
  get upForMs(): number {
    return this.greeted ? this.options.runtime.clock.monotonicMs() - this.greetedAtMs : 0;
  }

  /** For how long nothing was written. */
  get quietForMs(): number {
    return this.options.runtime.clock.monotonicMs() - this.wroteAtMs;
  }

  /** What is written does not arrive: gives the connection up, and dials anew. */
  renew(): void {
    this.connection?.destroy();
  }

  /** Dials at once, for example because the peer has just dialled us. */
  dialNow(): void {
    if (this.closed || this.retired || this.dialing || this.connection) return;
    this.redialTimer?.cancel();
    this.redialTimer = undefined;
    const { addresses } = this;
    const address = addresses[this.attempts % addresses.length];
    if (address === undefined) return;
    this.attempts++;
    this.dialing = true;
    this.options.runtime.network.connect(address, { timeoutMs: connectTimeoutMs }).then(
      (connection) => this.connected(connection),
      (error: unknown) => {
        this.dialing = false;
        this.explainOnce(error);
        this.redialLater();
      },
    );
  }

  /** That nobody answers is usual while members start; that TLS fails, or is not set up, will not pass by itself. */
  private explainOnce(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const usual = ConclaveError.is(error, 'unavailable') && !reason.includes('TLS');
    if (usual || reason === this.lastRefusal) return;
    this.options.logger.error(
      { peer: this.options.peer.toString(16), reason },
      'The peer cannot be reached.',
    );
    this.lastRefusal = reason;
  }

  private redialLater(): void {
    if (this.closed || this.retired || this.redialTimer) return;
    const { random, timers } = this.options.runtime;
    const longest = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(this.attempts, 10));
    this.redialTimer = timers.after(
      longest * (0.5 + random.unit() / 2),
      () => {
        this.redialTimer = undefined;
        this.dialNow();
      },
      { background: true },
    );
  }

  private connected(connection: Connection): void {
    this.dialing = false;
    if (this.closed) return connection.destroy();
    this.connection = connection;
    const { runtime, clusterId, memberId, peer } = this.options;
    const splitter = new FrameSplitter();
    const greetingTimer = runtime.timers.after(connectTimeoutMs, () => connection.destroy(), {
      background: true,
    });
    connection.onData = (chunk) => {
      try {
        splitter.push(chunk, (frame) => {
          greetingTimer.cancel();
          this.answered(frame.kind, frame.payload);
        });
      } catch (error) {
        this.options.logger.warn(
          { peer, error: String(error) },
          'The peer answered something that is not a frame.',
        );
        connection.destroy();
      }
    };
    connection.onDrained = () => this.releaseDrainWaiters();
    connection.onClose = () => {
      greetingTimer.cancel();
      this.lost(connection);
    };
    const said = this.options.greeting();
    const greeting = encodeGreeting({
      version: protocolVersion,
      clusterId,
      from: memberId,
      to: peer,
      ...said,
    });
    connection.write([frameHead(frameKinds.greeting, 0, greeting.length), greeting]);
  }

  private answered(kind: number, payload: Uint8Array): void {
    if (kind === frameKinds.refusal) {
      const refusal = decodeRefusal(payload);
      const reason = refusal.text;
      if (reason !== this.lastRefusal)
        this.options.logger.error({ peer: this.options.peer.toString(16), reason }, 'The peer refused us.');
      this.lastRefusal = reason;
      this.connection?.destroy();
      this.options.onRefusal(refusal);
      return;
    }
    if (kind !== frameKinds.greeting || this.greeted)
      throw new ConclaveError('invalid-argument', 'Unexpected frame from a peer.');
    const greeting = decodeGreeting(payload);
    if (greeting.clusterId !== this.options.clusterId || greeting.from !== this.options.peer) {
      throw new ConclaveError(
        'data-incompatible',
        `Member ${greeting.from.toString(16)} of cluster ${greeting.clusterId.toString(16)} answered instead of the peer.`,
      );
    }
    this.greeted = true;
    this.greetedAtMs = this.options.runtime.clock.monotonicMs();
    this.lastRefusal = '';
    this.attempts = 0;
    this.queued = [];
    this.send(frameKinds.announcement, 0, this.options.announcement);
    this.options.onUp();
    this.flush();
  }

  private lost(connection: Connection): void {
    if (this.connection !== connection) return;
    this.connection = undefined;
    const wasUp = this.greeted;
    this.greeted = false;
    this.queued = [];
    this.releaseDrainWaiters();
    if (wasUp) this.options.onDown();
    this.redialLater();
  }

  /** Queues a frame until `flush`. False where it was dropped: the peer is not connected or does not read. */
  send(kind: (typeof frameKinds)[keyof typeof frameKinds], group: number, payload: Uint8Array): boolean {
    if (!this.greeted || !this.connection || this.connection.bufferedBytes > maxBufferedBytes) return false;
    this.queued.push(frameHead(kind, group, payload.length), payload);
    return true;
  }

  /** One whole frame. */
  sendFrame(frame: Uint8Array): boolean {
    if (!this.greeted || !this.connection || this.connection.bufferedBytes > maxBufferedBytes) return false;
    this.queued.push(frame);
    return true;
  }

  flush(): void {
    if (this.queued.length === 0 || !this.connection) return;
    const chunks = this.queued;
    this.queued = [];
    this.wroteAtMs = this.options.runtime.clock.monotonicMs();
    this.connection.write(chunks);
  }

  /** Resolves when what was written has left for the operating system, or the connection is gone. */
  async drained(): Promise<void> {
    this.flush();
    if (!this.connection || this.connection.bufferedBytes === 0) return;
    await new Promise<void>((resolve) => this.drainWaiters.push(resolve));
  }

  private releaseDrainWaiters(): void {
    for (const resolve of this.drainWaiters.splice(0)) resolve();
  }

  close(): void {
    this.closed = true;
    this.redialTimer?.cancel();
    this.flush();
    this.connection?.end();
  }
}

function nameOf({ host, port }: Address): string {
  return `${host}:${port}`;
}
