// Runs etcdctl against a server.
import assert from 'node:assert/strict';
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

  constructor(path: string, endpoint: string, variables: Readonly<Record<string, string>> = {}) {
    this.#path = path;
    this.#environment = { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: endpoint, ...variables };
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
      // Many end without reading what nobody gave them.
      child.stdin?.on('error', () => {}).end(input ?? '');
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

/** One thing that etcdctl does, on any server. */
export interface Case {
  readonly name: string;
  run(ctl: Etcdctl): Promise<void>;
}

/** Asserts what a command prints, after `tidy`, and that it succeeds. */
export async function prints(
  ctl: Etcdctl,
  args: string,
  expected: string,
  tidy: (text: string) => string = (text) => text,
): Promise<void> {
  const { stdout, stderr, code } = await ctl.run(args);
  assert.deepEqual(
    { stdout: tidy(stdout), code },
    { stdout: expected, code: 0 },
    `etcdctl ${args}: ${stderr}`,
  );
}

/** Asserts that a command fails with this text. */
export async function fails(ctl: Etcdctl, args: string, expected: string): Promise<void> {
  const { stderr, code } = await ctl.run(args);
  const error = /"error":"((?:[^"\\]|\\.)*)"/.exec(stderr)?.[1] ?? stderr.replace(/^Error: /, '').trim();
  assert.deepEqual({ error, code: code === 0 }, { error: expected, code: false });
}

export async function grant(ctl: Etcdctl, seconds: number): Promise<string> {
  const { stdout } = await ctl.run(`lease grant ${seconds}`);
  const granted = /^lease ([0-9a-f]{16}) granted with TTL\((\d+)s\)\n$/.exec(stdout);
  assert.equal(granted?.[2], String(seconds), stdout);
  return granted?.[1] ?? '';
}
