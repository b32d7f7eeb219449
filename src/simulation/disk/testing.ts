import type { Disk } from '../../runtime/types.ts';
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import { World } from '../world/world.ts';
import { SimulatedDisk } from './simulated-disk.ts';

/** For tests: one host, its disk, and the process that lives on it now. */
export class DiskBench {
  readonly world: World;
  readonly host: Host;
  readonly disk: SimulatedDisk;
  process: Process;
  view: Disk;

  constructor(seed = 1) {
    this.world = new World({ seed });
    this.host = this.world.addHost('a');
    this.disk = new SimulatedDisk(this.world, this.host, this.world.random('disk'));
    this.process = this.world.startProcess('member', this.host);
    this.view = this.disk.of(this.process);
  }

  restart(options: { powerFails?: boolean } = {}): Disk {
    this.process.die();
    if (options.powerFails) this.disk.powerFails();
    this.process = this.world.startProcess('member', this.host);
    this.view = this.disk.of(this.process);
    return this.view;
  }

  /** Lets time pass until this is settled. Rejects as it does. */
  async during<T>(work: Promise<T>): Promise<T> {
    let over = false;
    const watched = work.finally(() => {
      over = true;
    });
    watched.catch(() => {});
    await this.world.scheduler.run(this.world.nowUs + 60_000_000, () => over);
    if (!over) throw new Error('It did not end within a minute of virtual time.');
    return watched;
  }

  async passes(us: number): Promise<void> {
    await this.world.scheduler.run(this.world.nowUs + us);
  }
}
