// Runs etcdctl against a server.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

export class Etcdctl {
  readonly #path: string;
  readonly #environment: NodeJS.ProcessEnv;

  constructor(path: string, endpoint: string) {
    this.#path = path;
    this.#environment = { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: endpoint };
  }

  /** `args` split at spaces; `more` are appended whole. */
  run(args: string, ...more: string[]): Promise<Output> {
    return this.#execute([...args.split(' '), ...more]);
  }

  /** With `input` on its standard input. */
  feed(input: string, args: string): Promise<Output> {
    return this.#execute(args.split(' '), input);
  }

  /** Starts one that goes on until it is stopped. */
  start(args: string): Running {
    return new Running(this.#path, args.split(' '), this.#environment);
  }

  #execute(args: readonly string[], input?: string): Promise<Output> {
    return new Promise((resolve, reject) => {
      const options = { env: this.#environment, timeout: 20_000 };
      const child = execFile(this.#path, args, options, (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number') reject(error);
        else resolve({ stdout, stderr, code: error === null ? 0 : Number(error.code) });
      });
      child.stdin?.end(input ?? '');
    });
  }
}

export class Running implements AsyncDisposable {
  readonly #child;
  readonly #lines: AsyncIterator<string>;
  readonly #exit: Promise<unknown>;

  constructor(path: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.#child = spawn(path, args, { env, stdio: ['ignore', 'pipe', 'ignore'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#exit = once(this.#child, 'exit');
  }

  /** Its next lines of output, as soon as they are there. */
  async lines(count: number): Promise<string> {
    const lines: string[] = [];
    while (lines.length < count) {
      const { done, value } = await this.#lines.next();
      if (done === true) throw new Error(`etcdctl ended after ${lines.length} of ${count} lines`);
      lines.push(value);
    }
    return lines.map((line) => `${line}\n`).join('');
  }

  async stop(signal: 'SIGINT' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
    await this.#exit;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
