// A server that a test starts: alone on its port, with its data in a folder of its own that goes away with it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../ports.ts';

export interface ChildServer extends AsyncDisposable {
  readonly port: number;
  readonly process: ChildProcess;
  /** Ends it at once, as a crash does. Its data stay until it is disposed of. */
  kill(): Promise<void>;
}

export interface ChildServerOptions {
  readonly path: string;
  readonly args: (port: number, folder: string) => readonly string[];
  /** Throws until the server answers. */
  readonly probe: (port: number) => Promise<unknown>;
}

/** Another free port is tried where somebody else took it meanwhile. */
export async function startChildServer(options: ChildServerOptions): Promise<ChildServer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(options);
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

async function start({ path, args, probe }: ChildServerOptions): Promise<ChildServer> {
  const folder = mkdtempSync(join(tmpdir(), 'conclave-server-'));
  const [port = 0] = await freePorts(1);
  const child = spawn(path, args(port, folder), { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = once(child, 'exit').catch(() => {});
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      said = `${said}${chunk}`.slice(-2000);
    });
  }
  const kill = async () => {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await exit;
  };
  const server: ChildServer = {
    port,
    process: child,
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    try {
      await probe(port);
      return server;
    } catch (error) {
      if (child.exitCode === null && performance.now() < deadlineMs) {
        await sleep(50);
        continue;
      }
      await server[Symbol.asyncDispose]();
      throw new Error(`${path} did not come up (exit code ${child.exitCode}): ${said}`, { cause: error });
    }
  }
}
