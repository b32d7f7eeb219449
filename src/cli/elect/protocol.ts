import type { Deadlines } from './deadlines.ts';

/** JSON lines over the pipe between `conclave elect` and its guardian. */
export type ToGuardian =
  | {
      readonly type: 'run';
      readonly command: readonly string[];
      /** Added to the guardian's own environment. */
      readonly environment: Readonly<Record<string, string>>;
      readonly deadlines: Deadlines;
      /**
       * The session ends with its connection, so another may lead as soon as this process is dead: kill at once when
       * the pipe closes, without a SIGTERM first.
       */
      readonly killWhenAlone: boolean;
    }
  | { readonly type: 'deadlines'; readonly deadlines: Deadlines };

export type FromGuardian =
  | { readonly type: 'ready' }
  | { readonly type: 'started'; readonly pid: number }
  | { readonly type: 'not-started'; readonly code: string; readonly message: string }
  | { readonly type: 'exited'; readonly code: number | null; readonly signal: string | null }
  | { readonly type: 'terminating' }
  | { readonly type: 'killing' };

/** Splits a stream of text into lines; keeps what has no end yet. */
export class LineSplitter {
  #rest = '';

  push(chunk: string): string[] {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.filter((line) => line !== '');
  }
}
