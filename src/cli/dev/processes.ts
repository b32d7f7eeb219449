import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A file of this folder or of the one above, whether the sources run or the build. */
export function programFile(name: string): string {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  return fileURLToPath(new URL(`${name}${extension}`, import.meta.url));
}

export interface ChildOptions {
  readonly program: string;
  readonly parameters: readonly string[];
  /** Gets what the process writes to stderr. */
  readonly logFile: string;
  /** Called for each line on stdout. */
  readonly onLine: (line: string) => void;
  /** Called once. */
  readonly onExit: (detail: string) => void;
}

/** A process of ours with its own session, so that Ctrl-C in the terminal reaches only this one. */
export class Child {
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;

  constructor(options: ChildOptions, sweeper: Sweeper) {
    this.#process = spawn(process.execPath, [options.program, ...options.parameters], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    sweeper.add(this.pid);
    const log = createWriteStream(options.logFile, { flags: 'a' });
    log.on('error', () => {});
    this.#process.stderr?.pipe(log);
    this.#process.stdin?.on('error', () => {});
    let rest = '';
    this.#process.stdout?.setEncoding('utf8');
    this.#process.stdout?.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) options.onLine(line);
    });
    const exited = Promise.withResolvers<void>();
    this.#exited = exited.promise;
    this.#process.on('error', (error) => options.onExit(error.message));
    this.#process.on('close', (code, signal) => {
      sweeper.drop(this.pid);
      options.onExit(signal === null ? `exit code ${code}` : signal);
      exited.resolve();
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get running(): boolean {
    return (
      this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
    );
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#process.kill(signal);
  }

  /** A line on its stdin. */
  tell(line: string): void {
    if (this.running) this.#process.stdin?.write(`${line}\n`);
  }

  /** SIGTERM (after SIGCONT, as it may be paused), and SIGKILL when that took longer than `patienceMs`. */
  async stop(patienceMs: number): Promise<void> {
    if (!this.running) return;
    this.signal('SIGTERM');
    this.signal('SIGCONT');
    const timer = setTimeout(() => this.signal('SIGKILL'), patienceMs);
    await this.#exited;
    clearTimeout(timer);
  }
}

/** This process's side of sweeper.ts. */
export class Sweeper {
  readonly #process: ChildProcess;

  constructor() {
    this.#process = spawn(process.execPath, [programFile('sweeper')], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#process.stdin?.on('error', () => {});
    this.#process.on('error', () => {});
    this.#process.unref();
  }

  add(pid: number): void {
    this.#tell(`add ${pid}`);
  }

  drop(pid: number): void {
    this.#tell(`drop ${pid}`);
  }

  /** Removed when this process is gone. */
  removeFolder(path: string): void {
    this.#tell(`folder ${path}`);
  }

  /** Lets it do its work, and waits for that. */
  async finish(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.pid === undefined) return;
    const exited = once(this.#process, 'exit');
    this.#process.ref();
    this.#process.stdin?.end();
    await exited;
  }

  #tell(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }
}
