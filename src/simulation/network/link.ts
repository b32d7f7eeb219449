import type { Host } from '../world/host.ts';
import type { Draw } from '../world/random.ts';

/** What can be wrong with the way from one host to another; the values are those of a quiet local network. */
export const quietLink = {
  /** Least time on the way. */
  latencyUs: 150,
  /** Mean of what comes on top, mostly small and sometimes many times it. */
  jitterUs: 50,
  /** Of single packets: costs TCP a retransmission, and is the loss of a whole Raft message. */
  lossRate: 0,
  /** How many of the Raft messages arrive twice. */
  repeatRate: 0,
  /** How many of the Raft messages are overtaken by later ones. */
  reorderRate: 0,
  /** Mean of how much later a repeated or overtaken Raft message arrives. */
  lateUs: 20_000,
  bytesPerSecond: Number.POSITIVE_INFINITY,
} as const;

export type LinkFaults = { -readonly [name in keyof typeof quietLink]: number };

/** The way from one host to another, in this direction only. Change it at any time: what is sent later obeys. */
export class Link implements LinkFaults {
  readonly from: Host;
  readonly to: Host;
  latencyUs: number = quietLink.latencyUs;
  jitterUs: number = quietLink.jitterUs;
  lossRate: number = quietLink.lossRate;
  repeatRate: number = quietLink.repeatRate;
  reorderRate: number = quietLink.reorderRate;
  lateUs: number = quietLink.lateUs;
  bytesPerSecond: number = quietLink.bytesPerSecond;
  /** Nothing passes, and nobody is told. */
  cut = false;
  readonly #isDown: (host: Host) => boolean;
  #freeAtUs = 0;

  constructor(from: Host, to: Host, isDown: (host: Host) => boolean) {
    this.from = from;
    this.to = to;
    this.#isDown = isDown;
    // Within a host: no wire.
    if (from === to) this.calm();
  }

  get passes(): boolean {
    if (this.cut || this.to.asleep || this.from.asleep) return false;
    return !this.#isDown(this.to) && !this.#isDown(this.from);
  }

  /** Everything but a cut is as on a quiet network again. */
  calm(): void {
    Object.assign(this, quietLink);
    if (this.from !== this.to) return;
    this.latencyUs = 20;
    this.jitterUs = 5;
  }

  /** How much longer what was sent already takes a slow link. */
  backlogUs(nowUs: number): number {
    return this.bytesPerSecond === Number.POSITIVE_INFINITY ? 0 : Math.max(0, this.#freeAtUs - nowUs);
  }

  /** How long so many bytes that leave now are on the way; a slow link has them wait for those before them. */
  transitUs(bytes: number, nowUs: number, random: Draw): number {
    const wayUs = random.tailed(this.latencyUs, this.jitterUs);
    if (this.bytesPerSecond === Number.POSITIVE_INFINITY) {
      this.#freeAtUs = 0;
      return wayUs;
    }
    const startUs = Math.max(nowUs, this.#freeAtUs);
    this.#freeAtUs = startUs + Math.ceil((bytes * 1_000_000) / this.bytesPerSecond);
    return wayUs + this.#freeAtUs - nowUs;
  }
}
