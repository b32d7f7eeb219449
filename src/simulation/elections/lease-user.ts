import { pause } from '../../client/calls.ts';
import type { ConclaveClient } from '../../client/index.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import type { ElectionReports } from './reports.ts';
import { drawTtlMs } from './settings.ts';
import { unlessUsual } from './usual-failures.ts';

export interface LeaseUserParts {
  readonly process: Process;
  readonly random: Draw;
  readonly reports: ElectionReports;
  readonly client: ConclaveClient;
}

interface HeldLease {
  readonly lease: bigint;
  readonly ttlMs: number;
  readonly key: string;
  /** True time after the last request that may have renewed it was answered or given up for good. */
  untouchedSinceUs: number;
}

/** Takes a lease with a key on it, keeps it alive for a while, stops, and looks when it goes. */
export class LeaseUserProgram {
  /** A lease that it stopped renewing has gone since everything was healed. */
  completed = false;
  readonly #parts: LeaseUserParts;
  readonly #stop = new AbortController();

  constructor(parts: LeaseUserParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { process, random, reports } = this.#parts;
    while (!this.#stop.signal.aborted) {
      try {
        const held = await this.#take();
        await this.#keepAlive(held);
        const last = reports.healedUs !== undefined;
        if (random.chance(0.2)) await this.#parts.client.leaseRevoke(held.lease, { timeoutMs: 1000 });
        else await this.#lookWhenItGoes(held);
        if (last) this.completed = true;
      } catch (error) {
        unlessUsual(error);
      }
      await pause(process.runtime, random.between(0, 300), this.#stop.signal);
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  async #take(): Promise<HeldLease> {
    const { client, random, process, reports } = this.#parts;
    const { lease, ttlMs } = await client.leaseGrant(drawTtlMs(random), { timeoutMs: 2000 });
    const key = `leases/${process.name}/${lease.toString(16)}`;
    await client.put(key, process.name, { lease, timeoutMs: 2000 });
    return { lease, ttlMs, key, untouchedSinceUs: reports.nowUs };
  }

  async #keepAlive(held: HeldLease): Promise<void> {
    const { client, random, process, reports } = this.#parts;
    const { signal } = this.#stop;
    for (let left = random.between(0, 6); left > 0 && !signal.aborted; left--) {
      await pause(process.runtime, held.ttlMs * (0.2 + random.unit() / 4), signal);
      const renewing = client.renewLease(held.lease, { timeoutMs: Math.max(50, held.ttlMs / 3) });
      const ttlMs = await renewing.catch(unlessUsual);
      held.untouchedSinceUs = reports.nowUs;
      if (ttlMs === 0) return;
    }
  }

  async #lookWhenItGoes({ lease, ttlMs, key, untouchedSinceUs }: HeldLease): Promise<void> {
    const { client, process, reports } = this.#parts;
    while (!this.#stop.signal.aborted) {
      await pause(process.runtime, ttlMs / 4, this.#stop.signal);
      const sentUs = reports.nowUs;
      let isThere: boolean;
      try {
        isThere = (await client.get(key, { timeoutMs: 1000 })) !== undefined;
      } catch (error) {
        unlessUsual(error);
        continue;
      }
      if (!isThere) return reports.tell('leaseMissing', lease);
      // True at some moment after the request was sent; only then is it known to have been there.
      reports.tell('leaseThere', lease, ttlMs, untouchedSinceUs, sentUs);
    }
  }
}
