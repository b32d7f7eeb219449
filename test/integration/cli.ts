import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** One `conclave` process, with what it has written and how it ended. */
export class Conclave implements AsyncDisposable {
  readonly process: ChildProcess;
  /** Resolves to the exit code; -1 where a signal ended it. */
  readonly ended: Promise<number>;
  stdout = '';
  stderr = '';
  readonly #waiting = new Set<() => void>();

  constructor(words: readonly string[], options: RunOptions = {}) {
    this.process = spawn(process.execPath, [main, ...words], {
      cwd: options.cwd,
      env: { ...process.env, ...options.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#look();
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#look();
    });
    const ended = Promise.withResolvers<number>();
    this.ended = ended.promise;
    this.process.on('close', (code) => {
      ended.resolve(code ?? -1);
      this.#look();
    });
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Resolves to the first match on stdout or stderr; rejects when the process ended without one. */
  async match(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this[stream]);
      if (match !== null) return match;
      if (!this.running) {
        await this.ended;
        const last = pattern.exec(this[stream]);
        if (last !== null) return last;
        throw new Error(`${pattern} never came on ${stream}:\n${this.stdout}\n${this.stderr}`);
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGCONT');
    this.process.kill('SIGKILL');
    await this.ended;
  }

  #look(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** Runs one command line to its end. */
export async function run(
  words: readonly string[],
  options: RunOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const conclave = new Conclave(words, options);
  const code = await conclave.ended;
  return { code, stdout: conclave.stdout, stderr: conclave.stderr };
}

/** A zombie whose parent has not looked yet runs no more than one that is reaped. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const file = `/proc/${pid}/stat`;
  return !existsSync(file) || !/\) [ZX] /.test(readFileSync(file, 'utf8'));
}

/** Resolves when none of these processes runs any more. There is no event to wait for: they are not our children. */
export async function untilGone(pids: readonly number[]): Promise<void> {
  while (pids.some(isRunning)) await sleep(5);
}
