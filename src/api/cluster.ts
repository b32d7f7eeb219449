import type { services } from '../wire/index.ts';
import type { ApiServices } from './service.ts';
import type { HandlerOf } from './types.ts';

type Cluster = typeof services.Cluster;

export function clusterService(api: ApiServices): { memberList: HandlerOf<Cluster['memberList']> } {
  const { member, headers } = api;
  return {
    async memberList(request, context) {
      if (request.linearizable) await member.readBarrier({ signal: context.signal });
      const members = [...member.status().members].sort((a, b) => a.memberId - b.memberId);
      return {
        // etcd's has no revision here.
        header: headers.header(0),
        members: members.map((one) => ({
          ID: BigInt(one.memberId),
          name: one.name,
          peerURLs: [...one.peerUrls],
          clientURLs: [...one.clientUrls],
          isLearner: false,
        })),
      };
    },
  };
}
