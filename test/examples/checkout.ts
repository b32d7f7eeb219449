// A fresh clone after `npm ci && npm run build`, in a folder of its own: the checkout's own `dist` may be in use, or old.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Child } from '../../examples/shared/child.ts';

const root = join(import.meta.dirname, '../..');

export class Checkout implements AsyncDisposable {
  readonly folder: string;
  readonly #started: Child[] = [];

  static async make(): Promise<Checkout> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'conclave-checkout-')));
    for (const name of ['package.json', 'examples']) {
      await cp(join(root, name), join(folder, name), { recursive: true });
    }
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    const args = ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'dist'), '--noCheck'];
    // What it thinks of the types is for `npm run check`.
    await new Promise<void>((resolve, reject) => {
      execFile(join(root, 'node_modules/.bin/tsc'), args, (error, stdout) =>
        error === null ? resolve() : reject(new Error(`the build failed:\n${stdout}`, { cause: error })),
      );
    });
    return new Checkout(folder);
  }

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Starts `examples/<file>`. What it writes is kept in `lines`. */
  start(file: string, environment: Readonly<Record<string, string>> = {}, name = file): Child {
    const child = new Child(name, join(this.folder, 'examples', file), { environment, show: () => {} });
    this.#started.push(child);
    return child;
  }

  url(file: string): string {
    return pathToFileURL(join(this.folder, 'examples', file)).href;
  }

  /** Ends what a test that failed has left behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    const left = this.#started.filter((child) => child.running);
    // A demonstration ends, on SIGTERM, what it has started.
    const stopped = Promise.all(left.map((child) => child.stop()));
    if (left.length > 0) await Promise.race([stopped, sleep(5000)]);
    await Promise.all(left.map((child) => child.kill()));
    await rm(this.folder, { recursive: true, force: true });
  }
}
