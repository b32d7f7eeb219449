import {
  type Command,
  decodeBatch,
  encodeBatch,
  type KeyspaceMachine,
  type SubmittedCommand,
} from '../../keyspace/index.ts';
import type { Fault } from '../faults/schedule.ts';
import type { Strike } from '../faults/targets.ts';
import type { SimulatedCluster } from '../life/cluster.ts';
import type { SimulatedMember } from '../life/simulated-member.ts';
import { bytesOf, textOf } from '../workload/model-values.ts';
import { eventKinds } from '../world/scheduler.ts';
import type { World } from '../world/world.ts';
import { firstKeptLease, keptLeaseLimit, keptPrefix, restingKey } from './kept.ts';

/** What must be well for it is looked at so often. */
const tryEveryUs = 100_000;

/** How often members came to differ, by how. */
export interface DivergenceCounts {
  values: number;
  leases: number;
  memory: number;
}

interface Parts {
  readonly world: World;
  readonly cluster: SimulatedCluster;
  /** Nothing is being changed about who is in the cluster, and somebody can take the place of one that is taken out. */
  readonly mayStrike: () => boolean;
}

/** What is private to the keyspace: the place in its memory where a key's value lies. */
interface Innards {
  readonly state: {
    readonly store: {
      find(key: Uint8Array): number;
      valueView(record: number): Uint8Array;
    };
  };
}

/** Lets the state of one member differ from what the log makes it. */
export class Divergence {
  readonly counts: DivergenceCounts = { values: 0, leases: 0, memory: 0 };
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** As soon as it may, until it is undone. `done`: a member differs. */
  strike(fault: Fault, whom: (fault: Fault) => SimulatedMember, done: () => void): Strike {
    const { scheduler } = this.#parts.world;
    let undo: Strike;
    let isOver = false;
    const attempt = (): void => {
      if (isOver) return;
      undo = this.#tried(fault, whom(fault), done);
      if (undo === undefined) scheduler.after(tryEveryUs, eventKinds.fault, undefined, attempt);
    };
    attempt();
    return () => {
      isOver = true;
      undo?.();
    };
  }

  #tried(fault: Fault, member: SimulatedMember, done: () => void): Strike {
    const { keyspace } = member;
    if (keyspace === undefined || !this.#isWell(member)) return undefined;
    switch (fault.how % 3) {
      case 0:
        return this.#flip(member, keyspace, () => {
          this.counts.memory += 1;
          done();
        });
      case 1:
        return this.#misapply(member, keyspace, wrongValue, () => {
          this.counts.values += 1;
          done();
        });
      default:
        return this.#misapply(member, keyspace, wrongLease, () => {
          this.counts.leases += 1;
          done();
        });
    }
  }

  /** A bit in memory: no hash of what was written there shows it. */
  #flip(member: SimulatedMember, keyspace: KeyspaceMachine, done: () => void): Strike {
    const { store } = (keyspace as unknown as Innards).state;
    const record = store.find(bytesOf(restingKey));
    const view = record < 0 ? undefined : store.valueView(record);
    if (view?.[0] === undefined) return undefined;
    view[0] ^= 1;
    done();
    this.#differs(member, 'a bit in its memory flips');
    return () => {};
  }

  /** The next command that can be is applied as another, as by an error in the code. */
  #misapply(
    member: SimulatedMember,
    keyspace: KeyspaceMachine,
    wrong: (command: Command) => Command | undefined,
    done: () => void,
  ): Strike {
    const own = keyspace as { apply?: KeyspaceMachine['apply'] };
    if (Object.hasOwn(own, 'apply')) return undefined;
    const rightly = keyspace.apply;
    const rightAgain = (): void => {
      delete own.apply;
    };
    own.apply = (index, batch, rangesWanted) => {
      const changed = batch.length === 0 || !this.#isWell(member) ? undefined : altered(batch, wrong);
      if (changed === undefined) return rightly.call(keyspace, index, batch, rangesWanted);
      rightAgain();
      done();
      this.#differs(member, `it applies entry ${index} otherwise than all others`);
      return rightly.call(keyspace, index, changed, rangesWanted);
    };
    return rightAgain;
  }

  /** Faults that came meanwhile may have left too few who could tell. */
  #isWell(member: SimulatedMember): boolean {
    return this.#parts.mayStrike() && this.#parts.cluster.mayLose(member);
  }

  #differs(member: SimulatedMember, how: string): void {
    member.diverged = true;
    this.#parts.world.note(member.name, () => `differs from the others: ${how}`);
  }
}

function altered(
  batch: Uint8Array,
  wrong: (command: Command) => Command | undefined,
): Uint8Array | undefined {
  const { timeMs, commands } = decodeBatch(batch);
  for (const [at, submitted] of commands.entries()) {
    const command = wrong(submitted.command);
    if (command === undefined) continue;
    const others: SubmittedCommand[] = [...commands];
    others[at] = { ...submitted, command };
    return encodeBatch({ timeMs, commands: others });
  }
  return undefined;
}

function wrongValue(command: Command): Command | undefined {
  if (command.type !== 'put' || !textOf(command.request.key).startsWith(keptPrefix)) return undefined;
  return { ...command, request: { ...command.request, value: bytesOf('not what was written') } };
}

function wrongLease(command: Command): Command | undefined {
  if (command.type !== 'leaseGrant') return undefined;
  if (command.lease < firstKeptLease || command.lease >= keptLeaseLimit) return undefined;
  return { ...command, ttlMs: command.ttlMs + 1000 };
}
