import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Once, Where } from './client.ts';

const script = fileURLToPath(new URL('./contender.ts', import.meta.url));
/** Nothing that is measured takes so long. */
const patienceMs = 60_000;

export interface Ready {
  readonly minTtlMs: number | undefined;
  readonly pollsEveryMs: number | undefined;
}

export interface Order {
  readonly id: number;
  /** 'warm-up' leads up to `rounds` times, 'lead' just so often. */
  readonly what: 'campaign' | 'resign' | 'warm-up' | 'lead' | 'close';
  readonly client: number;
  readonly election: string;
  readonly ttlMs: number;
  readonly rounds: number;
}

export interface Answer {
  readonly id: number;
  /** When it led, or began to resign. */
  readonly atNs?: bigint;
  readonly once?: readonly Once[];
  readonly error?: string;
}

/** Clients of one system in one process. */
export class Contenders implements AsyncDisposable {
  readonly ready: Ready;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #orders = 0;

  static async start(system: string, where: Where, count = 1): Promise<Contenders> {
    const child = fork(script, [system, JSON.stringify(where), String(count)], {
      serialization: 'advanced',
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', process.env.BENCH_VERBOSE ? 'inherit' : 'ignore', 'ipc'],
    });
    const ended = once(child, 'exit').then(() => undefined);
    const first = await Promise.race([once(child, 'message'), ended]);
    if (first === undefined)
      throw new Error(`The process of ${system} ended by itself (BENCH_VERBOSE=1 shows why).`);
    return new Contenders(child, first[0] as Ready);
  }

  private constructor(child: ChildProcess, ready: Ready) {
    this.#process = child;
    this.ready = ready;
    child.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    child.on('exit', () => {
      for (const [id, settle] of this.#waiting) settle({ id, error: 'the process has ended' });
    });
  }

  /** When it led. */
  async campaign(election: string, ttlMs: number, client = 0): Promise<bigint> {
    return (await this.#order({ what: 'campaign', client, election, ttlMs })).atNs ?? 0n;
  }

  /** When it began. */
  async resign(election: string, client = 0): Promise<bigint> {
    return (await this.#order({ what: 'resign', client, election })).atNs ?? 0n;
  }

  async lead(what: 'warm-up' | 'lead', election: string, ttlMs: number, rounds: number, client = 0) {
    return (await this.#order({ what, client, election, ttlMs, rounds })).once ?? [];
  }

  /** When it was killed. */
  kill(): bigint {
    const atNs = process.hrtime.bigint();
    this.#process.kill('SIGKILL');
    return atNs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.kill();
    await ended;
  }

  #order(order: Partial<Order> & Pick<Order, 'what' | 'election'>): Promise<Answer> {
    this.#orders += 1;
    const id = this.#orders;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle({ id, error: `no answer in ${patienceMs} ms` }), patienceMs);
      const settle = (answer: Answer) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        if (answer.error === undefined) resolve(answer);
        else reject(new Error(`${order.what} ${order.election}: ${answer.error}`));
      };
      this.#waiting.set(id, settle);
      this.#process.send({ id, client: 0, ttlMs: 0, rounds: 0, ...order } satisfies Order);
    });
  }
}
