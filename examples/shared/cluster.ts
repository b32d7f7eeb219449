/**
 * What the demonstrations elect through: the cluster that CONCLAVE_ENDPOINTS names or, without it, three members of
 * their own. Those run in threads of this process, on loopback, with their data in a temporary folder. In production
 * they are three machines with `conclave serve`, or one in each instance of the app (README.md, "Stores").
 */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedMember } from 'conclave/embedded';

export interface Cluster {
  /** As `conclaveStore` and CONCLAVE_ENDPOINTS take them: addresses, separated by commas. */
  readonly endpoints: string;
  stop(): Promise<void>;
}

export async function openCluster(): Promise<Cluster> {
  const existing = process.env.CONCLAVE_ENDPOINTS;
  if (existing !== undefined) return { endpoints: existing, stop: async () => {} };
  const folder = await mkdtemp(join(tmpdir(), 'conclave-example-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startMembers(join(folder, `${attempt}`));
    } catch (error) {
      // Somebody else may have taken a port meanwhile.
      if (attempt === 3) throw error;
    }
  }
}

async function startMembers(folder: string): Promise<Cluster> {
  const ports = await freePorts(6);
  const parts = ['m1', 'm2', 'm3'].map((name, position) => ({
    name,
    peerUrls: [`http://127.0.0.1:${ports[position]}`],
    clients: { host: '127.0.0.1', port: ports[position + 3] ?? 0 },
  }));
  const starting = await Promise.allSettled(
    parts.map(({ name, peerUrls, clients }) =>
      startEmbeddedMember({
        name,
        dataDir: join(folder, name),
        peerListenUrls: peerUrls,
        listenClients: [clients],
        clientAdvertiseUrls: [`http://127.0.0.1:${clients.port}`],
        initialCluster: parts,
      }),
    ),
  );
  const members = starting.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const stop = async () => void (await Promise.all(members.map((member) => member.stop())));
  const failed = starting.find((one) => one.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return { endpoints: parts.map(({ clients }) => `http://127.0.0.1:${clients.port}`).join(','), stop };
}

/** Ports on which nothing listens now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
