import { type Profiler, Session } from 'node:inspector';

/** Which blocks of some sources have run: V8's own counts, as code coverage has them. */
export class Coverage implements Disposable {
  readonly #session = new Session();
  readonly #prefix: string;

  /** `prefix`: of the addresses of the sources, `file:///…`. */
  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** The blocks that ran since the last call, by source and place. */
  ran(): Set<string> {
    const blocks = new Set<string>();
    for (const { url, functions } of this.#taken()) {
      if (!url.startsWith(this.#prefix)) continue;
      for (const { functionName, ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          if (count === 0) continue;
          blocks.add(`${url.slice(this.#prefix.length)} ${functionName} ${startOffset}-${endOffset}`);
        }
      }
    }
    return blocks;
  }

  /** Answered before it returns: the session is one with this thread. */
  #taken(): Profiler.ScriptCoverage[] {
    let taken: Profiler.ScriptCoverage[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      taken = answer.result;
    });
    return taken;
  }

  [Symbol.dispose](): void {
    this.#session.post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }
}
