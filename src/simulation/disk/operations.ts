import type { Process } from '../world/process.ts';
import { eventKinds, type Owner, type ScheduledEvent, type Scheduler } from '../world/scheduler.ts';

/** What an operation does, apart from taking its time. */
export interface Operation<T> {
  /** What it does to the medium, and what it answers. */
  readonly effect: () => T;
  /** What of it may have been done when the process dies in the middle. Absent: all or nothing. */
  readonly part?: () => void;
}

interface UnderWay {
  readonly operation: Operation<unknown>;
  readonly takeEffect: () => void;
  readonly deliver: () => void;
}

export interface OperationsParts {
  readonly process: Process;
  readonly scheduler: Scheduler;
  /** True: the medium does not answer now; it has taken the event, to schedule it again. */
  readonly holds: (event: ScheduledEvent) => boolean;
  /** What becomes of an operation whose process died. `late`: it takes effect when it was due to. */
  readonly fateOf: () => 'nothing' | 'part' | 'all' | 'late';
}

/**
 * The operations that one process has under way on a medium. The medium does them even while the process stands
 * still; the process hears of it only when it runs. None is ever done twice.
 */
export class Operations implements Owner {
  readonly id: number;
  readonly #parts: OperationsParts;
  readonly #underWay = new Map<ScheduledEvent, UnderWay>();

  constructor(parts: OperationsParts) {
    this.#parts = parts;
    this.id = parts.process.id;
    parts.process.onDeath.push(() => this.#died());
  }

  /**
   * @param delayUs until it takes effect.
   * @param answerUs from then until the process can hear of it.
   */
  start<T>(delayUs: number, operation: Operation<T>, answerUs = 0): Promise<T> {
    return new Promise((resolve, reject) => {
      const { process, scheduler } = this.#parts;
      if (!process.alive) return;
      let result: T | undefined;
      let failure: { readonly error: unknown } | undefined;
      const takeEffect = (): void => {
        try {
          result = operation.effect();
        } catch (error) {
          failure = { error };
        }
      };
      const settle = (): void => {
        if (failure) reject(failure.error);
        else resolve(result as T);
      };
      const deliver = (): void => {
        if (answerUs > 0) process.after(answerUs, eventKinds.disk, settle);
        else settle();
      };
      const event = scheduler.after(delayUs, eventKinds.disk, this, deliver);
      this.#underWay.set(event, { operation, takeEffect, deliver });
    });
  }

  admits(event: ScheduledEvent): boolean {
    const underWay = this.#underWay.get(event);
    if (underWay !== undefined) {
      if (this.#parts.holds(event)) return false;
      this.#underWay.delete(event);
      underWay.takeEffect();
    }
    return this.#parts.process.admits(event);
  }

  #died(): void {
    for (const [event, { operation, takeEffect }] of this.#underWay) {
      const fate = this.#parts.fateOf();
      if (fate === 'late') continue;
      if (fate === 'all') takeEffect();
      else if (fate === 'part') operation.part?.();
      this.#underWay.delete(event);
    }
  }
}
