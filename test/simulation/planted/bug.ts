import type { LifeOptions } from '../../../src/simulation/life/types.ts';

/** One place in the source, as it is and as the bug has it. */
export interface Edit {
  /** From the root of the project. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** A bug that is put into a copy of the source, to see that a checker finds it. */
export interface PlantedBug {
  readonly id: string;
  /** What is wrong, in words. */
  readonly title: string;
  /** Where somebody met it. */
  readonly seen: string;
  readonly edits: readonly Edit[];
  /** How the lives are lived in which it is looked for; seeds count up from 1. */
  readonly life: Omit<LifeOptions, 'seed'>;
  /** Instead of whole lives: clusters of so many members whose links are cut down to one graph after the other. */
  readonly graphs?: 3 | 5;
  /** Instead of whole lives: histories of the core alone, of joint changes. */
  readonly core?: 'joint-changes';
  /** What else is set for them, also where the source without the bug lives the same seeds: no bug, but what shows it. */
  readonly settings?: readonly Edit[];
  /** Any of these checkers may find it. */
  readonly checkers: readonly string[];
  /** Why no life can show it, in words: it is not looked for unless it is asked for by its id. */
  readonly outOfReach?: string;
}
