import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveApi } from '../../src/api/index.ts';
import { Member } from '../../src/member/index.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';

export interface OneMember extends AsyncDisposable {
  readonly member: Member;
  readonly port: number;
  readonly endpoints: string;
  /** For what belongs to it: gone when it is. */
  readonly folder: string;
}

/** A cluster of one member in this process, on disk, served over gRPC. */
export async function serveOneMember(): Promise<OneMember> {
  const runtime = nodeRuntime();
  const folder = await mkdtemp(join(tmpdir(), 'conclave-one-'));
  const member = await Member.start({
    name: 'one',
    dataDir: join(folder, 'data'),
    peerListenUrls: ['http://127.0.0.1:0'],
    clientAdvertiseUrls: [],
    initialCluster: [{ name: 'one', peerUrls: ['http://127.0.0.1:1'] }],
    runtime,
  });
  // Who asks before waits for the election, and may not have the time for it.
  while (member.status().raft.leader === 0) await sleep(10);
  const server = await serveApi(member, {
    runtime,
    listen: { host: '127.0.0.1', port: 0 },
    closeGraceMs: 10,
  });
  const { port } = server.address;
  return {
    ...{ member, folder, port, endpoints: `127.0.0.1:${port}` },
    async [Symbol.asyncDispose]() {
      await server.close();
      await member.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
