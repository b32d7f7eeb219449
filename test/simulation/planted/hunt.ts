import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LifeOptions } from '../../../src/simulation/life/types.ts';
import type { PlantedBug } from './bug.ts';
import { apply, copySource, plant } from './plant.ts';

export interface HuntOptions {
  readonly life: Omit<LifeOptions, 'seed'>;
  /** As the bug has it. */
  readonly graphs?: 3 | 5 | undefined;
  readonly core?: PlantedBug['core'] | undefined;
  /** The first seed. */
  readonly from: number;
  /** How many at most. */
  readonly seeds: number;
  /** Of one core: no further life is begun after that. */
  readonly seconds: number;
}

export interface Outcome {
  /** How many were lived. */
  readonly seeds: number;
  readonly simulatedMs: number;
  /** Of one core. */
  readonly usedSeconds: number;
  readonly elapsedSeconds: number;
  /** What ended it; undefined: every claim held. */
  readonly caught:
    | { readonly seed: number; readonly checker: string; readonly message: string; readonly atMs: number }
    | undefined;
}

export interface Hunt {
  readonly bug: PlantedBug;
  readonly outcome: Outcome;
  /** One of the checkers that the bug names has found it. */
  readonly found: boolean;
}

export const firstSeed = 1;
export const limitSeconds = 60;

/** Plants the bug and lives until a checker catches it. */
export async function hunt(
  bug: PlantedBug,
  { seconds = limitSeconds, from = firstSeed }: { seconds?: number; from?: number } = {},
): Promise<Hunt> {
  const scratch = copySource();
  try {
    plant(bug, scratch.folder);
    const { graphs, core } = bug;
    const options = { life: lifeOf(bug), graphs, core, from, seeds: Number.MAX_SAFE_INTEGER, seconds };
    const outcome = await liveSeeds(scratch.folder, options);
    const { caught } = outcome;
    return { bug, outcome, found: caught !== undefined && bug.checkers.includes(caught.checker) };
  } finally {
    scratch.remove();
  }
}

/** The same lives, as many seeds, in the source as it is. */
export async function liveWithout(
  bug: PlantedBug,
  { seeds, from = firstSeed }: { seeds: number; from?: number },
): Promise<Outcome> {
  const scratch = copySource();
  try {
    apply(`settings for ${bug.id}`, bug.settings ?? [], scratch.folder);
    const { graphs, core } = bug;
    return await liveSeeds(scratch.folder, {
      life: lifeOf(bug),
      graphs,
      core,
      from,
      seeds,
      seconds: 3600,
    });
  } finally {
    scratch.remove();
  }
}

/** Nothing is shared, unless the bug is in that: its checkers might find other bugs first, and it takes time. */
function lifeOf({ life }: PlantedBug): PlantedBug['life'] {
  return { sharing: 'none', ...life };
}

/** What the process has had of a core; undefined where the system does not say. */
function cpuSecondsOf(pid: number | undefined): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    // User and system time in hundredths of a second, as Linux counts for programs on all its machines.
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return undefined;
  }
}

/** Lives on the source in `folder`, in a process of its own. */
export function liveSeeds(folder: string, options: HuntOptions): Promise<Outcome> {
  const script = join(import.meta.dirname, 'live-seeds.ts');
  const child = spawn(process.execPath, [script, folder, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    let said = '';
    let complained = '';
    let late = false;
    // A bug may keep a life from ever coming to its end; that is no catch. Neighbours on the machine do not count.
    const timer = setInterval(() => {
      const usedSeconds = cpuSecondsOf(child.pid) ?? (performance.now() - startMs) / 1000;
      if (usedSeconds < options.seconds * 2 + 20) return;
      late = true;
      child.kill('SIGKILL');
    }, 1000);
    child.stdout.on('data', (data: Buffer) => {
      said += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      complained = (complained + data.toString()).slice(-4000);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(timer);
      const elapsedSeconds = (performance.now() - startMs) / 1000;
      const line = said.trimEnd().split('\n').at(-1) ?? '';
      if (late)
        resolve({ seeds: 0, simulatedMs: 0, usedSeconds: elapsedSeconds, elapsedSeconds, caught: undefined });
      else if (code === 0 && line.startsWith('{')) resolve(JSON.parse(line));
      else reject(new Error(`The lives ended with code ${code}: ${complained || said}`));
    });
  });
}
