import type { MembershipAnswer } from '../raft/index.ts';

/** Those who wait for the outcome of a change of the membership that they gave to the core. */
export class ChangeWaiters {
  private readonly waiting = new Map<number, (answer: MembershipAnswer) => void>();
  private lastId = 0;
  private over = false;

  /** `begin` hands the change with this id to the core. */
  ask(begin: (changeId: number) => void): Promise<MembershipAnswer> {
    this.lastId += 1;
    const changeId = this.lastId;
    if (this.over) return Promise.resolve({ changeId, ok: false, reason: 'not-leader' });
    return new Promise((resolve) => {
      this.waiting.set(changeId, resolve);
      begin(changeId);
    });
  }

  settle(answer: MembershipAnswer): void {
    const resolve = this.waiting.get(answer.changeId);
    this.waiting.delete(answer.changeId);
    resolve?.(answer);
  }

  /** The member stops. */
  abandon(): void {
    this.over = true;
    for (const changeId of [...this.waiting.keys()])
      this.settle({ changeId, ok: false, reason: 'leader-changed' });
  }
}
