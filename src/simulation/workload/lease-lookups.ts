import { type Answer, describeOperation, type Operation } from './history.ts';
import { type CheckerParts, WorkloadChecker } from './workload-checker.ts';

/** What the log had made of a lease when it was asked for. */
interface Asked {
  readonly index: number;
  readonly timeMs: number;
  readonly there: boolean;
  /** It had been granted, and was over. */
  readonly over: boolean;
}

type Told = Answer & { type: 'timeToLive' };

/** The leases of the workload: none of them is bound to a connection, so their deadlines only rise. */
export class LeaseLookups extends WorkloadChecker {
  readonly name = 'lease-lookups';
  readonly claim =
    'Who asks for a lease is told of one that there is, with no more time left than the log gives it, and of none that is over.';
  readonly #asked = new Map<number, Asked>();

  constructor(parts: CheckerParts) {
    super(parts);
    parts.history.listen({
      invoked: (operation) => this.#invoked(operation),
      completed: (operation) => this.#completed(operation),
    });
  }

  #invoked({ id, call }: Operation): void {
    if (call.type !== 'timeToLive') return;
    const { model, index, effects } = this.replay;
    const there = model.leases.has(call.lease);
    const grant = effects.get(`grant ${call.lease}`);
    const over = !there && grant !== undefined && grant.answer.type !== 'failed';
    this.#asked.set(id, { index, timeMs: model.timeMs, there, over });
  }

  #completed(operation: Operation): void {
    const asked = this.#asked.get(operation.id);
    if (asked === undefined) return;
    this.#asked.delete(operation.id);
    const { answer } = operation;
    if (answer?.type !== 'timeToLive') return;
    const wrong = this.#wrong(operation, asked, answer);
    if (wrong !== undefined) this.violated(`${describeOperation(operation)} was told ${wrong}.`);
  }

  #wrong({ call }: Operation, asked: Asked, { remainingMs, grantedTtlMs, keys }: Told): string | undefined {
    if (call.type !== 'timeToLive') return undefined;
    const lease = this.replay.model.leases.get(call.lease);
    if (remainingMs === undefined) {
      return asked.there && lease !== undefined
        ? 'that there is none, and it was there all the while'
        : undefined;
    }
    if (asked.over) return `that it has ${remainingMs} ms left, but it was over before`;
    if (lease === undefined) return undefined;
    const mostMs = lease.deadlineMs - asked.timeMs;
    if (remainingMs > mostMs)
      return `that it has ${remainingMs} ms left, and the log gives it ${mostMs} at most`;
    // The API tells whole seconds, and one at least.
    const grantedMs = Math.max(1, Math.floor(lease.ttlMs / 1000)) * 1000;
    if (grantedTtlMs !== grantedMs) return `a TTL of ${grantedTtlMs} ms instead of ${grantedMs}`;
    if (this.replay.index !== asked.index) return undefined;
    const right = [...lease.keys].sort().join(', ');
    const told = [...keys].sort().join(', ');
    return told === right ? undefined : `that its keys are [${told}]; they are [${right}]`;
  }
}
