/** One process of a demonstration: what it writes is shown under its name, can be waited for, and it can be hurt. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface ChildOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Gets each line that it writes, with its name before it. Default: shown on the terminal. */
  readonly show?: (line: string) => void;
}

/** Kills that process when this one is gone, however it went: nobody else would wake one that is paused. */
function startGuard(pid: number): ChildProcess {
  const script = 'read _; kill -9 "$1"';
  return spawn('sh', ['-c', script, 'guard', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
}

const children = new Set<Child>();
// Also those that are paused, which hear nothing else.
process.on('exit', () => {
  for (const child of children) child.signal('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

export class Child {
  readonly name: string;
  /** All that it wrote so far, on stdout and stderr. */
  readonly lines: string[] = [];
  /** Resolves to its exit code; -1 where a signal ended it. */
  readonly ended: Promise<number>;
  readonly #process: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #over = false;

  constructor(name: string, file: string, options: ChildOptions = {}) {
    const { environment = {}, show = console.log } = options;
    this.name = name;
    // In a group of its own: Ctrl-C is for the demonstration, which then ends all of them.
    this.#process = spawn(process.execPath, [file], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    children.add(this);
    const guard = startGuard(this.pid);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line);
        show(`${name.padEnd(8)} ${line}`);
        this.#wake();
      });
    }
    this.ended = new Promise((resolve) => {
      this.#process.on('error', (error) => this.lines.push(error.message));
      this.#process.on('close', (code) => {
        this.#over = true;
        children.delete(this);
        guard.kill('SIGKILL');
        this.#wake();
        resolve(code ?? -1);
      });
    });
  }

  get running(): boolean {
    return !this.#over;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The first line that matches, from line number `from` on. Rejects where it ended without one. */
  async wrote(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    for (let position = from; ; position++) {
      while (position >= this.lines.length) {
        if (this.#over)
          throw new Error(`${this.name} ended without writing ${pattern}:\n${this.lines.join('\n')}`);
        await new Promise<void>((resolve) => this.#waiting.add(resolve));
      }
      const found = pattern.exec(this.lines[position] ?? '');
      if (found !== null) return found;
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#process.kill(signal);
  }

  /** SIGKILL: no handler runs, nothing is released. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }

  /** SIGTERM, on which it finishes what it does, resigns and ends. */
  async stop(): Promise<number> {
    this.signal('SIGTERM');
    this.signal('SIGCONT');
    return await this.ended;
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}
