import { connectClient } from '../../client/index.ts';
import { simulatedTransport } from '../calls/index.ts';
import type { Keeper } from '../divergence/index.ts';
import { CandidateWorkload } from '../elections/index.ts';
import type { Operator } from '../membership/index.ts';
import { violated } from '../observation.ts';
import type { SharingWorkload } from '../sharing/index.ts';
import { type Administrator, rootTransport } from '../users/index.ts';
import type { ClientWorkload, History } from '../workload/index.ts';
import type { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';
import type { SimulatedCluster } from './cluster.ts';

export interface ProgressParts {
  readonly world: World;
  readonly cluster: SimulatedCluster;
  /** Gives a new process its disk and network. */
  readonly equip: (process: Process) => void;
  readonly clients: ClientWorkload;
  readonly history: History;
  readonly candidates: CandidateWorkload;
  readonly sharers: SharingWorkload;
  /** Where members join and leave. */
  readonly operator: Operator | undefined;
  /** Where members come to differ. */
  readonly keeper: Keeper | undefined;
  /** Where members ask who calls. */
  readonly administrator: Administrator | undefined;
}

/**
 * Members give up a connection that is silent after 3 s, and those that hang are restarted. Of 290 lives the slowest took
 * 3.1 s; where a new leader's peers wait for TCP's own probes, this is not met.
 */
const leaderWithinMs = 8000;
/** Of candidates and what is shared, on top: their clients may find out by those probes that a host lost its power. */
const probedWithinMs = 15_000;
/** On top, where members join and leave: what is lost is removed, and what was removed stops. */
const changedWithinMs = 15_000;
const writeWithinMs = 5000;
/** Of one who has only one endpoint to ask, and a connection to it that TCP holds on to. */
const rightsWithinMs = 20_000;
const operationsEndWithinMs = 8000;
/** Asked when all elections are complete, seconds after healing: of the same lives none took more than a few ms. */
const equalWithinMs = 3000;
/** On top, where members may differ until they are compared, and are taken out and removed. */
const takenOutWithinMs = 20_000;
/** Connections on which nothing is sent are probed by TCP each 10 s. */
const watchedWithinMs = 12_000;
const quietMs = 1500;
/** On top, where clients know of hosts that have no member: a watch goes from one to the next, ever more slowly. */
const elsewhereMs = 4500;

const progress = {
  name: 'progress',
  claim:
    'When all faults are healed there is a leader, fresh writes are acknowledged, every election completes and all replicas are equal, in bounded time.',
};

/** What must come back when everything is healed, demanded one after the other. */
export class Progress {
  readonly #parts: ProgressParts;

  constructor(parts: ProgressParts) {
    this.#parts = parts;
  }

  /** Rejects with a `Violation` when something does not come back. */
  async demand(): Promise<void> {
    const { cluster, clients, candidates, sharers, operator, keeper, administrator, world } = this.#parts;
    operator?.heal();
    administrator?.heal();
    for (const member of cluster.present) member.start();
    for (let at = 0; at < clients.size; at++) clients.restart(at);
    candidates.heal();
    sharers.heal();
    const healedUs = world.nowUs;
    const lead = 'all members to run and to follow one leader';
    if (operator === undefined) await this.#until(leaderWithinMs, () => this.#led(), lead);
    else {
      const changed = (): boolean => operator.settled && this.#led();
      await this.#until(
        leaderWithinMs + changedWithinMs,
        changed,
        `${lead}, those that were removed to stop`,
      );
    }
    await this.#write();
    candidates.written();
    if (administrator !== undefined)
      await this.#until(rightsWithinMs, () => administrator.done, 'all users to be given back their rights');
    const limitUs =
      (operator === undefined ? healedUs : world.nowUs) + (probedWithinMs + CandidateWorkload.limitMs) * 1000;
    await world.scheduler.run(limitUs, () => {
      // Both are asked: who is done ends when it is asked.
      const [one, other] = [candidates.finished, sharers.finished];
      return one && other;
    });
    clients.stop();
    await this.#until(
      operationsEndWithinMs,
      () => clients.pending === 0,
      'every operation to come to an end',
    );
    keeper?.stop();
    const withinMs = equalWithinMs + (keeper === undefined ? 0 : takenOutWithinMs);
    await this.#until(withinMs, () => this.#equal(), 'all replicas to be equal');
    // Who only watches finds out by its system's probes that a host on the other end lost its power.
    await this.#until(
      watchedWithinMs,
      () => this.#parts.history.watchesBehind() === 0,
      'all watches to get all',
    );
    // What is known to the members is on its way to whoever watches.
    const laterMs = quietMs + (operator === undefined ? 0 : elsewhereMs);
    await world.scheduler.run(world.nowUs + laterMs * 1000);
  }

  async #until(withinMs: number, met: () => boolean, what: string): Promise<void> {
    const { world } = this.#parts;
    await world.scheduler.run(world.nowUs + withinMs * 1000, met);
    if (met()) return;
    violated(progress, `Waited for ${withinMs} ms in vain for ${what}: ${this.#describe()}.`);
  }

  #led(): boolean {
    const members = this.#parts.cluster.lasting;
    const first = members[0]?.raft?.status().leader ?? 0;
    if (first === 0) return false;
    return members.every((member) => member.running && member.raft?.status().leader === first);
  }

  /** A client that comes fresh. */
  async #write(): Promise<void> {
    const { world, equip, cluster, administrator } = this.#parts;
    const process: Process = world.startProcess('fresh', world.addHost('fresh'));
    equip(process);
    const { runtime } = process;
    const { endpoints } = cluster;
    const plain = simulatedTransport(runtime);
    const client = connectClient({
      endpoints,
      runtime,
      name: 'fresh',
      transport: administrator === undefined ? plain : rootTransport(plain),
    });
    let outcome = '';
    client.put('fresh', 'write', { timeoutMs: writeWithinMs }).then(
      () => {
        outcome = 'acknowledged';
      },
      (error: unknown) => {
        outcome = String(error);
      },
    );
    await this.#until(writeWithinMs + 1000, () => outcome !== '', 'a fresh write to end');
    if (outcome !== 'acknowledged')
      violated(progress, `A fresh write failed: ${outcome}; ${this.#describe()}.`);
    let closed = false;
    client.close().then(() => {
      closed = true;
    });
    await this.#until(1000, () => closed, 'the fresh client to close');
    process.die();
  }

  #equal(): boolean {
    const members = this.#parts.cluster.lasting;
    const first = members[0];
    return members.every(
      ({ running, keyspace, durable }) =>
        running &&
        keyspace?.appliedIndex === first?.keyspace?.appliedIndex &&
        durable.lastIndex === first?.durable.lastIndex &&
        keyspace?.stateHash() === first?.keyspace?.stateHash(),
    );
  }

  #describe(): string {
    const { cluster, operator } = this.#parts;
    const members = cluster.members.map(({ name, running, raft, keyspace, alive, gone }) => {
      if (gone) return `${name} is gone`;
      if (!running || raft === undefined) return `${name} ${alive ? 'starts' : 'is down'}`;
      const { role, term, commitIndex, lastIndex } = raft.status();
      const applied = keyspace?.appliedIndex ?? 0;
      return `${name} ${role} of term ${term}, commit ${commitIndex}, applied ${applied}, last ${lastIndex}`;
    });
    return [...members, ...(operator === undefined ? [] : [operator.describe()])].join('; ');
  }
}
