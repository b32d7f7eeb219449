// Runs a program in another language that tries a client of that language, and reports each of its checks as a test.
//
// The program gets the endpoints as its first argument, joined by commas, and what the system lacks as its second. It
// writes one JSON array a line: ["begin", NAME], then ["passed"], ["failed", WHY] or ["skipped", WHY], for each check,
// and ["end", COUNT] last. ["ask", "kill-leader"] and ["ask", "revive"] are answered with a line on its standard input
// when it is done.
//
// Where the environment has CONCLAVE_TLS_FOLDER, the program makes its checks by TLS instead, with the files of that
// folder, which ./secured.ts tells.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, type TestContext, test } from 'node:test';
import { securedKinds } from './secured.ts';
import { type System, systemKinds } from './systems.ts';

export interface CheckProgram {
  readonly path: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * `missing`: why the program cannot run here. `build`: gives the program, built once for all systems. `secured`: whether
 * it has checks by TLS.
 */
export function clientSuite(
  client: string,
  missing: string | undefined,
  build: () => Promise<CheckProgram>,
  { secured = true }: { readonly secured?: boolean } = {},
): void {
  // At once: they wait for leases and for leaders more than they compute.
  describe(client, { concurrency: true }, () => {
    let program: Promise<CheckProgram> | undefined;
    for (const kind of systemKinds) {
      const skip = missing ?? kind.missing ?? false;
      test(`${client} on ${kind.name}`, { skip, timeout: 580_000 }, async (context) => {
        program ??= build();
        const built = await program;
        await using system = await kind.start();
        await using run = new Run(built, { ...system, lacks: kind.lacks });
        await run.report(context);
      });
    }
    for (const kind of secured ? securedKinds : []) {
      const skip = missing ?? kind.missing ?? false;
      test(`${client} on ${kind.name}`, { skip, timeout: 580_000 }, async (context) => {
        program ??= build();
        const built = await program;
        await using system = await kind.start();
        const environment = { ...built.environment, CONCLAVE_TLS_FOLDER: system.folder };
        await using run = new Run({ ...built, environment }, { endpoints: [system.endpoint], lacks: [] });
        await run.report(context);
      });
    }
  });
}

interface Outcome {
  readonly failed?: string | undefined;
  readonly skipped?: string | undefined;
}

type Stage = Pick<System, 'endpoints'> &
  Partial<Pick<System, 'killLeader' | 'revive'>> & { readonly lacks: readonly string[] };

/** One run of the program on one system. */
class Run implements AsyncDisposable {
  readonly #child;
  readonly #exit: Promise<unknown[]>;
  readonly #lines: AsyncIterator<string>;
  readonly #stage: Stage;
  #said = '';
  #begun = 0;

  constructor(program: CheckProgram, stage: Stage) {
    this.#stage = stage;
    this.#child = spawn(program.path, [...program.args, stage.endpoints.join(), stage.lacks.join()], {
      env: { ...process.env, ...program.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-10_000);
    });
    this.#exit = once(this.#child, 'exit');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Each check as a test of its own. */
  async report(context: TestContext): Promise<void> {
    for (let name = await this.begun(); name !== undefined; name = await this.begun()) {
      await context.test(name, async (check) => {
        const { failed, skipped } = await this.outcome();
        if (failed !== undefined) throw new Error(failed);
        if (skipped !== undefined) check.skip(skipped);
      });
    }
  }

  /** The name of the check that begins; undefined after the last. */
  async begun(): Promise<string | undefined> {
    const [what, word] = await this.#next();
    if (what === 'begin') {
      this.#begun += 1;
      return String(word);
    }
    const [code] = await this.#exit;
    if (what !== 'end' || code !== 0 || word !== this.#begun || word === 0)
      throw new Error(`ended with ${code} after ${this.#begun} of ${word} checks: ${this.#said}`);
    return undefined;
  }

  async outcome(): Promise<Outcome> {
    for (;;) {
      const [what, word] = await this.#next();
      if (what === 'passed') return {};
      if (what === 'failed') return { failed: String(word) };
      if (what === 'skipped') return { skipped: String(word) };
      if (what !== 'ask') return { failed: `it ended: ${what ?? 'no word'} ${this.#said}` };
      await (word === 'revive' ? this.#stage.revive?.() : this.#stage.killLeader?.());
      this.#child.stdin.write('done\n');
    }
  }

  /** What libraries print by themselves is no message of ours. */
  async #next(): Promise<[string | undefined, string | number | undefined]> {
    for (;;) {
      const { done, value } = await this.#lines.next();
      if (done === true) return [undefined, undefined];
      if (value.startsWith('["')) return JSON.parse(value);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }
}
