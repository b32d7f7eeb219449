import { describeOperation } from './history.ts';
import { searchOrder } from './linearizability.ts';
import { registersOf } from './registers.ts';
import { WorkloadChecker } from './workload-checker.ts';

/** In the end: every key's history has an order of its own that explains it, found without a look at the log. */
export class LinearizableHistory extends WorkloadChecker {
  readonly name = 'linearizability';
  readonly claim =
    'Every key behaves like one register: there is an order of all operations that explains all answers.';
  /** Keys whose search was given up: neither proved nor refuted. Shown in the coverage of a run. */
  undecided = 0;

  ended(): void {
    for (const { key, operations, sources, mayExpire } of registersOf(this.history.operations)) {
      const { verdict, stuckAt } = searchOrder(operations, { mayExpire });
      if (verdict === 'undecided') {
        this.undecided += 1;
        this.history.undecidedKeys += 1;
      } else this.history.decidedKeys += 1;
      if (verdict !== 'not-linearizable') continue;
      const stuck = stuckAt.map((at) => sources[at]).filter((source) => source !== undefined);
      this.violated(
        `No order explains what was seen of ${key}. No way past: ${stuck.map(describeOperation).join('; ')}.`,
      );
    }
  }
}
