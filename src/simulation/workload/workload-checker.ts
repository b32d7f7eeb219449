import type { Entry } from '../../raft/index.ts';
import { type Checker, type LifeSight, violated } from '../observation.ts';
import type { History } from './history.ts';
import type { Replay } from './replay.ts';

/** What every checker of this folder gets. */
export interface CheckerParts {
  readonly life: LifeSight;
  readonly history: History;
  readonly replay: Replay;
}

/** Keeps the replay up to date, whoever of the checkers is told first. */
export abstract class WorkloadChecker implements Checker {
  abstract readonly name: string;
  abstract readonly claim: string;
  protected readonly life: LifeSight;
  protected readonly history: History;
  protected readonly replay: Replay;

  constructor({ life, history, replay }: CheckerParts) {
    this.life = life;
    this.history = history;
    this.replay = replay;
  }

  committed(entry: Entry): void {
    this.replay.committed(entry);
  }

  protected violated(message: string): never {
    violated(this, message);
  }
}
