import { eventKinds } from '../world/scheduler.ts';
import type { End } from './end.ts';
import type { Fabric } from './fabric.ts';
import { FrameCutter, isRaft, type WireFrame } from './frame-cutter.ts';
import type { Link } from './link.ts';
import { staysInOrder } from './middlebox.ts';
import { cutAt, type Segment, segment } from './segment.ts';

/** What the operating systems at both ends keep of one direction: more has to wait in the sending process. */
const sendBufferBytes = 256 * 1024;
const windowBytes = 256 * 1024;
/** As Linux: the least wait before a retransmission by timeout; it doubles. */
const retransmitUs = 200_000;
/** A slow link keeps no more on the way than takes it so long; the rest waits with its sender. */
const backlogUs = 300_000;
/** What is longer leaves in pieces, on a slow link in small ones. */
const pieceBytes = 64 * 1024;
const slowPieceBytes = 4 * 1024;
/** One in so many segments arrives in two chunks. */
const cutOneIn = 24;

/** One direction of a connection: bytes in order, resent until they are through. */
export class Flow {
  readonly from: End;
  readonly to: End;
  readonly link: Link;
  /** The way of its acknowledgements. */
  readonly back: Link;
  /** Nothing will ever pass, and nobody is told. */
  severed = false;
  readonly #fabric: Fabric;
  readonly #cutter: FrameCutter | undefined;
  /** Written and not yet sent, in order. */
  #unsent: Segment[] = [];
  #unsentBytes = 0;
  readonly #inFlight: Segment[] = [];
  /** Sent, and not read by the receiving process as far as the sender knows. */
  #unreadBytes = 0;
  /** Read, but the sender does not know: its acknowledgement found no way. */
  #unacknowledgedBytes = 0;
  #lastArrivalUs = 0;
  /** A retransmission is due: nothing is sent until then. */
  #waiting = false;
  #tries = 0;
  #stuckSinceUs = 0;
  #deafSinceUs: number | undefined;
  #pumpDue = false;
  #finished = false;

  constructor(fabric: Fabric, parts: { from: End; to: End; link: Link; back: Link; framed: boolean }) {
    this.#fabric = fabric;
    this.from = parts.from;
    this.to = parts.to;
    this.link = parts.link;
    this.back = parts.back;
    this.#cutter = parts.framed ? new FrameCutter() : undefined;
  }

  get bufferedBytes(): number {
    return Math.max(0, this.#unsentBytes - sendBufferBytes);
  }

  get hasUnsent(): boolean {
    return this.#unsent.length > 0;
  }

  /** Something has arrived, or is about to, that the receiving process has not read. */
  get hasArrived(): boolean {
    const first = this.#inFlight[0];
    return first !== undefined && first.arrivesUs <= this.#fabric.scheduler.nowUs;
  }

  /** The first segment: makes the connection known at the other end, so long from now. Returns when. */
  open(delayUs: number): number {
    const { nowUs } = this.#fabric.scheduler;
    this.#launch(segment('open'), delayUs);
    return this.#lastArrivalUs - nowUs;
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#finished) return;
    const written = segment('data', this.#fabric.scheduler.steps);
    if (this.#cutter === undefined) {
      for (const chunk of chunks) {
        if (chunk.length === 0) continue;
        written.chunks.push(chunk);
        written.bytes += chunk.length;
      }
    } else {
      const frames: WireFrame[] = [];
      written.frames = frames;
      this.#cutter.push(chunks, (frame) => {
        frames.push(frame);
        written.bytes += frame.bytes;
        if (isRaft(frame)) this.#fabric.leaves(this.from, this.to, frame);
      });
    }
    if (written.bytes > 0) this.#send(written);
  }

  /** The end, after everything that the operating system has taken; `flush`: after everything that was written. */
  finish(options: { readonly flush: boolean }): void {
    if (this.#finished) return;
    this.#finished = true;
    if (!options.flush) {
      while (this.#unsentBytes > sendBufferBytes) this.#unsentBytes -= this.#unsent.pop()?.bytes ?? 0;
    }
    this.#send(segment('end'));
  }

  /** Sends nothing more; what is on its way arrives. */
  abandon(): void {
    this.#finished = true;
    this.#unsent = [];
    this.#unsentBytes = 0;
  }

  /** The receiving process has read so much. */
  read(bytes: number): void {
    if (!this.back.passes || this.severed) {
      this.#unacknowledgedBytes += bytes;
      return;
    }
    this.#unreadBytes -= bytes + this.#unacknowledgedBytes;
    this.#unacknowledgedBytes = 0;
    if (this.#unsent.length === 0) return;
    const { scheduler, random } = this.#fabric;
    this.#pumpAfter(this.back.transitUs(0, scheduler.nowUs, random));
  }

  /** Takes one segment in: each one sent has an event, which takes whichever is the next in order. */
  readonly #arrive = (): void => {
    const next = this.#inFlight.shift();
    if (next !== undefined) this.to.take(next);
  };

  #send(written: Segment): void {
    if (this.#unsent.length === 0 && this.#joinsLast(written)) return;
    this.#unsent.push(written);
    this.#unsentBytes += written.bytes;
    if (!this.#waiting) this.#pump();
    this.#fabric.waits(this.#unsentBytes, this.from, this.#cutter !== undefined);
  }

  /** What is written in one step leaves as one segment. */
  #joinsLast(written: Segment): boolean {
    const last = this.#inFlight.at(-1);
    if (last === undefined || written.kind !== 'data' || last.step !== written.step) return false;
    if (!this.#hasRoomFor(written.bytes) || this.to.closed || this.#isSlow) return false;
    this.#throughMiddlebox(written);
    for (const chunk of written.chunks) last.chunks.push(chunk);
    last.bytes += written.bytes;
    this.#unreadBytes += written.bytes;
    return true;
  }

  get #isSlow(): boolean {
    return this.link.bytesPerSecond !== Number.POSITIVE_INFINITY;
  }

  #pumpAfter(delayUs: number): void {
    if (this.#waiting || this.#pumpDue) return;
    this.#pumpDue = true;
    this.#fabric.scheduler.after(delayUs, eventKinds.network, undefined, () => {
      this.#pumpDue = false;
      if (!this.#waiting) this.#pump();
    });
  }

  #hasRoomFor(bytes: number): boolean {
    return this.#unreadBytes === 0 || this.#unreadBytes + bytes <= windowBytes;
  }

  #pump(): void {
    const wasBuffered = this.bufferedBytes > 0;
    for (;;) {
      const next = this.#unsent[0];
      if (next === undefined) break;
      if (this.severed || !this.link.passes) {
        this.#stall(false);
        break;
      }
      const tooFullUs = this.link.backlogUs(this.#fabric.scheduler.nowUs) - backlogUs;
      if (tooFullUs > 0) {
        this.#pumpAfter(tooFullUs);
        break;
      }
      this.#leaveInPieces(next);
      if (!this.#hasRoomFor(next.bytes)) {
        // The other end would have said that there is room, but could not.
        if (this.#unacknowledgedBytes > 0 && !this.#acknowledged()) this.#stall(false);
        else if (this.#hasRoomFor(next.bytes)) continue;
        break;
      }
      if (this.#fabric.random.chance(this.link.lossRate) && !onlyRaft(next)) {
        this.#fabric.counts.packetsLost += 1;
        this.#stall(true);
        break;
      }
      this.#tries = 0;
      this.#unsent.shift();
      this.#unsentBytes -= next.bytes;
      this.#launch(next, 0);
    }
    if (wasBuffered && this.bufferedBytes === 0) this.from.drained();
  }

  #acknowledged(): boolean {
    if (!this.back.passes) return false;
    this.#unreadBytes -= this.#unacknowledgedBytes;
    this.#unacknowledgedBytes = 0;
    return true;
  }

  #launch(next: Segment, delayUs: number): void {
    const { scheduler, random } = this.#fabric;
    const { nowUs } = scheduler;
    this.#throughMiddlebox(next);
    if (next.kind === 'data' && next.bytes === 0) return;
    this.#listenForAcknowledgement();
    const wayUs = delayUs + this.link.transitUs(next.bytes, nowUs, random);
    if (this.to.closed) {
      if (next.kind !== 'end')
        scheduler.after(wayUs, eventKinds.network, undefined, () => this.to.refuseData());
      return;
    }
    this.#unreadBytes += next.bytes;
    if (next.bytes > 1 && random.below(cutOneIn) === 0) {
      this.#fabric.counts.segmentsCut += 1;
      const second = cutAt(next, 1 + random.below(next.bytes - 1));
      this.#depart(next, wayUs);
      this.#depart(second, wayUs + random.tailed(10, 100));
    } else this.#depart(next, wayUs);
  }

  #depart(next: Segment, wayUs: number): void {
    const { nowUs } = this.#fabric.scheduler;
    next.arrivesUs = Math.max(nowUs + wayUs, this.#lastArrivalUs);
    this.#lastArrivalUs = next.arrivesUs;
    this.#inFlight.push(next);
    this.to.process.after(next.arrivesUs - nowUs, eventKinds.network, this.#arrive);
  }

  /** The first of what is unsent, if it is long. */
  #leaveInPieces(first: Segment): void {
    const most = this.#isSlow ? slowPieceBytes : pieceBytes;
    if (first.bytes <= most) return;
    this.#unsentBytes -= first.bytes;
    this.#throughMiddlebox(first);
    this.#unsentBytes += first.bytes;
    if (first.bytes > most) this.#unsent.splice(1, 0, cutAt(first, most));
  }

  /** Raft messages may fare badly; everything else stays in its order. */
  #throughMiddlebox(next: Segment): void {
    const { frames } = next;
    if (frames === undefined) return;
    next.frames = undefined;
    next.bytes = 0;
    const late = (frame: WireFrame): void => this.#sendLate(frame);
    for (const frame of frames) {
      if (isRaft(frame) && !staysInOrder(this.#fabric, this.from, this.link, frame, late)) continue;
      frame.addTo(next.chunks);
      next.bytes += frame.bytes;
    }
  }

  /** So late that everything sent until now is there before. */
  #sendLate(frame: WireFrame): void {
    const { random, scheduler } = this.#fabric;
    const earliestUs = Math.max(0, this.#lastArrivalUs - scheduler.nowUs);
    const wayUs = earliestUs + this.link.transitUs(frame.bytes, scheduler.nowUs, random);
    const lateUs = random.tailed(1, this.link.lateUs);
    this.to.process.after(wayUs + lateUs, eventKinds.network, () => this.to.takeLate(frame));
  }

  /** Nothing gets through, or one packet got lost: what is unsent waits for a retransmission, as TCP has it. */
  #stall(lost: boolean): void {
    const { scheduler, random, counts, giveUpUs } = this.#fabric;
    const { nowUs } = scheduler;
    // A host that sleeps counts no time.
    if (this.#tries === 0 || this.link.from.asleep) this.#stuckSinceUs = nowUs;
    if (this.#tries === 0 && !lost) counts.stalls += 1;
    const leftUs = this.#stuckSinceUs + giveUpUs - nowUs;
    if (leftUs <= 0) {
      this.#giveUp();
      return;
    }
    // Later packets that arrive tell of one that did not; else only time does.
    const noticed = lost && this.#tries === 0 && random.chance(0.5);
    const doubled = (retransmitUs + 2 * this.link.latencyUs) * 2 ** this.#tries;
    const waitUs = noticed ? 3 * this.link.latencyUs + random.below(2000) : Math.min(doubled, leftUs);
    this.#tries += 1;
    this.#waiting = true;
    scheduler.after(waitUs, eventKinds.network, undefined, () => {
      this.#waiting = false;
      this.#pump();
    });
  }

  /** What arrives but is never acknowledged is resent, too, and in the end given up. */
  #listenForAcknowledgement(): void {
    if (this.#deafSinceUs !== undefined || this.back.passes) return;
    const { scheduler, giveUpUs } = this.#fabric;
    const sinceUs = scheduler.nowUs;
    this.#deafSinceUs = sinceUs;
    const look = (triesLeft: number): void => {
      if (this.from.closed) return;
      if (this.back.passes && !this.severed) this.#deafSinceUs = undefined;
      else if (triesLeft === 0) this.#giveUp();
      else scheduler.after(giveUpUs / 8, eventKinds.network, undefined, () => look(triesLeft - 1));
    };
    scheduler.after(giveUpUs / 8, eventKinds.network, undefined, () => look(7));
  }

  #giveUp(): void {
    if (!this.from.closed) this.#fabric.counts.connectionsGivenUp += 1;
    this.abandon();
    this.from.breakOff();
  }
}

function onlyRaft(next: Segment): boolean {
  return next.frames?.every(isRaft) ?? false;
}
