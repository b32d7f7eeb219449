import { describeOperation, type Operation } from './history.ts';
import { type CheckerParts, WorkloadChecker } from './workload-checker.ts';

/** A read's answer names the revision that it shows; whatever was committed when it was asked must be below that. */
export class LinearizableReads extends WorkloadChecker {
  readonly name = '15-linearizable-reads';
  readonly claim = 'A linearizable read sees at least what was committed anywhere when it was asked.';
  /** Of reads that are under way: the highest revision committed when they were asked. */
  readonly #asked = new Map<number, number>();

  constructor(parts: CheckerParts) {
    super(parts);
    parts.history.listen({
      invoked: (operation) => {
        const { call } = operation;
        if (call.type === 'range' && !call.serializable) this.#asked.set(operation.id, this.replay.revision);
      },
      completed: (operation) => this.#completed(operation),
    });
  }

  #completed(operation: Operation): void {
    const least = this.#asked.get(operation.id);
    if (least === undefined) return;
    this.#asked.delete(operation.id);
    const { answer } = operation;
    if (answer === undefined || answer.revision >= least) return;
    const message = `${describeOperation(operation)} shows revision ${answer.revision}`;
    this.violated(`${message}, but revision ${least} was committed when it was asked.`);
  }
}
