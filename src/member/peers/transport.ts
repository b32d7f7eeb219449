import { ConclaveError } from '../../errors/index.ts';
import type { Address, Connection, Listener, Timer } from '../../runtime/index.ts';
import {
  decodeGreeting,
  encodeGreeting,
  encodeRefusal,
  type Frame,
  type FrameKind,
  FrameSplitter,
  frameHead,
  frameKinds,
  type Greeting,
  maxFrameBytes,
  protocolVersion,
  type Refusal,
} from './frames.ts';
import { Outbound } from './outbound.ts';
import { mistakeOf, type PeerAddress, type PeerTransportOptions } from './transport-options.ts';

export type { PeerAddress, PeerTransportOptions } from './transport-options.ts';

const greetingTimeoutMs = 5000;
/** Who has not greeted yet can make us hold so much, and no more than so many of them are listened to. */
const maxGreetingBytes = 16 * 1024;
const maxStrangers = 256;
/** So often each end says that it lives. */
const aliveEveryMs = 500;
/**
 * A link on which nothing was heard for so long is given up. TCP itself would notice late, and after an outage without
 * a broken connection (cables, firewalls) it stays silent for as long again, since it doubles the time between tries.
 */
const silentForMs = 3000;
/** A peer that is connected for so long knows of it; if it says that it does not hear us, the connection is dead. */
const settledForMs = 1000;
/** What was sent to one that is no member any more may still arrive, and tell it so. */
const partingMs = 5000;

interface Link {
  readonly outbound: Outbound;
  inbound: Connection | undefined;
  /** When anything arrived on it. */
  heardAtMs: number;
  up: boolean;
  /** None of `peers`, and connected for as long as that lasts. */
  guest: boolean;
  parting: Timer | undefined;
}

/** One TCP connection for each direction of each pair of members. Frames are queued and leave on `flush`. */
export class PeerTransport {
  private readonly options: PeerTransportOptions;
  private readonly links = new Map<number, Link>();
  private readonly listeners: Listener[] = [];
  private readonly strangers = new Set<Connection>();
  private aliveTimer: Timer | undefined;
  private started = false;
  private closed = false;

  constructor(options: PeerTransportOptions) {
    this.options = options;
    for (const { memberId, addresses } of options.peers) this.addLink(memberId, addresses, false);
  }

  private addLink(peer: number, addresses: readonly Address[], guest: boolean): Link {
    const outbound = new Outbound({
      ...this.options,
      peer,
      addresses,
      onUp: () => this.reviewLink(peer),
      onDown: () => this.reviewLink(peer),
    });
    const link: Link = { outbound, inbound: undefined, heardAtMs: 0, up: false, guest, parting: undefined };
    this.links.set(peer, link);
    return link;
  }

  /** These are the other members from now on. Who is none any more is let go in peace. */
  setPeers(peers: readonly PeerAddress[]): void {
    if (this.closed) return;
    for (const { memberId, addresses } of peers) {
      const link = this.links.get(memberId) ?? this.addLink(memberId, addresses, false);
      link.guest = false;
      link.parting?.cancel();
      link.parting = undefined;
      link.outbound.retire(false);
      link.outbound.moved(addresses);
      if (this.started) link.outbound.dialNow();
    }
    for (const [peer, link] of this.links) {
      if (link.parting !== undefined || peers.some(({ memberId }) => memberId === peer)) continue;
      link.outbound.retire(true);
      const { timers } = this.options.runtime;
      link.parting = timers.after(partingMs, () => this.dropLink(peer, link), { background: true });
    }
  }

  private dropLink(peer: number, link: Link): void {
    if (this.links.get(peer) !== link) return;
    this.links.delete(peer);
    link.outbound.close();
    link.inbound?.end();
    if (link.up && !this.closed) this.options.onLink(peer, 'down');
  }

  /** @throws ConclaveError 'address-in-use'; nothing is left listening then. */
  async start(): Promise<void> {
    try {
      for (const address of this.options.listen) {
        this.listeners.push(
          await this.options.runtime.network.listen(address, (connection) => this.accepted(connection)),
        );
      }
    } catch (error) {
      await this.close();
      throw error;
    }
    this.started = true;
    for (const link of this.links.values()) link.outbound.dialNow();
    this.sayAlive();
  }

  private sayAlive(): void {
    const { clock, timers } = this.options.runtime;
    const dueMs = clock.monotonicMs() + aliveEveryMs;
    const fired = () => {
      const nowMs = clock.monotonicMs();
      // Late, so we did not run ourselves, and what came meanwhile is still to be read.
      const deaf = nowMs - dueMs > aliveEveryMs;
      for (const link of this.links.values()) {
        if (deaf) link.heardAtMs = nowMs;
        if (nowMs - link.heardAtMs > silentForMs) this.giveUp(link);
        // Whatever else was written says that we live, too; that we do not hear the peer has to be said.
        if (link.inbound && link.outbound.quietForMs < aliveEveryMs) continue;
        link.outbound.send(frameKinds.alive, 0, Uint8Array.of(link.inbound ? 1 : 0));
        link.outbound.flush();
      }
      this.sayAlive();
    };
    this.aliveTimer = timers.after(aliveEveryMs, fired, { background: true });
  }

  /**
   * Also where only the peer's own connection is gone: ours may be dead as well, known to nobody who could say so, since
   * the peer believes of its dead one what we believe of ours. A new one shows it to the peer.
   */
  private giveUp(link: Link): void {
    const { inbound, outbound } = link;
    if (inbound === undefined && (link.parting !== undefined || outbound.upForMs <= silentForMs)) return;
    inbound?.destroy();
    outbound.renew();
  }

  private heard(peer: number, frame: Frame): void {
    if (frame.kind !== frameKinds.alive) return this.options.onFrame(peer, frame);
    const outbound = this.links.get(peer)?.outbound;
    if (outbound && frame.payload[0] === 0 && outbound.upForMs > settledForMs) outbound.renew();
  }

  /** Where the member really listens (of use with port 0). */
  get listenAddresses(): readonly Address[] {
    return this.listeners.map((listener) => listener.address);
  }

  connected(peer: number): boolean {
    return this.links.get(peer)?.up ?? false;
  }

  send(peer: number, kind: FrameKind, group: number, payload: Uint8Array): boolean {
    return this.links.get(peer)?.outbound.send(kind, group, payload) ?? false;
  }

  /** A frame with its head. */
  sendFrame(peer: number, frame: Uint8Array): boolean {
    return this.links.get(peer)?.outbound.sendFrame(frame) ?? false;
  }

  flush(): void {
    for (const link of this.links.values()) link.outbound.flush();
  }

  async drained(peer: number): Promise<void> {
    await this.links.get(peer)?.outbound.drained();
  }

  private reviewLink(peer: number): void {
    const link = this.links.get(peer);
    if (!link || this.closed) return;
    const up = link.outbound.up && link.inbound !== undefined;
    if (up === link.up) return;
    link.up = up;
    this.options.onLink(peer, up ? 'up' : 'down');
  }

  private accepted(connection: Connection): void {
    if (this.closed || this.strangers.size >= maxStrangers) return connection.destroy();
    this.strangers.add(connection);
    const splitter = new FrameSplitter();
    splitter.maxBytes = maxGreetingBytes;
    let peer = 0;
    const timer: Timer = this.options.runtime.timers.after(greetingTimeoutMs, () => connection.destroy(), {
      background: true,
    });
    connection.onData = (chunk) => {
      const link = this.links.get(peer);
      if (link) link.heardAtMs = this.options.runtime.clock.monotonicMs();
      try {
        splitter.push(chunk, (frame) => {
          if (peer !== 0) return this.heard(peer, frame);
          timer.cancel();
          peer = this.greeted(connection, frame);
          if (peer !== 0) splitter.maxBytes = maxFrameBytes;
        });
      } catch (error) {
        this.options.logger.warn(
          { remote: connection.remote, error: String(error) },
          'A connection to the peer port was closed.',
        );
        connection.destroy();
      }
    };
    connection.onClose = () => {
      timer.cancel();
      this.strangers.delete(connection);
      this.inboundLost(peer, connection);
    };
  }

  /** Returns the peer's id, or 0 after a refusal. */
  private greeted(connection: Connection, frame: Frame): number {
    if (frame.kind === frameKinds.membersWanted) return this.tellMembers(connection);
    if (frame.kind !== frameKinds.greeting)
      throw new ConclaveError('invalid-argument', 'The first frame is not a greeting.');
    const { clusterId, memberId } = this.options;
    const greeting = decodeGreeting(frame.payload);
    const mistaken = mistakeOf(greeting, { clusterId, memberId });
    const refusal: Refusal | undefined =
      mistaken === undefined ? this.options.admit(greeting) : { code: 'other', text: mistaken };
    if (refusal !== undefined) {
      const { text } = refusal;
      this.options.logger.warn(
        { remote: connection.remote, refusal: text },
        'A peer connection was refused.',
      );
      const payload = encodeRefusal(refusal);
      connection.write([frameHead(frameKinds.refusal, 0, payload.length), payload]);
      connection.end();
      return 0;
    }
    const link = this.linkOf(greeting);
    const said = this.options.greeting();
    const answer = encodeGreeting({
      ...{ version: protocolVersion, clusterId, from: memberId, to: greeting.from },
      ...said,
    });
    connection.write([frameHead(frameKinds.greeting, 0, answer.length), answer]);
    this.strangers.delete(connection);
    const replaced = link.inbound;
    link.inbound = connection;
    link.heardAtMs = this.options.runtime.clock.monotonicMs();
    // The peer dialled anew: what it had before is dead, also where no FIN ever arrived.
    if (replaced) {
      replaced.onClose = undefined;
      replaced.destroy();
    }
    link.outbound.dialNow();
    this.reviewLink(greeting.from);
    return greeting.from;
  }

  /** Of a guest only its greeting says where it is, and the last one counts. */
  private linkOf({ from, peerUrls }: Greeting): Link {
    const link = this.links.get(from) ?? this.addLink(from, [], true);
    if (link.guest && peerUrls.length > 0) link.outbound.moved(this.options.addressesOf(peerUrls));
    return link;
  }

  private tellMembers(connection: Connection): number {
    const told = this.options.toldCluster();
    connection.write([frameHead(frameKinds.members, 0, told.length), told]);
    connection.end();
    return 0;
  }

  private inboundLost(peer: number, connection: Connection): void {
    const link = this.links.get(peer);
    if (link?.inbound !== connection) return;
    link.inbound = undefined;
    if (link.guest || (link.parting !== undefined && !link.outbound.up)) {
      link.parting?.cancel();
      this.dropLink(peer, link);
      return;
    }
    // The other direction broke first, and frames on their way here made it look as if all were well: now none is left.
    if (!link.up && !this.closed) this.options.onLink(peer, 'down');
    this.reviewLink(peer);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.aliveTimer?.cancel();
    for (const link of this.links.values()) {
      link.parting?.cancel();
      link.outbound.close();
      link.inbound?.end();
    }
    for (const connection of this.strangers) connection.destroy();
    await Promise.all(this.listeners.map((listener) => listener.close()));
  }
}
