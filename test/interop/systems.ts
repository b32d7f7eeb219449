// What clients are tried on: one member of ours, three members of ours, and three of real etcd. All of them are
// processes with data on disk, so that a leader can be killed and run again.
import { TestCluster } from '../integration/cluster.ts';
import { EtcdCluster } from '../integration/etcd-cluster.ts';
import { peer } from '../peers.ts';

export interface System extends AsyncDisposable {
  readonly kind: 'conclave' | 'etcd';
  readonly size: number;
  /** `host:port` of each member's client side. */
  readonly endpoints: readonly string[];
  /** Ends the leader as a crash does. Resolves when another leads; a lone member is run again first. */
  killLeader(): Promise<void>;
  /** Runs again what was killed. Resolves when it answers. */
  revive(): Promise<void>;
}

export interface SystemKind {
  readonly name: string;
  /** Why it cannot be tried here. */
  readonly missing: string | undefined;
  /** What it does not have of what the suites ask. */
  readonly lacks: readonly Ability[];
  start(): Promise<System>;
}

/** What not every system that is tried has. */
export type Ability = 'move-leader' | 'auth' | 'membership';

const etcd = peer('etcd');

export const systemKinds: readonly SystemKind[] = [
  {
    name: 'one member',
    missing: undefined,
    lacks: ['move-leader'],
    start: () => startConclaves(1),
  },
  {
    name: 'three members',
    missing: undefined,
    lacks: [],
    start: () => startConclaves(3),
  },
  { name: 'etcd', missing: etcd.missing, lacks: [], start: () => startEtcds(etcd.path ?? '', 3) },
];

async function startConclaves(size: number): Promise<System> {
  const cluster = await TestCluster.start(size);
  const down: (typeof cluster.members)[number][] = [];
  const revive = async () => {
    for (const member of down.splice(0)) {
      cluster.run(member);
      await cluster.until(member, ({ leader }) => leader !== 0);
    }
  };
  return {
    kind: 'conclave',
    size,
    endpoints: cluster.members.map(({ clientUrl }) => new URL(clientUrl).host),
    async killLeader() {
      const leader = await cluster.leader();
      await cluster.end(leader, 'SIGKILL');
      down.push(leader);
      if (size === 1) await revive();
      await cluster.leader(size === 1 ? undefined : leader);
    },
    revive,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

async function startEtcds(path: string, size: number): Promise<System> {
  const cluster = await EtcdCluster.start(path, size);
  const down: (typeof cluster.members)[number][] = [];
  return {
    kind: 'etcd',
    size,
    endpoints: cluster.endpoints,
    async killLeader() {
      const leader = await cluster.leader();
      await cluster.kill(leader);
      down.push(leader);
      await cluster.leader();
    },
    async revive() {
      for (const member of down.splice(0)) {
        cluster.run(member);
        await cluster.answering(member);
      }
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}
