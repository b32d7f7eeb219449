import type { LifeResult } from '../life/types.ts';

/** What a thread is started with. */
export interface WorkerSettings {
  /** URL of the module whose `runLife` it calls. */
  readonly runner: string;
}

/** What a thread answers to each LifeOptions that it is sent. */
export type WorkerMessage =
  | { readonly kind: 'lived'; readonly result: LifeResult }
  /** Options that cannot be meant. */
  | { readonly kind: 'refused'; readonly message: string }
  | {
      readonly kind: 'threw';
      readonly error: { readonly message: string; readonly stack: string | undefined };
    };
