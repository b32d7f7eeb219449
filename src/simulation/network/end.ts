import type { Address, CloseCause, Connection } from '../../runtime/types.ts';
import type { Process } from '../world/process.ts';
import { eventKinds } from '../world/scheduler.ts';
import type { Fabric } from './fabric.ts';
import type { Flow } from './flow.ts';
import { joined, type WireFrame } from './frame-cutter.ts';
import type { Segment } from './segment.ts';

/** How long a connection that we ended waits for the other side to end it too; as the real one. */
const lingerUs = 1_000_000;

/** A connection is probed so often; without an answer so many times, so long apart, it is given up: as gRPC's are. */
const probeEveryUs = 10_000_000;
const probeAgainUs = 1_000_000;
const probes = 5;

/** How the other side hears of the end: FIN, in order after all that was sent; RST, at once; or not at all. */
type Farewell = 'end' | 'reset' | 'silence';

/** One process's end of a connection. */
export class End implements Connection {
  readonly remote: Address;
  readonly process: Process;
  onClose: ((cause: CloseCause) => void) | undefined;
  onDrained: (() => void) | undefined;
  /** What to do when the connection is made, as seen from here. */
  onOpen: (() => void) | undefined;
  readonly #fabric: Fabric;
  #outgoing: Flow | undefined;
  #incoming: Flow | undefined;
  #onData: ((chunk: Uint8Array) => void) | undefined;
  /** Arrived, and nobody asked for it yet. */
  #early: Segment[] = [];
  /** Came while a frame was only half there. */
  #late: WireFrame[] = [];
  #withinFrame = false;
  #ending = false;
  #closed = false;

  constructor(fabric: Fabric, process: Process, remote: Address) {
    this.#fabric = fabric;
    this.process = process;
    this.remote = remote;
  }

  join(outgoing: Flow, incoming: Flow): void {
    this.#outgoing = outgoing;
    this.#incoming = incoming;
  }

  get outgoing(): Flow {
    if (this.#outgoing === undefined) throw new Error('A connection was used before it was made.');
    return this.#outgoing;
  }

  get incoming(): Flow {
    if (this.#incoming === undefined) throw new Error('A connection was used before it was made.');
    return this.#incoming;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get onData(): ((chunk: Uint8Array) => void) | undefined {
    return this.#onData;
  }

  set onData(handler: ((chunk: Uint8Array) => void) | undefined) {
    this.#onData = handler;
    if (handler === undefined || this.#early.length === 0) return;
    // Not from within the assignment: the caller is still setting up.
    this.process.after(0, eventKinds.network, () => this.#readEarly());
  }

  get bufferedBytes(): number {
    return this.#closed ? 0 : this.outgoing.bufferedBytes;
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#closed || this.#ending || !this.process.alive) return;
    this.#fabric.sends(chunks);
    this.outgoing.write(chunks);
  }

  end(): void {
    if (this.#closed || this.#ending || !this.process.alive) return;
    this.#ending = true;
    this.outgoing.finish({ flush: true });
    // Counted from the flush by the real one; here from now, which only matters to who sends very much.
    this.process.after(lingerUs, eventKinds.network, () => {
      if (this.outgoing.bufferedBytes === 0) this.#close('local', 'end');
    });
  }

  destroy(): void {
    if (this.process.alive) this.#close('local', this.#unread ? 'reset' : 'end');
  }

  /** For the network, once it is made: finds out in time that nobody is there, also where nothing is ever written. */
  keepAlive(missed = 0): void {
    const { scheduler } = this.#fabric;
    scheduler.after(missed === 0 ? probeEveryUs : probeAgainUs, eventKinds.network, undefined, () => {
      if (this.#closed) return;
      const { link, back, severed, to } = this.outgoing;
      const answered = !severed && link.passes && back.passes;
      // While it still has something to send, its system answers for a process that closed.
      if (answered && to.closed && !to.outgoing.hasUnsent) to.refuseData();
      if (answered || this.process.host.asleep) this.keepAlive();
      else if (missed < probes) this.keepAlive(missed + 1);
      else this.breakOff();
    });
  }

  /** For the network: the connection is lost, and the other side is not told. */
  breakOff(): void {
    this.#close('broken', 'silence');
  }

  /** The process is gone; its operating system closes for it, unless that is gone too. */
  processDied(hostIsDown: boolean): void {
    this.#close('local', hostIsDown ? 'silence' : this.#unread ? 'reset' : 'end');
  }

  drained(): void {
    if (this.#closed || this.#ending) return;
    this.process.after(0, eventKinds.network, () => {
      if (!this.#closed && !this.#ending && this.bufferedBytes === 0) this.onDrained?.();
    });
  }

  /** What arrived, in order. */
  take(next: Segment): void {
    if (this.#closed) {
      if (next.kind !== 'end') this.refuseData();
      return;
    }
    if (this.#early.length > 0 || (next.kind !== 'open' && this.#onData === undefined)) {
      this.#early.push(next);
      return;
    }
    this.#read(next);
  }

  /** A frame that was delayed or repeated on its way: goes in wherever another may begin. */
  takeLate(frame: WireFrame): void {
    if (this.#closed) return;
    if (this.#withinFrame || this.#early.length > 0) this.#late.push(frame);
    else this.#onData?.(wholeOf(frame));
  }

  /** Data came for a connection that is gone here: the other side gets to know. */
  refuseData(): void {
    const other = this.outgoing.to;
    const { link, severed } = this.outgoing;
    const { scheduler, random, counts } = this.#fabric;
    if (other.closed || severed || !link.passes || random.chance(link.lossRate)) return;
    counts.resets += 1;
    const wayUs = link.transitUs(0, scheduler.nowUs, random);
    other.process.after(wayUs, eventKinds.network, () => other.takeReset());
  }

  takeReset(): void {
    this.#close(this.#ending ? 'local' : 'peer', 'silence');
  }

  get #unread(): boolean {
    return this.#early.length > 0 || this.incoming.hasArrived;
  }

  #readEarly(): void {
    while (!this.#closed && this.#onData !== undefined) {
      const next = this.#early.shift();
      if (next === undefined) return;
      this.#read(next);
    }
  }

  #read(next: Segment): void {
    if (next.kind === 'open') {
      this.onOpen?.();
    } else if (next.kind === 'end') {
      // No half-open connections, as with the real ones: the other side has closed, and would read nothing more.
      this.#close(this.#ending ? 'local' : 'peer', 'end');
    } else {
      this.incoming.read(next.bytes);
      this.#withinFrame = next.partial;
      this.#onData?.(joined(next.chunks));
      if (this.#late.length > 0 && !this.#withinFrame) {
        for (const frame of this.#late.splice(0)) if (!this.#closed) this.#onData?.(wholeOf(frame));
      }
    }
  }

  #close(cause: CloseCause, farewell: Farewell): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#early = [];
    this.#late = [];
    if (farewell === 'end') this.outgoing.finish({ flush: false });
    else this.outgoing.abandon();
    if (farewell === 'reset') this.refuseData();
    this.#fabric.closed(this);
    if (this.process.alive) {
      const closedUs = this.#fabric.scheduler.nowUs;
      if (cause === 'broken') this.#fabric.breaks(this.process);
      this.process.after(0, eventKinds.network, () => {
        if (cause === 'broken') this.#fabric.tellsOfBreak(this.process, closedUs);
        this.onClose?.(cause);
      });
      this.#fabric.note(this.process.name, () => `connection with ${this.remote.host}: ${cause}`);
    }
  }
}

function wholeOf({ head, data }: WireFrame): Uint8Array {
  return head === undefined ? data : joined([head, data]);
}
