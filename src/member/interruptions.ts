/** Why a request may have waited in vain, as etcd tells it. */
export type Interruption = 'leader-failure' | 'connection-lost';

export interface InterruptionsContext {
  readonly memberId: number;
  /** All of them, this member included where it votes. */
  readonly voters: () => readonly number[];
}

/**
 * What happened to the Raft leader and to the links, in its order. A request notes `moment` when it begins, which costs
 * nothing; what has come between is looked at only where its time is up.
 */
export class Interruptions {
  /** Rises with each change. */
  moment = 0;
  private readonly context: InterruptionsContext;
  private leader = 0;
  /** When the leader was found, and each link that stands was made. */
  private ledSince = 0;
  private readonly connectedSince = new Map<number, number>();

  constructor(context: InterruptionsContext) {
    this.context = context;
  }

  leaderChanged(leader: number): void {
    if (leader === this.leader) return;
    this.leader = leader;
    this.moment += 1;
    if (leader !== 0) this.ledSince = this.moment;
  }

  linkUp(peer: number): void {
    this.moment += 1;
    this.connectedSince.set(peer, this.moment);
  }

  linkDown(peer: number): void {
    this.moment += 1;
    this.connectedSince.delete(peer);
  }

  /** Of a request that began at that moment. Undefined: nothing that we know of, or that there is no leader. */
  since(moment: number): Interruption | undefined {
    if (this.leader === 0) return undefined;
    if (moment < this.ledSince) return 'leader-failure';
    const { memberId, voters } = this.context;
    const held = (peer: number): boolean =>
      peer === memberId || (this.connectedSince.get(peer) ?? Number.POSITIVE_INFINITY) <= moment;
    if (this.leader !== memberId) return held(this.leader) ? undefined : 'connection-lost';
    const all = voters();
    return all.filter(held).length * 2 > all.length ? undefined : 'connection-lost';
  }
}
