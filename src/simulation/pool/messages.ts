import type { LifeResult } from '../life/types.ts';

/** What came out of a life: the same on every machine. */
export interface Lived {
  readonly result: LifeResult;
}

/** What a thread is started with. */
export interface WorkerSettings {
  /** URL of the module whose `runLife` it calls. */
  readonly runner: string;
}

/** What a thread answers to each LifeOptions that it is sent. */
export type WorkerMessage =
  | { readonly kind: 'lived'; readonly lived: Lived }
  | {
      readonly kind: 'threw';
      readonly error: { readonly message: string; readonly stack: string | undefined };
    };
