import { frameKinds } from '../../member/peers/frames.ts';
import { decodeRaftMessage } from '../../member/peers/raft-codec.ts';
import type { WireTap } from '../network/index.ts';
import type { MemberSight } from '../observation.ts';
import type { SimulatedCluster } from './cluster.ts';
import type { Hub } from './hub.ts';

/** Tells the hub of every Raft message as it leaves a member, decoded from the bytes on the wire: entries without data. */
export function wireTap(cluster: SimulatedCluster, hub: Hub): WireTap {
  const byHost = new Map<string, MemberSight>(cluster.members.map((member) => [member.name, member]));
  return (fromHost, toHost, frame) => {
    if (frame.kind !== frameKinds.raft) return;
    const from = byHost.get(fromHost);
    const to = byHost.get(toHost);
    if (from === undefined || to === undefined) return;
    try {
      const { group, data, payloadStart } = frame;
      hub.sent(from, to, decodeRaftMessage(group, data, { start: payloadStart, withData: false }));
    } catch (error) {
      hub.fail(error);
    }
  };
}
