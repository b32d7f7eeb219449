/** Where the command line meets the other layers: everything that it opens, and how. */
import { serveApi } from '../api/index.ts';
import { type ConclaveClient, connectClient } from '../client/index.ts';
import { type LeaseStore, observe } from '../election/index.ts';
import { VersionedFile } from '../fencing/index.ts';
import { type Logger, Member } from '../member/index.ts';
import { conclaveStore } from '../stores/conclave.ts';
import type { MemberStateResponse } from '../wire/index.ts';
import type { ServeOptions } from './serve/options.ts';

export interface RunningMember {
  readonly memberId: number;
  readonly clusterId: number;
  /** Resolves once a Raft leader is known, so that requests can be answered. */
  readonly ready: Promise<void>;
  /** Rejects when the member had to stop by itself. */
  readonly stopped: Promise<void>;
  /** Hands Raft leadership over, lets clients move, then stops. */
  stop(): Promise<void>;
}

/** Starts a member and its API. Nothing is left running when it throws. */
export async function startMember(options: ServeOptions, logger: Logger): Promise<RunningMember> {
  const { heartbeatIntervalMs, electionTimeoutMs } = options;
  const member = await Member.start({
    name: options.name,
    dataDir: options.dataDir,
    peerListenUrls: options.listenPeerEndpoints.map((endpoint) => endpoint.url),
    clientAdvertiseUrls: options.advertiseClientUrls,
    initialCluster: options.initialCluster,
    initialClusterToken: options.initialClusterToken,
    snapshotCount: options.snapshotCount,
    logger,
    ...(heartbeatIntervalMs !== undefined && { heartbeatIntervalMs }),
    ...(electionTimeoutMs !== undefined && { electionTimeoutMs }),
  });
  try {
    const server = await serveApi(member, { listen: options.listenClientEndpoints, logger });
    return {
      memberId: member.memberId,
      clusterId: member.clusterId,
      ready: leaderKnown(member),
      stopped: member.stopped,
      async stop() {
        await member.prepareToStop();
        await Promise.all([server.close(), member.stop()]);
      },
    };
  } catch (error) {
    await member.stop();
    throw error;
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

export function openClient(endpoints: readonly string[]): ConclaveClient {
  return connectClient({ endpoints, name: 'conclave-cli' });
}

/** The cluster as a store of elections. */
export function openStore(endpoints: readonly string[]): LeaseStore {
  return conclaveStore({ endpoints });
}

/** One member's state for as long as it can be reached there. */
export async function* followMember(
  endpoint: string,
  signal: AbortSignal,
): AsyncGenerator<MemberStateResponse, void, undefined> {
  await using client = openClient([endpoint]);
  yield* client.followMemberState(endpoint, { signal });
}

/** Who leads; holder undefined: nobody. The name is the metadata where there is one. */
export async function* watchElection(
  store: LeaseStore,
  election: string,
  signal: AbortSignal,
): AsyncGenerator<{ holder: string | undefined; token: number }, void, undefined> {
  for await (const leader of observe(store, election, { signal })) {
    yield { holder: leader?.metadata || leader?.holder, token: leader?.token ?? 0 };
  }
}

/** A text file whose versions are written one after the other, each with a token no lower than the last. */
export interface SharedFile {
  /** Version 0 and no content where nothing was written yet. */
  read(): Promise<{ version: number; token: number; content: string }>;
  /** @throws 'stale-token', 'version-conflict' */
  write(content: string, options: { token: number; version: number }): Promise<void>;
}

export function openSharedFile(path: string): SharedFile {
  const file = new VersionedFile(path);
  return {
    async read() {
      const current = await file.read();
      if (current === undefined) return { version: 0, token: 0, content: '' };
      return {
        version: current.version,
        token: current.token,
        content: Buffer.from(current.data).toString('utf8'),
      };
    },
    async write(content, { token, version }) {
      await file.write(Buffer.from(content, 'utf8'), { token, version });
    },
  };
}
