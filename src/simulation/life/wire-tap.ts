import { frameKinds } from '../../member/peers/frames.ts';
import { decodeRaftMessage } from '../../member/peers/raft-codec.ts';
import type { SimulatedNetwork, WaitTap, WireTap } from '../network/index.ts';
import type { MemberSight } from '../observation.ts';
import type { SimulatedCluster } from './cluster.ts';
import type { Hub } from './hub.ts';

/** Keeps the most that ever waited on a connection. */
function waitTap({ backlog }: Hub): WaitTap {
  return (from, bytes, betweenPeers) => {
    const most = betweenPeers ? backlog.peer : backlog.client;
    if (bytes > most.bytes) Object.assign(most, { bytes, from });
  };
}

/** What the network of a life tells its hub. */
export function taps(cluster: SimulatedCluster, hub: Hub): Pick<SimulatedNetwork, 'onFrame' | 'onWaiting'> {
  return { onFrame: wireTap(cluster, hub), onWaiting: waitTap(hub) };
}

/** Tells the hub of every Raft message as it leaves a member, decoded from the bytes on the wire: entries without data. */
function wireTap(cluster: SimulatedCluster, hub: Hub): WireTap {
  const byHost = new Map<string, MemberSight>(cluster.members.map((member) => [member.name, member]));
  const joined = (host: string): MemberSight | undefined => {
    const member = cluster.on(host);
    if (member !== undefined) byHost.set(host, member);
    return member;
  };
  return (fromHost, toHost, frame) => {
    if (frame.kind !== frameKinds.raft) return;
    const from = byHost.get(fromHost) ?? joined(fromHost);
    const to = byHost.get(toHost) ?? joined(toHost);
    if (from === undefined || to === undefined) return;
    try {
      const { group, data, payloadStart } = frame;
      hub.sent(from, to, decodeRaftMessage(group, data, { start: payloadStart, withData: false }));
    } catch (error) {
      hub.fail(error);
    }
  };
}
