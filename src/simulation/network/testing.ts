import type { Connection, Disk } from '../../runtime/types.ts';
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import { World } from '../world/world.ts';
import { SimulatedNetwork, type SimulatedNetworkOptions } from './network.ts';

/** For tests: hosts `a`, `b`, `c` with a process each, which have a network and no disk. */
export class TestingWorld {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly hosts: readonly Host[];
  readonly processes: readonly Process[];

  constructor(seed: number, options?: SimulatedNetworkOptions) {
    this.world = new World({ seed });
    this.network = new SimulatedNetwork(this.world, this.world.random('network'), options);
    this.hosts = ['a', 'b', 'c'].map((name) => this.world.addHost(name));
    this.processes = this.hosts.map((host) => this.start(host));
  }

  start(host: Host, disk?: Disk): Process {
    const process = this.world.startProcess(`on ${host.name}`, host);
    process.attach({ disk: disk ?? (undefined as unknown as Disk), network: this.network.of(process) });
    return process;
  }

  host(position: number): Host {
    return this.hosts[position] as Host;
  }

  process(position: number): Process {
    return this.processes[position] as Process;
  }

  run(ms: number, enough?: () => boolean): Promise<void> {
    return this.world.scheduler.run(this.world.nowUs + ms * 1000, enough);
  }

  /** Runs until the promise is settled. */
  until<T>(promise: Promise<T>, withinMs?: number): Promise<T> {
    return this.world.until(promise, withinMs);
  }

  /** A connection from process `from` to process `to`, both ends with what they have heard. */
  async pair(from = 0, to = 1, port = 7000): Promise<[Heard, Heard]> {
    let accept: (connection: Connection) => void = () => {};
    const accepted = new Promise<Connection>((resolve) => {
      accept = resolve;
    });
    const { host } = this.process(to);
    const listener = await this.network.of(this.process(to)).listen({ host: host.address, port }, accept);
    const near = await this.until(
      this.network.of(this.process(from)).connect({ host: host.address, port }, { timeoutMs: 10_000 }),
    );
    const far = await this.until(accepted);
    await listener.close();
    return [new Heard(near), new Heard(far)];
  }
}

/** What one end of a connection heard. */
export class Heard {
  readonly connection: Connection;
  readonly chunks: Uint8Array[] = [];
  bytes = 0;
  closes: string[] = [];

  constructor(connection: Connection) {
    this.connection = connection;
    connection.onData = (chunk) => {
      this.chunks.push(chunk);
      this.bytes += chunk.length;
    };
    connection.onClose = (cause) => this.closes.push(cause);
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }

  write(text: string): void {
    this.connection.write([Buffer.from(text)]);
  }
}
