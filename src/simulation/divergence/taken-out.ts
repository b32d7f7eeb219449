import { decodeBatch } from '../../keyspace/index.ts';
import type { Entry } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { describeOperation, type History, type Operation } from '../workload/history.ts';

/**
 * What the log says of members that differ. That each is found is shown in the end, when all replicas must be equal:
 * one that differs is equal to none.
 */
export class TakenOut implements Checker {
  readonly name = 'taken-out';
  readonly claim =
    'Who is said to differ from the others does differ, and a member that knows this of itself gives no client an answer.';
  readonly #life: Pick<LifeSight, 'members' | 'nowUs'>;
  /** By the index of an entry that raises alarms: the members that they name. */
  readonly #accused = new Map<number, readonly number[]>();
  /** By member: since when its present process knows. */
  readonly #knownUs = new Map<number, number>();

  constructor(life: Pick<LifeSight, 'members' | 'nowUs'>, history: History) {
    this.#life = life;
    history.listen({ completed: (operation) => this.#completed(operation) });
  }

  committed(entry: Entry): void {
    if (entry.kind !== 'command' || entry.data.length === 0) return;
    const accused: number[] = [];
    for (const { command } of decodeBatch(entry.data).commands) {
      if (command.type !== 'alarm' || !command.raise) continue;
      if (command.kind === 'corrupt')
        violated(
          this,
          `entry ${entry.index} says that nobody can tell who differs, but as many as needed can`,
        );
      const id = Number(command.member);
      const member = this.#life.members.find(({ memberId }) => memberId === id);
      if (member?.diverged !== true)
        violated(this, `entry ${entry.index} says that ${member?.name ?? id} differs, and it does not`);
      accused.push(id);
    }
    if (accused.length > 0) this.#accused.set(entry.index, accused);
  }

  applied({ memberId }: MemberSight, { index }: Entry): void {
    if (this.#accused.get(index)?.includes(memberId)) this.#knownUs.set(memberId, this.#life.nowUs);
  }

  memberEnded({ memberId }: MemberSight): void {
    this.#knownUs.delete(memberId);
  }

  #completed(operation: Operation): void {
    const { outcome, answer, invokedUs } = operation;
    if (outcome !== 'ok' || answer?.by === undefined) return;
    const knownUs = this.#knownUs.get(answer.by);
    if (knownUs === undefined || invokedUs <= knownUs) return;
    const name = this.#life.members.find(({ memberId }) => memberId === answer.by)?.name;
    violated(
      this,
      `${describeOperation(operation)} was answered by ${name}, which had known since ${(knownUs / 1000).toFixed(3)} ms that it differs`,
    );
  }
}
