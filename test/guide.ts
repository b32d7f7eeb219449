// Runs the examples of a guide as they stand there, on the unbuilt sources, in a folder of their own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Example, readmeExamples } from './packaging/examples.ts';
import { environment, Running } from './packaging/project.ts';

const root = join(import.meta.dirname, '..');
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, { readonly default?: string }>>;
};
const compilerOptions = {
  ...{ module: 'nodenext', target: 'es2023', lib: ['es2024', 'esnext.disposable'], types: ['node'] },
  ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: true, noEmit: true },
  ...{ allowImportingTsExtensions: true, noUncheckedIndexedAccess: true, moduleDetection: 'force' },
};

/** Enough for a slow machine under load. */
export const guidePatience = { timeout: 300_000 };

export class Guide implements AsyncDisposable {
  readonly examples: readonly Example[];
  readonly #run = new Set<string>();
  #folder: string | undefined;

  /** @param name of a file in docs/guides, without its suffix */
  constructor(name: string) {
    this.examples = readmeExamples(readFileSync(join(root, `docs/guides/${name}.md`), 'utf8'));
  }

  get folder(): string {
    assert(this.#folder !== undefined, 'the guide is not unpacked yet');
    return this.#folder;
  }

  /** Writes the examples to files. `adapt`: puts real addresses in place of those that the guide names. */
  async unpack(adapt: (code: string) => string = (code) => code): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'conclave-guide-'));
    await writeFile(join(this.folder, 'package.json'), '{ "type": "module" }');
    await symlink(join(root, 'node_modules'), join(this.folder, 'node_modules'));
    for (const { name, code } of this.examples) {
      await writeFile(join(this.folder, name), fromSources(adapt(code)));
    }
  }

  /** @param libraries of TypeScript, besides the usual. @throws AssertionError with what the compiler says. */
  async typeCheck(...libraries: readonly string[]): Promise<void> {
    const options = { ...compilerOptions, lib: [...compilerOptions.lib, ...libraries] };
    const settings = JSON.stringify({ compilerOptions: options, include: ['*.ts'] });
    await writeFile(join(this.folder, 'tsconfig.json'), settings);
    const compiler = join(root, 'node_modules/.bin/tsc');
    await using running = new Running(compiler, ['-p', '.'], this.folder, environment);
    assert.equal(await running.ended, 0, running.output);
  }

  /** Starts an example, a module or a piece of shell; dispose what it gives. */
  start(
    name: string,
    { args = [], env = {} }: { args?: readonly string[]; env?: NodeJS.ProcessEnv } = {},
  ): Running {
    assert(
      this.examples.some((example) => example.name === name),
      `${name} is no example of this guide`,
    );
    this.#run.add(name);
    const [command, ...words] = name.endsWith('.ts')
      ? [process.execPath, '--disable-warning=ExperimentalWarning', name]
      : ['bash', '-eu', name];
    return new Running(command ?? '', [...words, ...args], this.folder, { ...environment, ...env });
  }

  /** What an example wrote; it must end well. */
  async outputOf(name: string, options: Parameters<Guide['start']>[1] = {}): Promise<string> {
    await using running = this.start(name, options);
    assert.equal(await running.ended, 0, running.output);
    return running.output;
  }

  /** An example that no test runs would rot. `other`: those that are shown to be right in another way. */
  assertAllRun(...other: readonly string[]): void {
    const left = this.examples.filter(({ name }) => !this.#run.has(name) && !other.includes(name));
    assert.deepEqual(
      left.map(({ name }) => name),
      [],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The sources, unbuilt, in place of what the package's exports name. */
function fromSources(code: string): string {
  return code.replace(/'conclave(\/[\w/]+)?'/g, (_text, path: string = '') => {
    const target = exports[`.${path}`]?.default;
    assert(target !== undefined, `conclave${path} is no export`);
    return `'${join(root, target).replace('/dist/', '/src/').replace(/\.js$/, '.ts')}'`;
  });
}
