import { type ConclaveClient, connectClient, type TransportFactory } from '../../client/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { unlessUsual } from '../elections/usual-failures.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import { eventKinds } from '../world/scheduler.ts';
import type { World } from '../world/world.ts';
import { firstKeptLease, keptLeaseTtlMs, keptPrefix, restingKey } from './kept.ts';

export interface KeeperOptions {
  readonly world: World;
  readonly endpoints: readonly string[];
  readonly transport: (runtime: Runtime) => TransportFactory;
  readonly equip: (process: Process) => void;
  readonly onFailure: (error: unknown) => void;
}

const keys = 4;
const timeoutMs = 3000;

/** A client that writes what may differ between members, and nothing else. No fault strikes it. */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #draw: Draw;
  #stopped = false;
  #written = 0;
  #leases = 0n;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#draw = options.world.random('keeper');
  }

  start(): void {
    const { world, endpoints, transport, equip, onFailure } = this.#options;
    const process = world.startProcess('keeper', world.addHost('keeper'));
    equip(process);
    const { runtime } = process;
    const client = connectClient({ endpoints, runtime, name: 'keeper', transport: transport(runtime) });
    this.#keep(process, client).catch(onFailure);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #keep(process: Process, client: ConclaveClient): Promise<void> {
    while (!(await this.#done(client.put(restingKey, 'what stays as it is', { timeoutMs }))));
    while (!this.#stopped) {
      await new Promise<void>((resolve) => {
        process.after(this.#draw.between(100, 500) * 1000, eventKinds.workload, resolve);
      });
      if (this.#draw.chance(0.25)) await this.#grant(client);
      else {
        this.#written += 1;
        const key = `${keptPrefix}${this.#draw.below(keys)}`;
        await this.#done(client.put(key, `kept ${this.#written}`, { timeoutMs }));
      }
    }
    await client.close();
    process.die();
  }

  async #grant(client: ConclaveClient): Promise<void> {
    this.#leases += 1n;
    const lease = firstKeptLease + this.#leases;
    await this.#done(client.leaseGrant(keptLeaseTtlMs, { lease, timeoutMs }));
  }

  async #done(asked: Promise<unknown>): Promise<boolean> {
    try {
      await asked;
      return true;
    } catch (error) {
      // A lease may have been granted by a call whose answer was lost.
      unlessUsual(error, 'already-exists');
      return false;
    }
  }
}
