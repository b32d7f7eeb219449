import { parentPort, Worker, workerData } from 'node:worker_threads';
import { ConclaveError } from '../errors/index.ts';

/** Whatever the structured clone algorithm takes. `transfer`: buffers that change hands instead of being copied. */
type Post = (message: unknown, transfer?: readonly ArrayBuffer[]) => void;

/** A thread that runs one of our scripts, seen from the one that started it. */
export class Thread {
  /** Resolves when it runs no more: to what it failed with, or to undefined where it was ended or had finished. */
  readonly ended: Promise<Error | undefined>;
  readonly #worker: Worker;
  #lastUtilization: ReturnType<Worker['performance']['eventLoopUtilization']> | undefined;

  constructor(script: URL, options: { name: string; data: unknown; onMessage: (message: unknown) => void }) {
    const { name, data, onMessage } = options;
    const worker = new Worker(script, { workerData: data, name });
    this.#worker = worker;
    let failure: Error | undefined;
    const fail = (error: unknown): void => {
      failure ??= error instanceof Error ? error : new Error(String(error));
    };
    worker.on('message', onMessage);
    worker.on('error', fail);
    worker.on('messageerror', fail);
    this.ended = new Promise((resolve) => worker.once('exit', () => resolve(failure)));
  }

  /** Nothing happens where it has ended. */
  readonly post: Post = (message, transfer) => {
    this.#worker.postMessage(message, transfer as ArrayBuffer[] | undefined);
  };

  /** Of the time since this was last asked, the part in which it was busy: 0 to 1. */
  utilization(): number {
    const { performance } = this.#worker;
    const now = performance.eventLoopUtilization();
    const since =
      this.#lastUtilization === undefined
        ? now
        : performance.eventLoopUtilization(now, this.#lastUtilization);
    this.#lastUtilization = now;
    return Number.isFinite(since.utilization) ? since.utilization : 0;
  }

  /** Ends it where it stands. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** This thread, seen from within. */
export interface OwnThread {
  /** What it was started with. */
  readonly data: unknown;
  readonly post: Post;
  onMessage(listener: (message: unknown) => void): void;
}

/** @throws ConclaveError 'internal' in a thread that nobody started as one. */
export function ownThread(): OwnThread {
  const port = parentPort;
  if (port === null) throw new ConclaveError('internal', 'A script for threads was started as a program.');
  return {
    data: workerData,
    post: (message, transfer) => port.postMessage(message, transfer as ArrayBuffer[] | undefined),
    onMessage: (listener) => port.on('message', listener),
  };
}

/** Milliseconds of a monotonic clock that all threads of this process share; its zero is arbitrary. */
export function sharedMonotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
