// The package as a user gets it: packed from a copy of this checkout, installed in an empty project.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../..');
const notCopied = new Set(['node_modules', 'dist', '.git', 'coverage', '.tmp', '.peers']);

/**
 * What `npm test` tells its scripts would lead an npm inside of it astray; but where its registry is, and whose certificates
 * it may trust there, it must know.
 */
const notPassedOn =
  /^(npm_(?!config_(ca|cafile|cache|registry|userconfig)$)|CONCLAVE_|NODE_(?!EXTRA_CA_CERTS$))/i;
export const environment: Readonly<Record<string, string | undefined>> = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !notPassedOn.test(name))),
  PATH: [join(root, 'node_modules/.bin'), process.env.PATH ?? ''].join(delimiter),
  npm_config_update_notifier: 'false',
};

/** A project that has installed the package, and nothing else but the types of Node.js. */
export class Project implements AsyncDisposable {
  readonly folder: string;
  /** All files of the tarball, without npm's `package/` before them. */
  readonly packed: readonly string[];
  readonly #scratch: string;

  private constructor(scratch: string, packed: readonly string[]) {
    this.#scratch = scratch;
    this.folder = join(scratch, 'project');
    this.packed = packed;
  }

  /** Of this checkout, or of a tarball that is there. */
  static async make(packedBefore?: string): Promise<Project> {
    const scratch = await realpath(await mkdtemp(join(tmpdir(), 'conclave-package-')));
    try {
      const tarball = packedBefore ?? (await pack(scratch));
      const listing = await promisify(execFile)('tar', ['-tzf', tarball], { maxBuffer: 2 ** 24 });
      const packed = listing.stdout
        .trim()
        .split('\n')
        .map((file) => file.replace(/^package\//, ''));
      const project = new Project(scratch, packed);
      await mkdir(project.folder);
      await project.write('package.json', '{ "private": true, "type": "module" }\n');
      await npm(project.folder, 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball);
      // What a TypeScript user has besides. Symlinked, as it is not what is tested.
      await mkdir(join(project.folder, 'node_modules/@types'), { recursive: true });
      await rm(join(project.folder, 'node_modules/@types/node'), { recursive: true, force: true });
      await symlink(join(root, 'node_modules/@types/node'), join(project.folder, 'node_modules/@types/node'));
      return project;
    } catch (error) {
      await rm(scratch, { recursive: true, force: true });
      throw error;
    }
  }

  async write(name: string, text: string): Promise<string> {
    const file = join(this.folder, name);
    await writeFile(file, text);
    return file;
  }

  /** Starts a program in the project's folder. */
  start(
    command: string,
    words: readonly string[],
    variables: Readonly<Record<string, string>> = {},
  ): Running {
    return new Running(command, words, this.folder, { ...environment, ...variables });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#scratch, { recursive: true, force: true });
  }
}

/** `npm pack`, with its build, in a copy: the checkout's own `dist` may be in use. */
async function pack(scratch: string): Promise<string> {
  const copy = join(scratch, 'checkout');
  await mkdir(copy);
  for (const name of await readdir(root)) {
    if (!notCopied.has(name)) await cp(join(root, name), join(copy, name), { recursive: true, filter });
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  await npm(copy, 'pack', '--pack-destination', scratch);
  const tarball = (await readdir(scratch)).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error('npm pack made no tarball');
  return join(scratch, tarball);
}

function filter(source: string): boolean {
  return !notCopied.has(basename(source));
}

async function npm(folder: string, ...words: readonly string[]): Promise<void> {
  const running = new Running('npm', words, folder, environment);
  if ((await running.ended) !== 0) throw new Error(`npm ${words.join(' ')}:\n${running.output}`);
}

/** A program in a process group of its own, with what it and all that it started have written. */
export class Running implements AsyncDisposable {
  /** Resolves to the exit code; -1 where a signal ended it. */
  readonly ended: Promise<number>;
  output = '';
  readonly #process: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #over = false;

  constructor(
    command: string,
    words: readonly string[],
    cwd: string,
    variables: Readonly<Record<string, string | undefined>>,
  ) {
    this.#process = spawn(command, words, {
      cwd,
      env: variables,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        this.#look();
      });
    }
    const ended = Promise.withResolvers<number>();
    this.ended = ended.promise;
    this.#process.on('error', (error) => {
      this.output += `${error.message}\n`;
    });
    this.#process.on('close', (code) => {
      this.#over = true;
      ended.resolve(code ?? -1);
      this.#look();
    });
  }

  /** Resolves when all of these have been written; rejects when the program ended without. */
  async wrote(...patterns: readonly RegExp[]): Promise<void> {
    for (;;) {
      const missing = patterns.find((pattern) => !pattern.test(this.output));
      if (missing === undefined) return;
      if (this.#over) throw new Error(`${missing} never came:\n${this.output}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** To the program and all that it started. */
  signal(name: NodeJS.Signals): void {
    try {
      process.kill(-(this.#process.pid ?? 0), name);
    } catch {
      // All of it has ended.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.pid === undefined) return;
    this.signal('SIGKILL');
    await this.ended;
  }

  #look(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
