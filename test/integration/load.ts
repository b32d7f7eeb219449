import { setTimeout as sleep } from 'node:timers/promises';
import { type ConclaveClient, connectClient } from '../../src/client/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import { describeOperation, History, type Operation } from '../../src/simulation/workload/history.ts';
import { searchOrder } from '../../src/simulation/workload/linearizability.ts';
import { OperationSource, SharedNumbers } from '../../src/simulation/workload/operation-source.ts';
import { perform } from '../../src/simulation/workload/perform.ts';
import { usualRates, type WorkloadRates } from '../../src/simulation/workload/rates.ts';
import { registersOf } from '../../src/simulation/workload/registers.ts';
import { Draw } from '../../src/simulation/world/random.ts';
import type { ClusterMember, TestCluster } from './cluster.ts';

/** The simulator's own operations, history and checker, on real members and over real gRPC. */

const none = { grant: 0, renew: 0, revoke: 0, timeToLive: 0, compact: 0 };
/** Keys and values alone: what leases do depends on time, which nobody outside sees. */
const rates: WorkloadRates = {
  ...usualRates,
  hotKeys: 24,
  weights: { ...usualRates.weights, get: 30, range: 4, put: 30, ...none },
  ...{ serializable: 0, shaped: 0, leased: 0 },
};

/** Clients that ask for one thing after the other as fast as they are answered. */
export class Load implements AsyncDisposable {
  readonly history: History;
  readonly #clients: readonly ConclaveClient[];
  readonly #loops: Promise<void>[];
  #stopped = false;

  constructor(cluster: TestCluster, seed: number, clients: number) {
    this.history = new History(() => Math.round(performance.now() * 1000));
    const shared = new SharedNumbers();
    const draw = new Draw(seed);
    const endpoints = cluster.members.map(({ clientUrl }) => clientUrl);
    const names = Array.from({ length: clients }, (_, at) => `client-${at + 1}`);
    // Each begins with another member.
    this.#clients = names.map((_, at) =>
      connectClient({ endpoints: [...endpoints.slice(at % 3), ...endpoints.slice(0, at % 3)] }),
    );
    this.#loops = this.#clients.map((client, at) => {
      const name = names[at] as string;
      const source = new OperationSource(name, rates, draw.fork(name), shared);
      return this.#work(name, client, source, draw.fork(`${name} times`));
    });
  }

  /** Resolves when all that was asked has an outcome. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
  }

  async #work(name: string, client: ConclaveClient, source: OperationSource, draw: Draw): Promise<void> {
    while (!this.#stopped) {
      const call = source.next();
      const operation = this.history.invoke(name, call);
      try {
        const answer = await perform(client, call, { timeoutMs: draw.between(500, 3000) });
        source.learn(call, answer);
        this.history.succeeded(operation, answer);
      } catch (error) {
        if (!ConclaveError.is(error)) throw error;
        source.failed(call, error.code);
        this.history.failed(operation, error.outcome, error.code);
        // Where nobody listens at all, failing is too quick a thing.
        await sleep(draw.between(1, 50));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Promise.all(this.#clients.map((client) => client[Symbol.asyncDispose]()));
  }
}

const faults = ['kill', 'kill-leader', 'kill-leader', 'stop', 'stop-leader', 'kill-two', 'kill-all'] as const;

/** Kills, stops and starts members, one fault after the other, until the time is over. Gives what was done. */
export async function disturb(
  cluster: TestCluster,
  seed: number,
  seconds: number,
): Promise<{ fault: (typeof faults)[number]; members: readonly string[] }[]> {
  const draw = new Draw(seed).fork('faults');
  const done: { fault: (typeof faults)[number]; members: readonly string[] }[] = [];
  const endMs = performance.now() + seconds * 1000;
  // In rounds, so that each of them has its turn.
  let left: (typeof faults)[number][] = [];
  while (performance.now() < endMs) {
    if (left.length === 0) left = draw.shuffled(faults);
    const fault = left.pop() ?? 'kill';
    const leader = await cluster.leader();
    await sleep(draw.between(100, 800));
    const members = victims(fault, leader, draw.shuffled(cluster.members));
    done.push({ fault, members: members.map(({ name }) => name) });
    if (fault.startsWith('stop')) {
      for (const member of members) cluster.pause(member);
      await sleep(draw.between(200, 1800));
      for (const member of members) cluster.resume(member);
    } else {
      await Promise.all(members.map((member) => cluster.end(member, 'SIGKILL')));
      await sleep(draw.between(0, 700));
      for (const member of members) cluster.run(member);
    }
  }
  await cluster.leader();
  return done;
}

function victims(
  fault: (typeof faults)[number],
  leader: ClusterMember,
  members: readonly ClusterMember[],
): readonly ClusterMember[] {
  if (fault.endsWith('leader')) return [leader];
  return members.slice(0, fault === 'kill-all' ? 3 : fault === 'kill-two' ? 2 : 1);
}

/** What is wrong with a history: keys without an order that explains all answers, and revisions that go back. */
export function violations(operations: readonly Operation[]): string[] {
  const found = revisionsBack(operations);
  for (const { key, operations: ofKey, sources } of registersOf(operations)) {
    const { verdict, stuckAt } = searchOrder(ofKey, { maxSteps: 20_000_000 });
    if (verdict === 'linearizable') continue;
    const stuck = stuckAt.map((at) => describeOperation(sources[at] as Operation));
    found.push(`${key} is ${verdict}: no way past ${stuck.join('; ')}`);
  }
  return found;
}

/** Over all keys: what is asked after an answer came is answered at that revision or a later one. */
function revisionsBack(operations: readonly Operation[]): string[] {
  const answered = operations.filter(({ outcome }) => outcome === 'ok');
  const byCompletion = answered.toSorted((a, b) => a.completedUs - b.completedUs);
  const found: string[] = [];
  let [highest, at] = [0, 0];
  for (const operation of answered.toSorted((a, b) => a.invokedUs - b.invokedUs)) {
    for (; (byCompletion[at]?.completedUs ?? Number.POSITIVE_INFINITY) < operation.invokedUs; at++) {
      highest = Math.max(highest, byCompletion[at]?.answer?.revision ?? 0);
    }
    const revision = operation.answer?.revision ?? 0;
    if (revision < highest) found.push(`operation ${operation.id} at ${revision}, after ${highest} was seen`);
  }
  return found;
}
