// A server of somebody else as a child process, in a folder of its own that goes away with it.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePorts } from '../ports.ts';

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/** The ids of `user` where this process is root, which database servers refuse to run as; undefined otherwise. */
export function serverUser(user: string): UserIds | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${user}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`there is no user ${user}`);
  return { uid: Number(uid), gid: Number(gid) };
}

export function giveTo(folder: string, ids: UserIds | undefined): void {
  if (ids !== undefined) chownSync(folder, ids.uid, ids.gid);
}

/** Runs a program to its good end. @throws Error with what it wrote */
export async function runProgram(
  path: string,
  args: readonly string[],
  ids: UserIds | undefined,
  cwd: string,
): Promise<void> {
  await promisify(execFile)(path, args, { ...ids, cwd, maxBuffer: 2 ** 24 });
}

/** Another free port is tried where somebody else took it meanwhile. */
export async function onFreePort<Server>(start: (port: number) => Promise<Server>): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const [port = 0] = await freePorts(1);
    try {
      return await start(port);
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

export class ServerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #folder: string;
  #output = '';

  constructor(path: string, args: readonly string[], ids: UserIds | undefined, folder: string) {
    this.#folder = folder;
    this.#child = spawn(path, args, { ...ids, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-20_000);
      });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Tries until it succeeds. @throws Error with what the server wrote, when it ended or never got ready */
  async ready(attempt: () => Promise<void>): Promise<void> {
    let last: unknown;
    for (let tries = 0; tries < 600; tries++) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) break;
      try {
        return await attempt();
      } catch (error) {
        last = error;
      }
      await sleep(100);
    }
    throw new Error(`the server is not ready: ${this.#output}`, { cause: last });
  }

  /** As a crash does; its data stay. */
  async end(signal: 'SIGKILL' | 'SIGQUIT' = 'SIGKILL'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exit;
  }

  /** At once: nothing of it is kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    // Processes of the server's own may still write for a moment.
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
