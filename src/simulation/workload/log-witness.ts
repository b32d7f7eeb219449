import type { CommandResult } from '../../keyspace/index.ts';
import type { Entry } from '../../raft/index.ts';
import type { MemberSight } from '../observation.ts';
import { type Answer, describeOperation, type Operation, type Pair, type StepAnswer } from './history.ts';
import { shaped } from './model-values.ts';
import type { Effect } from './replay.ts';
import { type CheckerParts, WorkloadChecker } from './workload-checker.ts';

/** Refusals that the replicated state itself gave: a command of this kind stands in the log, and failed there. */
const refusedByLog: ReadonlySet<string> = new Set(['lease-lost', 'already-exists', 'out-of-range']);

/**
 * The committed log is one order of all mutations. That every answer is what a simple model of the keyspace gives at
 * its place there, that this place lies between invocation and answer, and that reads show the state of some
 * revision (checker 15: a recent one), is linearizability of everything, transactions over several keys included.
 */
export class LogWitness extends WorkloadChecker {
  readonly name = 'log-witness';
  readonly claim =
    'Every answer is what the committed log says at its place; what is acknowledged is in it, what is refused never is.';
  readonly #refused = new Map<string, Operation>();
  /** Of reads of the past that ask for recency: what was compacted when they were asked. */
  readonly #compacted = new Map<number, number>();

  constructor(parts: CheckerParts) {
    super(parts);
    parts.history.listen({
      invoked: (operation) => this.#invoked(operation),
      completed: (operation) => this.#completed(operation),
    });
    parts.replay.onEffect.push((effect) => {
      const operation = this.#refused.get(effect.tag);
      if (operation !== undefined) this.#appliedAfterAll(operation, effect);
    });
  }

  applied(member: MemberSight, entry: Entry, results: readonly CommandResult[]): void {
    this.replay.committed(entry);
    const last = results.at(-1);
    // A repeated command's result has the revision of its first application.
    if (this.replay.index !== entry.index || last === undefined) return;
    const revision = member.keyspace?.revision;
    if (revision === undefined || revision === this.replay.revision) return;
    this.violated(
      `${member.name} is at revision ${revision} after entry ${entry.index}; by the log it is ${this.replay.revision}.`,
    );
  }

  /** What listeners to the history found, in the middle of a client's own work. */
  settled(): void {
    if (this.history.failure !== undefined) throw this.history.failure;
  }

  ended(): void {
    this.settled();
    this.history.sharedEntries = this.replay.sharedEntries;
    for (const operation of this.history.operations) {
      if (operation.outcome !== 'ok' || operation.tag === undefined) continue;
      const effect = this.replay.effects.get(operation.tag);
      if (effect === undefined || effect.answer.type === 'failed') this.#lost(operation);
    }
  }

  #invoked({ id, call }: Operation): void {
    if (call.type !== 'range' || call.serializable || call.shape === undefined) return;
    if (call.shape.revision > 0) this.#compacted.set(id, this.replay.model.compactRevision);
  }

  #completed(operation: Operation): void {
    const { outcome, tag, answer, code } = operation;
    if (code?.startsWith('internal')) this.violated(`${describeOperation(operation)} met a bug.`);
    if (code === 'out-of-range' && !this.#checkRefusedRead(operation)) {
      this.violated(`${describeOperation(operation)} was refused, though that was not compacted.`);
    }
    if (outcome === 'not-applied' && tag !== undefined) this.#checkRefusal(operation, tag);
    else if (outcome === 'ok' && answer !== undefined) {
      if (tag !== undefined) this.#checkMutation(operation, tag, answer);
      else if (answer.type === 'range') this.#checkRead(operation, answer);
      else if (answer.type === 'renew') this.#checkRenewal(operation, answer.ttlMs);
    }
  }

  #checkRefusal(operation: Operation, tag: string): void {
    const effect = this.replay.effects.get(tag);
    if (effect !== undefined && effect.answer.type !== 'failed') this.#appliedAfterAll(operation, effect);
    if (effect === undefined && refusedByLog.has(operation.code ?? '')) {
      this.violated(
        `${describeOperation(operation)} was refused by the state, but never reached it: not in the log.`,
      );
    }
    this.#refused.set(tag, operation);
  }

  #checkMutation(operation: Operation, tag: string, answer: Answer): void {
    const effect = this.replay.effects.get(tag);
    if (effect === undefined || effect.answer.type === 'failed') this.#lost(operation);
    if (effect.committedUs < operation.invokedUs) {
      this.violated(
        `${describeOperation(operation)} was committed before it was asked for, at ${effect.index}.`,
      );
    }
    const told = difference(answer, effect);
    if (told !== undefined) {
      this.violated(
        `${describeOperation(operation)}, entry ${effect.index} of the log, was told wrong: ${told}.`,
      );
    }
  }

  #checkRead(operation: Operation, answer: Answer & { type: 'range' }): void {
    const { call } = operation;
    if (call.type !== 'range') return;
    if (answer.revision > this.replay.revision) {
      const message = `${describeOperation(operation)} shows revision ${answer.revision}`;
      this.violated(`${message}, and nothing above ${this.replay.revision} is committed.`);
    }
    const revision = call.shape?.revision || answer.revision;
    if (revision > answer.revision) {
      this.violated(`${describeOperation(operation)} was answered where the revision is ${answer.revision}.`);
    }
    if (revision < (this.#compacted.get(operation.id) ?? 0)) {
      this.violated(`${describeOperation(operation)} was answered, though that was compacted before.`);
    }
    const told = stepDifference(
      answer,
      shaped(this.replay.model.rangeAt(call.key, call.end, revision), call.shape),
    );
    if (told === undefined) return;
    this.violated(
      `${describeOperation(operation)} does not show revision ${revision} as the log made it: ${told}.`,
    );
  }

  /** What is asked for of the past was there when it was asked, so that only a compaction explains this. */
  #checkRefusedRead({ call }: Operation): boolean {
    if (call.type !== 'range' || call.serializable) return true;
    return (call.shape?.revision ?? 0) < this.replay.model.compactRevision;
  }

  #checkRenewal(operation: Operation, ttlMs: number): void {
    if (operation.call.type !== 'renew') return;
    const { lease } = operation.call;
    const renewals = this.replay.renewals.get(lease) ?? [];
    for (let at = renewals.length - 1; at >= 0; at--) {
      const renewal = renewals[at];
      if (renewal === undefined || renewal.committedUs < operation.invokedUs) break;
      if (renewal.ttlMs === ttlMs) return;
    }
    this.violated(
      `${describeOperation(operation)} was told ${ttlMs} ms, which no renewal since in the log gives.`,
    );
  }

  #appliedAfterAll(operation: Operation, effect: Effect): never {
    this.violated(
      `${describeOperation(operation)} was reported as not applied, but entry ${effect.index} of the log applies it.`,
    );
  }

  #lost(operation: Operation): never {
    this.violated(`${describeOperation(operation)} was acknowledged, but the log does not have it.`);
  }
}

/** What differs between an answer and the log's own, in words. */
function difference(answer: Answer, { answer: model, revision }: Effect): string | undefined {
  if (answer.revision !== 0 && answer.revision !== revision) {
    return `revision ${answer.revision} instead of ${revision}`;
  }
  if (answer.type === 'revoke' || answer.type === 'compact' || answer.type === 'renew') return undefined;
  if (answer.type === 'grant') {
    return model.type === 'grant'
      ? different('TTL', answer.ttlMs, model.ttlMs)
      : `a grant, not ${model.type}`;
  }
  if (model.type !== answer.type) return `${answer.type} instead of ${model.type}`;
  return stepDifference(answer as StepAnswer, model as StepAnswer);
}

function stepDifference(told: StepAnswer, right: StepAnswer): string | undefined {
  if (told.type === 'put' && right.type === 'put') return pairDifference(told.previous, right.previous);
  if (told.type === 'range' && right.type === 'range') {
    const counted = different('count', told.count, right.count) ?? listDifference(told.pairs, right.pairs);
    return counted ?? (told.more === right.more ? undefined : `more: ${told.more}`);
  }
  if (told.type === 'delete' && right.type === 'delete') {
    return different('deleted', told.deleted, right.deleted) ?? listDifference(told.previous, right.previous);
  }
  if (told.type !== 'txn' || right.type !== 'txn') return `${told.type} instead of ${right.type}`;
  if (told.succeeded !== right.succeeded) return `succeeded: ${told.succeeded}`;
  const number = different('number of answers', told.responses.length, right.responses.length);
  if (number !== undefined) return number;
  for (let at = 0; at < told.responses.length; at++) {
    const inner = stepDifference(told.responses[at] as StepAnswer, right.responses[at] as StepAnswer);
    if (inner !== undefined) return `answer ${at}: ${inner}`;
  }
  return undefined;
}

function listDifference(told: readonly Pair[], right: readonly Pair[]): string | undefined {
  for (let at = 0; at < Math.max(told.length, right.length); at++) {
    const found = pairDifference(told[at], right[at]);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function pairDifference(told: Pair | undefined, right: Pair | undefined): string | undefined {
  if (told === right || (told !== undefined && right !== undefined && samePair(told, right)))
    return undefined;
  return `${describePair(told)} instead of ${describePair(right)}`;
}

function samePair(left: Pair, right: Pair): boolean {
  return (
    left.mod === right.mod &&
    left.value === right.value &&
    left.key === right.key &&
    left.version === right.version &&
    left.create === right.create &&
    left.lease === right.lease
  );
}

function describePair(pair: Pair | undefined): string {
  if (pair === undefined) return 'nothing';
  const { key, value, mod, create, version, lease } = pair;
  return `${key} = ${value} (revision ${mod}, created ${create}, version ${version}, lease ${lease})`;
}

function different(what: string, told: number, right: number): string | undefined {
  return told === right ? undefined : `${what} ${told} instead of ${right}`;
}
