// Processes of an example that are hurt while they work.
import type { Child } from '../../examples/shared/child.ts';

/** Those that run, each new one under a name of its own. */
export class Processes implements AsyncDisposable {
  /** All that were ever started. */
  readonly all: Child[] = [];
  readonly #start: (name: string) => Child;

  constructor(start: (name: string) => Child, count: number) {
    this.#start = start;
    for (let number = 0; number < count; number++) this.add();
  }

  get running(): readonly Child[] {
    return this.all.filter((child) => child.running);
  }

  add(): Child {
    const child = this.#start(`P${this.all.length + 1}`);
    this.all.push(child);
    return child;
  }

  /** All lines of all that match, in the order of each process. */
  lines(pattern: RegExp): RegExpExecArray[] {
    return this.all.flatMap((child) =>
      child.lines.flatMap((line) => [...line.matchAll(new RegExp(pattern, 'g'))]),
    );
  }

  /** Ends all that still run as an operator would; gives those that ended badly. */
  async stop(): Promise<string[]> {
    const codes = await Promise.all(this.running.map(async (child) => ({ child, code: await child.stop() })));
    return codes.filter(({ code }) => code !== 0).map(({ child, code }) => failureOf(child, code));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((child) => child.kill()));
  }
}

/** The first of them to write, from now on, a line that matches. */
export async function firstToWrite(children: readonly Child[], pattern: RegExp): Promise<Child> {
  const waiting = children.map(async (child) => (await child.wrote(pattern, child.lines.length)) && child);
  return await Promise.any(waiting);
}

export function failureOf(child: Child, code: number): string {
  return `${child.name} ended with ${code}:\n${child.lines.join('\n')}`;
}
