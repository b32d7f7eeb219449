import { type ConclaveClient, connectClient } from '../../client/index.ts';
import type { Command } from '../../keyspace/index.ts';
import { simulatedTransport } from '../calls/index.ts';
import { SharedFolder } from '../disk/index.ts';
import type { SimulatedCluster } from '../life/cluster.ts';
import type { SimulatedMember } from '../life/simulated-member.ts';
import type { SimulatedNetwork } from '../network/index.ts';
import { eventKinds } from '../world/scheduler.ts';
import type { World } from '../world/world.ts';

const pauseUs = 150_000;
const writeWithinMs = 1500;

/** Writes one key after the other, the next one when the last one ended, and remembers what was acknowledged. */
export class Writer {
  readonly name: string;
  /** When the write that was acknowledged last was submitted, and when it was acknowledged; true time. */
  submittedUs = -1;
  acknowledgedUs = -1;
  acknowledged = 0;
  /** The longest time without an acknowledgement since `measure`. */
  #longestGapUs = 0;
  #sinceUs = 0;
  readonly #world: World;
  readonly #write: (key: string) => Promise<unknown>;
  #writes = 0;
  #stopped = false;
  #pending = false;

  constructor(world: World, name: string, write: (key: string) => Promise<unknown>) {
    this.#world = world;
    this.name = name;
    this.#write = write;
    this.#next();
  }

  measure(): void {
    this.#sinceUs = this.#world.nowUs;
    this.#longestGapUs = 0;
  }

  get longestGapMs(): number {
    return Math.max(this.#longestGapUs, this.#world.nowUs - this.#sinceUs) / 1000;
  }

  /** Something that was submitted after this time has been acknowledged. */
  servedSince(us: number): boolean {
    return this.submittedUs > us;
  }

  get idle(): boolean {
    return !this.#pending;
  }

  stop(): void {
    this.#stopped = true;
  }

  #next(): void {
    const world = this.#world;
    world.scheduler.after(pauseUs, eventKinds.workload, undefined, () => {
      if (this.#stopped) return;
      const submittedUs = world.nowUs;
      this.#pending = true;
      this.#write(`${this.name}/${++this.#writes}`).then(
        () => {
          this.acknowledged += 1;
          this.submittedUs = submittedUs;
          this.acknowledgedUs = world.nowUs;
          this.#longestGapUs = Math.max(this.#longestGapUs, world.nowUs - this.#sinceUs);
          this.#sinceUs = world.nowUs;
          this.#over();
        },
        () => this.#over(),
      );
    });
  }

  #over(): void {
    this.#pending = false;
    if (!this.#stopped) this.#next();
  }
}

/** Writes through one member only, as an app that embeds it. */
export function memberWriter(world: World, subject: SimulatedMember): Writer {
  return new Writer(world, subject.name, (key) => {
    const { member } = subject;
    if (member === undefined) return Promise.reject(new Error(`${subject.name} is down.`));
    return member.propose(put(key), { timeoutMs: writeWithinMs });
  });
}

/** A client that reaches all members. */
export class ClientWriter {
  readonly writer: Writer;
  readonly #client: ConclaveClient;

  constructor(world: World, network: SimulatedNetwork, cluster: SimulatedCluster) {
    const process = world.startProcess('client', world.addHost('client'));
    const shared = new SharedFolder(world, world.random('shared folder'));
    process.attach({ disk: shared.of(process), network: network.of(process) });
    const { runtime } = process;
    const transport = simulatedTransport(runtime);
    this.#client = connectClient({ endpoints: cluster.endpoints, runtime, transport, name: 'client' });
    this.writer = new Writer(world, 'client', (key) =>
      this.#client.put(key, 'value', { timeoutMs: writeWithinMs }),
    );
  }
}

function put(key: string): Command {
  const bytes = new TextEncoder().encode(key);
  const request = {
    ...{ key: bytes, value: bytes, lease: 0n, prevKv: false },
    ...{ ignoreValue: false, ignoreLease: false },
  };
  return { type: 'put', request };
}
