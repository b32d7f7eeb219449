import { Member, type MemberObserver, type MemberOptions } from '../../member/index.ts';
import type { RaftCore, RaftEffects } from '../../raft/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import type { SimulatedDisk } from '../disk/index.ts';
import type { SimulatedNetwork } from '../network/index.ts';
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';
import { startShortTimeoutMember } from './short-timeout-member.ts';

/** What the experiment needs of a member that runs. */
export interface RunningMember {
  /** Proposes an entry that changes nothing. */
  propose(): void;
  connected(): boolean;
}

export interface SeatParts {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly host: Host;
  readonly disk: SimulatedDisk;
  readonly options: Omit<MemberOptions, 'runtime' | 'observer'>;
  /** The width of the range that election timeouts are drawn from, as a part of its least. */
  readonly spread: number;
  onDrained(seat: Seat, effects: RaftEffects): void;
  onFailure(error: unknown): void;
}

/** `Member` takes no shorter ones. */
const leastMemberTimeoutMs = 20;

/** A host with a disk, and the member on it while it runs. */
export class Seat {
  readonly host: Host;
  raft: RaftCore | undefined;
  process: Process | undefined;
  readonly #parts: SeatParts;
  #member: RunningMember | undefined;

  constructor(parts: SeatParts) {
    this.#parts = parts;
    this.host = parts.host;
  }

  start(): void {
    const { world, network, host, disk, options, onFailure } = this.#parts;
    const process = world.startProcess(host.name, host);
    process.attach({ disk: disk.of(process), network: network.of(process) });
    this.process = process;
    const whole = { ...options, runtime: this.#runtime(process.runtime), observer: this.#observer(process) };
    const { electionTimeoutMs } = options;
    const started =
      electionTimeoutMs !== undefined && electionTimeoutMs < leastMemberTimeoutMs
        ? startShortTimeoutMember({ ...whole, electionTimeoutMs })
        : Member.start(whole).then((member) => watched(member, onFailure));
    started.then((member) => {
      if (this.process === process) this.#member = member;
    }, onFailure);
  }

  crash(kind: 'power' | 'process'): void {
    const { process } = this;
    this.process = undefined;
    this.raft = undefined;
    this.#member = undefined;
    if (kind === 'power') this.#parts.network.powerFails(this.host);
    process?.die();
    if (kind === 'power') this.#parts.disk.powerFails();
  }

  propose(): void {
    this.#member?.propose();
  }

  get connected(): boolean {
    return this.#member?.connected() ?? false;
  }

  /**
   * The core draws its timeout from T to 2T. A range of another width comes from draws of another width, which nothing
   * but these timeouts, and waits of a few milliseconds beside them, is made of.
   */
  #runtime(runtime: Runtime): Runtime {
    const { random } = runtime;
    const { spread } = this.#parts;
    return {
      ...runtime,
      random: { unit: () => random.unit() * spread, bytes: (length) => random.bytes(length) },
    };
  }

  #observer(process: Process): MemberObserver {
    return {
      recovered: (raft) => {
        if (this.process === process) this.raft = raft;
      },
      drained: (effects) => {
        if (this.process === process) this.#parts.onDrained(this, effects);
      },
    };
  }
}

function watched(member: Member, onFailure: (error: unknown) => void): RunningMember {
  member.stopped.catch(onFailure);
  return {
    // It may stay without an answer when the leader crashes.
    propose: () => void member.propose({ type: 'tick' }).catch(() => undefined),
    connected: () => member.status().peers.every((peer) => peer.connected),
  };
}
