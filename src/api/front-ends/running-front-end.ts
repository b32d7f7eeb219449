import { ConclaveError } from '../../errors/index.ts';
import { fromThrown } from '../../errors/thrown.ts';
import { sharedMonotonicMs, Thread } from '../../runtime/threads.ts';
import type { Logger } from '../types.ts';
import { BatchReader, BatchWriter } from './batch.ts';
import type { Ask, AskMessage, Figures, FrontEndMessage, FrontEndSettings } from './messages.ts';
import { type CoreMethod, ServedCalls } from './served-calls.ts';

export interface RunningOptions {
  readonly script: URL;
  readonly name: string;
  readonly settings: Omit<FrontEndSettings, 'taken'>;
  readonly methods: readonly CoreMethod[];
  readonly logger: Logger;
  readonly nowMs: () => number;
}

interface Asked {
  resolve(figures: Figures): void;
  reject(error: Error): void;
}

/** One front end's thread, from its start to its end, seen from the core. */
export class RunningFrontEnd {
  /** Resolves when it runs no more, to why, where it was not ended. */
  readonly ended: Promise<Error | undefined>;
  /** What it last told. */
  figures: Figures | undefined;
  readonly #thread: Thread;
  readonly #calls: ServedCalls;
  readonly #logger: Logger;
  readonly #taken: Int32Array<SharedArrayBuffer>;
  readonly #asked = new Map<number, Asked>();
  #lastRequest = 0;
  #over: ConclaveError | undefined;
  /** It told what cannot be: nothing more of it is listened to. */
  #nonsense: Error | undefined;

  constructor({ script, name, settings, methods, logger, nowMs }: RunningOptions) {
    const taken = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    this.#taken = new Int32Array(taken);
    this.#logger = logger;
    const writer = new BatchWriter({
      send: (batch) => this.#thread.post(batch, [batch]),
      // Runs when the promises that are settled now have had their turn: with all answers of what was applied just now.
      later: (flush) => process.nextTick(flush),
      nowMs: sharedMonotonicMs,
    });
    this.#calls = new ServedCalls({ methods, writer, logger, nowMs });
    const data: FrontEndSettings = { ...settings, taken };
    this.#thread = new Thread(script, { name, data, onMessage: (message) => this.#take(message) });
    this.ended = this.#thread.ended.then((failure = this.#nonsense) => {
      this.#end(failure);
      return failure;
    });
  }

  /** Of the time since this was last asked, the part in which it was busy. */
  utilization(): number {
    return this.#thread.utilization();
  }

  /** @throws ConclaveError what the front end answered; 'unavailable' where it ended without an answer. */
  async ask(ask: Ask): Promise<Figures> {
    if (this.#over !== undefined) throw this.#over;
    const figures = await new Promise<Figures>((resolve, reject) => {
      this.#lastRequest += 1;
      this.#asked.set(this.#lastRequest, { resolve, reject });
      this.#thread.post({ request: this.#lastRequest, ask } satisfies AskMessage);
    });
    this.figures = figures;
    return figures;
  }

  /** Ends it where it stands. */
  terminate(): Promise<void> {
    return this.#thread.terminate();
  }

  #take(message: unknown): void {
    if (message instanceof ArrayBuffer) {
      Atomics.add(this.#taken, 0, message.byteLength);
      Atomics.notify(this.#taken, 0);
      this.#takeBatch(message);
      return;
    }
    const told = message as FrontEndMessage;
    if (told.kind === 'log') {
      this.#logger[told.level](told.fields, told.message);
      return;
    }
    const asked = this.#asked.get(told.request);
    this.#asked.delete(told.request);
    if (told.kind === 'answer') asked?.resolve(told.figures);
    else asked?.reject(fromThrown(told.error));
  }

  #takeBatch(batch: ArrayBuffer): void {
    if (this.#nonsense !== undefined) return;
    try {
      this.#calls.take(new BatchReader(batch));
    } catch (error) {
      this.#nonsense = error instanceof Error ? error : new Error(String(error));
      void this.terminate();
    }
  }

  #end(failure: Error | undefined): void {
    const reason = failure === undefined ? '.' : `: ${failure.message}`;
    const over = new ConclaveError('unavailable', `A front end has ended${reason}`, { retryable: true });
    this.#over = over;
    for (const { reject } of this.#asked.values()) reject(over);
    this.#asked.clear();
    this.#calls.end();
  }
}
