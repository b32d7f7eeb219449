import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface Step {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Runs when the command has ended, however it ended. */
  readonly after?: () => void;
}

/** Runs all steps in turn, whatever fails, with their output as it comes, and sums up. */
export function runSteps(steps: readonly Step[]): boolean {
  const lines: string[] = [];
  let good = true;
  for (const step of steps) {
    console.log(`\n── ${step.name}`);
    const start = performance.now();
    const { status, signal, error } = spawnSync(step.command, step.args, {
      cwd: join(import.meta.dirname, '..'),
      stdio: 'inherit',
    });
    step.after?.();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const why = error?.message ?? signal ?? `exit code ${status}`;
    lines.push(`${status === 0 ? '✔' : '✖'} ${step.name} (${seconds} s)${status === 0 ? '' : `: ${why}`}`);
    good &&= status === 0;
  }
  console.log(`\n${lines.join('\n')}`);
  return good;
}
