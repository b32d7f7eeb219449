import { openTls, serveApi } from '../../api/index.ts';
import { type Logger, Member } from '../../member/index.ts';
import { type Address, nodeRuntime } from '../../runtime/index.ts';
import { whyLeaderless } from './leaderless.ts';
import type { ServeOptions } from './options.ts';

export interface RunningMember {
  readonly memberId: number;
  readonly clusterId: number;
  /** Resolves once a Raft leader is known, so that requests can be answered. */
  readonly ready: Promise<void>;
  /** Why no Raft leader is known, where none is. */
  leaderless(): string | undefined;
  /** Rejects when the member had to stop by itself. */
  readonly stopped: Promise<void>;
  /** Hands Raft leadership over, lets clients move, then stops. */
  stop(): Promise<void>;
}

/** Starts a member and its API. Nothing is left running when it throws. `signal` gives it up on its way. */
export async function startMember(
  options: ServeOptions,
  logger: Logger,
  signal: AbortSignal,
): Promise<RunningMember> {
  const { heartbeatIntervalMs, electionTimeoutMs, storage } = options;
  const tls = await openTls({ clients: options.clientTls, peers: options.peerTls }, logger);
  const { runtime } = tls;
  const { listenPeerEndpoints, listenClientEndpoints, listenMetricsEndpoints } = options;
  await requireFree([...listenPeerEndpoints, ...listenClientEndpoints, ...listenMetricsEndpoints]);
  const member = await Member.start({
    name: options.name,
    dataDir: options.dataDir,
    peerListenUrls: options.listenPeerEndpoints.map((endpoint) => endpoint.url),
    clientAdvertiseUrls: options.advertiseClientUrls,
    initialCluster: options.initialCluster,
    initialClusterToken: options.initialClusterToken,
    initialClusterState: options.initialClusterState,
    snapshotCount: options.snapshotCount,
    quotaBytes: storage.quotaBytes,
    corruptCheckMs: options.corruption.everyMs,
    initialCorruptCheck: options.corruption.atStart,
    logger,
    runtime,
    signal,
    ...(heartbeatIntervalMs !== undefined && { heartbeatIntervalMs }),
    ...(electionTimeoutMs !== undefined && { electionTimeoutMs }),
    ...(storage.autoCompaction !== undefined && { autoCompaction: storage.autoCompaction }),
  });
  try {
    const server = await serveApi(member, {
      listen: options.listenClientEndpoints,
      logger,
      runtime,
      corsOrigins: options.corsOrigins,
      ...options.connections,
      metricsListen: options.listenMetricsEndpoints,
      certificates: tls.certificates,
      ...(tls.clients && { tls: tls.clients }),
      limits: { transactionOperations: storage.maxTxnOperations, requestBytes: storage.maxRequestBytes },
      auth: options.auth,
      watchProgressIntervalMs: storage.watchProgressIntervalMs,
    });
    return {
      memberId: member.memberId,
      clusterId: member.clusterId,
      ready: leaderKnown(member),
      leaderless: () => whyLeaderless(member.status()),
      stopped: member.stopped,
      async stop() {
        await member.prepareToStop();
        // Calls under way still get their answers, by way of the new leader.
        await server.close();
        await member.stop();
        tls[Symbol.dispose]();
      },
    };
  } catch (error) {
    await member.stop();
    throw error;
  }
}

/**
 * Before anything else: joining a cluster, or reading a large data folder, may take long, and the others would count a
 * member that cannot serve. @throws ConclaveError 'address-in-use', 'invalid-argument'
 */
async function requireFree(addresses: readonly Address[]): Promise<void> {
  const { network } = nodeRuntime();
  for (const { host, port } of addresses) {
    const listener = await network.listen({ host, port }, (connection) => connection.destroy());
    await listener.close();
  }
}

function leaderKnown(member: Member): Promise<void> {
  if (member.status().raft.leader !== 0) return Promise.resolve();
  return new Promise((resolve) => {
    const stopListening = member.onChange((status) => {
      if (status.raft.leader === 0) return;
      stopListening();
      resolve();
    });
  });
}
