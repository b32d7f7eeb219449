import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { System } from './systems.ts';

export interface Usage {
  readonly cpuMs: number;
  readonly residentMiB: number;
}

const ticksPerSecond = (): number => Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** From Linux's /proc; elsewhere this cannot be measured. */
export async function usage(pid: number): Promise<Usage> {
  // The second field is the command in parentheses and may hold spaces; user and system time are the 14th and 15th.
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return {
    cpuMs: (ticks * 1000) / ticksPerSecond(),
    residentMiB: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
  };
}

function usages(system: System): Promise<Usage[]> {
  return Promise.all(system.members.map((member) => usage(member.process.pid as number)));
}

/** What the members together use of the processor while something is done. */
export class CpuMeter {
  readonly #system: System;
  readonly #startMs = performance.now();
  readonly #cpuMs: number;

  static async start(system: System): Promise<CpuMeter> {
    return new CpuMeter(system, await cpuOf(system));
  }

  private constructor(system: System, cpuMs: number) {
    this.#system = system;
    this.#cpuMs = cpuMs;
  }

  async usedMs(): Promise<number> {
    return (await cpuOf(this.#system)) - this.#cpuMs;
  }

  /** In words, as a part of one core. */
  async told(): Promise<string> {
    const share = (await this.usedMs()) / (performance.now() - this.#startMs);
    return `members' CPU ${Math.round(share * 100)} % of a core`;
  }
}

async function cpuOf(system: System): Promise<number> {
  return (await usages(system)).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}
