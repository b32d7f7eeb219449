import type { Address, Runtime } from '../../runtime/index.ts';
import type { Logger } from '../logger.ts';
import type { Frame, Greeting, Refusal, SaidOfItself } from './frames.ts';

export interface PeerAddress {
  readonly memberId: number;
  readonly addresses: readonly Address[];
}

export interface PeerTransportOptions {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly clusterId: number;
  readonly memberId: number;
  readonly listen: readonly Address[];
  readonly peers: readonly PeerAddress[];
  /** Whether the peer that greets is let in; undefined: it is, also where it is none of `peers`. */
  readonly admit: (greeting: Greeting) => Refusal | undefined;
  /** What this member says of itself when it greets. */
  readonly greeting: () => SaidOfItself;
  readonly onRefusal: (refusal: Refusal) => void;
  /** Of those whose greeting says where they are, and who are none of `peers`. */
  readonly addressesOf: (peerUrls: readonly string[]) => readonly Address[];
  /** For whoever asks instead of greeting. */
  readonly toldCluster: () => Uint8Array;
  /** Sent to each peer after the greeting. */
  readonly announcement: Uint8Array;
  /** Must not throw; the payload is a view into the received chunk. */
  readonly onFrame: (peer: number, frame: Frame) => void;
  /**
   * `up`: both connections of the pair stand. `down`: one of them broke after that, which is the hint that a
   * process died (its sockets close at once), and no more than a hint.
   */
  readonly onLink: (peer: number, state: 'up' | 'down') => void;
}

/** Why who greets has come to the wrong place; undefined: it has not. */
export function mistakeOf(
  greeting: Greeting,
  { clusterId, memberId }: Pick<PeerTransportOptions, 'clusterId' | 'memberId'>,
): string | undefined {
  if (greeting.clusterId !== clusterId)
    return `This member belongs to cluster ${clusterId.toString(16)}, not to ${greeting.clusterId.toString(16)}: check --initial-cluster and --initial-cluster-token.`;
  if (greeting.to !== memberId)
    return `This is member ${memberId.toString(16)}, not ${greeting.to.toString(16)}: check the peer URLs in --initial-cluster.`;
  if (greeting.from === memberId)
    return `This is member ${memberId.toString(16)}, too: the same one must not run twice.`;
  if (greeting.version < 1) return `Peer protocol version ${greeting.version} is not supported.`;
  return undefined;
}
