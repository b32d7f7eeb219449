import { ConclaveError } from '../../errors/index.ts';
import type { KeyspaceMachine } from '../../keyspace/index.ts';
import { type Logger, Member, type MemberOptions } from '../../member/index.ts';
import type { MemberObserver } from '../../member/observer.ts';
import type { RaftCore } from '../../raft/index.ts';
import { serveCalls } from '../calls/index.ts';
import type { DamageRecord, DurableReader, SimulatedDisk } from '../disk/index.ts';
import type { StrikableMember } from '../faults/targets.ts';
import type { SimulatedNetwork } from '../network/index.ts';
import type { MemberSight } from '../observation.ts';
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import { eventKinds } from '../world/scheduler.ts';
import type { World } from '../world/world.ts';
import type { Hub } from './hub.ts';

export const clientPort = 2379;
export const peerPort = 2380;
export const dataDir = '/data';

/** An operator starts a member again after it failed; a supervisor waits so long. */
const restartAfterUs = 300_000;
/** A member that was asked to stop and did not is killed, as supervisors do. */
const stopWithinUs = 5_000_000;

export interface SimulatedMemberParts {
  readonly world: World;
  readonly hub: Hub;
  readonly network: SimulatedNetwork;
  readonly host: Host;
  readonly disk: SimulatedDisk;
  readonly durable: DurableReader;
  readonly damage: () => DamageRecord;
  readonly position: number;
  readonly memberId: number;
  readonly options: MemberSettings;
  /** In lives in which members join and leave. */
  readonly membership?: MemberOfMany | undefined;
}

export type MemberSettings = Omit<MemberOptions, 'runtime' | 'observer' | 'logger'>;

/** How a member is part of a cluster whose members change. */
export interface MemberOfMany {
  /** It was added while the cluster ran. */
  readonly joined: boolean;
  /** How it joins now, with an empty disk. */
  joining(): MemberSettings;
  /** Whether the last committed configuration is without it. */
  isRemoved(): boolean;
  /** It found that its state is not that of the others, and serves no more. */
  takenOut(): void;
}

interface Served {
  close(): Promise<void>;
}

/** A member's host, disk and lives, and the operator who starts it again. */
export class SimulatedMember implements MemberSight, StrikableMember {
  readonly position: number;
  readonly memberId: number;
  readonly host: Host;
  readonly disk: SimulatedDisk;
  readonly durable: DurableReader;
  life = 0;
  running = false;
  raft: RaftCore | undefined;
  keyspace: KeyspaceMachine | undefined;
  process: Process | undefined;
  member: Member | undefined;
  readonly #parts: SimulatedMemberParts;
  #served: Served | undefined;
  /** What its disk had been made to do when this life began: that excuses nothing now. */
  #before = { fullDisk: 0, failedOperations: 0, rottenReads: 0 };
  /** As many faults want it down. */
  #heldDown = 0;
  /** It is not to run any more: lost, or removed and stopped. */
  gone = false;
  /** Its disk is gone for good. */
  lost = false;
  diverged = false;
  /** It was removed and has stopped by itself; its folder is still there. */
  hasLeft = false;
  #wiped = false;
  #onRefusal: (() => void) | undefined;

  constructor(parts: SimulatedMemberParts) {
    this.#parts = parts;
    this.position = parts.position;
    this.memberId = parts.memberId;
    this.host = parts.host;
    this.disk = parts.disk;
    this.durable = parts.durable;
  }

  get name(): string {
    return this.#parts.host.name;
  }

  get damaged(): boolean {
    return this.#parts.damage().damaged(this.position);
  }

  get joined(): boolean {
    const { membership } = this.#parts;
    return membership !== undefined && (membership.joined || this.#wiped);
  }

  get alive(): boolean {
    return this.process?.alive ?? false;
  }

  get leads(): boolean {
    return this.running && this.raft?.status().role === 'leader';
  }

  start(): void {
    if (this.alive || this.#heldDown > 0 || (this.gone && this.#onRefusal === undefined)) return;
    const { world, host, network, disk } = this.#parts;
    const options = this.#options();
    const process = world.startProcess(host.name, host);
    process.attach({ disk: disk.of(process), network: network.of(process) });
    this.process = process;
    this.life += 1;
    const { fullDisk, failedOperations, rottenReads } = this.disk.faults.counts;
    this.#before = { fullDisk, failedOperations, rottenReads };
    this.disk.faults.recovering = true;
    world.note(this.name, () => `starts, life ${this.life}`);
    Member.start({
      ...options,
      runtime: process.runtime,
      observer: this.#observer(process),
      logger: this.#logger(process),
    }).then(
      (member) => this.#startedAs(process, member),
      (error: unknown) => this.#refused(process, error),
    );
  }

  /** One whose disk was replaced joins again, under its old id: the damage record has allowed it. */
  #options(): MemberSettings {
    const { options, membership } = this.#parts;
    if (membership === undefined) return options;
    const { joined } = membership;
    const settings = joined || this.#wiped ? membership.joining() : options;
    return { ...settings, returnsWithoutData: this.#wiped };
  }

  /** Its host is off for good, and its disk with it. */
  lose(): void {
    this.#parts.world.note(this.name, () => 'is lost for good');
    this.losePower();
    this.holdDown();
    this.gone = true;
    this.lost = true;
  }

  /** The operator ends it: nobody expects it, and nobody it knows of is left to tell it so. */
  dismiss(): void {
    this.kill();
    this.gone = true;
  }

  /** It was removed, and is started again with its old folder: it must refuse. */
  returns(refused: () => void): void {
    if (!this.hasLeft || this.alive) return;
    this.#onRefusal = refused;
    this.start();
    if (!this.alive) this.#onRefusal = undefined;
  }

  /** The process is gone at once; what the system had of its writes stays. */
  kill(): void {
    if (!this.alive) return;
    this.#parts.world.note(this.name, () => 'is killed');
    this.#end();
  }

  /** The host is off at once; what was not synced is lost, and nobody closes its sockets. */
  losePower(): void {
    this.#parts.world.note(this.name, () => 'loses power');
    this.#parts.network.powerFails(this.host);
    this.#end();
    this.disk.powerFails();
  }

  powerOn(): void {
    this.#parts.network.powerReturns(this.host);
  }

  /** Replaces the disk by an empty one. The damage record must have allowed it. */
  wipe(): void {
    this.#parts.world.note(this.name, () => 'gets an empty disk');
    this.#end();
    this.#wiped = true;
    this.disk.wipe();
    this.#parts.hub.memberWiped(this);
  }

  /** It is not started again until as many `release`. */
  holdDown(): void {
    this.#heldDown += 1;
  }

  release(): void {
    this.#heldDown -= 1;
    this.start();
  }

  stop(): void {
    this.#stopped().catch((error: unknown) => this.#parts.hub.fail(error));
  }

  /** SIGTERM: as `conclave serve` does on it. */
  async #stopped(): Promise<void> {
    const { process, member } = this;
    if (!process?.alive) return;
    this.#parts.world.note(this.name, () => 'is asked to stop');
    this.#parts.world.scheduler.after(stopWithinUs, eventKinds.fault, undefined, () => {
      if (this.process !== process) return;
      this.kill();
      this.#startLater();
    });
    if (member === undefined) {
      this.kill();
      return;
    }
    await member.prepareToStop();
    await this.#served?.close();
    await member.stop();
    if (this.process !== process) return;
    this.#end();
    this.#startLater();
  }

  #end(): void {
    const { process, running } = this;
    if (process === undefined) return;
    if (running) this.#parts.hub.memberEnded(this);
    this.running = false;
    this.raft = undefined;
    this.keyspace = undefined;
    this.member = undefined;
    this.#served = undefined;
    this.process = undefined;
    process.die();
  }

  #observer(process: Process): MemberObserver {
    const { hub } = this.#parts;
    let recovering = true;
    return {
      recovered: (raft, keyspace) => {
        if (this.process !== process) return;
        recovering = false;
        if (this.gone) hub.fail(new Error(`${this.name} was removed, has stopped for it, and runs again`));
        this.raft = raft;
        if (hub.listensToReads) this.#tellReads(raft);
        this.keyspace = keyspace;
        this.running = true;
        this.disk.faults.readsAreRight();
        this.disk.faults.recovering = false;
        this.#parts.damage().review();
        hub.memberStarted(this);
      },
      drained: (effects) => {
        if (process.alive) hub.drained(this, effects);
      },
      applied: (entry, results) => {
        if (process.alive) hub.applied(this, entry, results);
      },
      installed: (snapshot) => {
        if (process.alive && !recovering) hub.installed(this, snapshot);
      },
    };
  }

  /** What is asked of the core passes by here. */
  #tellReads(raft: RaftCore): void {
    const own = raft as { step: RaftCore['step'] };
    const step = raft.step.bind(raft);
    own.step = (event, nowMs) => {
      if (event.type === 'read') this.#parts.hub.asked(this, event.readId);
      step(event, nowMs);
    };
  }

  #logger(process: Process): Logger {
    const { world } = this.#parts;
    const write = (fields: object, message: string): void =>
      world.note(process.name, () => `${message} ${JSON.stringify(fields)}`);
    return { debug() {}, info: write, warn: write, error: write };
  }

  #startedAs(process: Process, member: Member): void {
    if (this.process !== process) return;
    this.member = member;
    member.stopped.catch((error: unknown) => this.#failed(process, error));
    serveCalls(member, {
      address: { host: this.host.address, port: clientPort },
      runtime: process.runtime,
      // Passwords that nobody is to guess.
      auth: { passwordCostLog2: 1 },
    }).then(
      (served) => {
        if (this.process === process) this.#served = served;
      },
      (error: unknown) => this.#parts.hub.fail(error),
    );
  }

  /** It stopped by itself: only a disk that was made to fail may bring that about. */
  #failed(process: Process, error: unknown): void {
    if (this.process !== process || this.#leaves(error) || this.#isTakenOut(error)) return;
    if (!this.#excused(error)) {
      this.#parts.hub.fail(new Error(`${this.name} stopped by itself: ${describe(error)}`, { cause: error }));
      return;
    }
    this.#end();
    this.#startLater();
  }

  #refused(process: Process, error: unknown): void {
    if (this.process !== process || this.#leaves(error) || this.#isTakenOut(error)) return;
    if (!this.#excused(error) && !this.#cannotJoin(error)) {
      this.#parts.hub.fail(new Error(`${this.name} refused to start: ${describe(error)}`, { cause: error }));
      return;
    }
    this.#parts.world.note(this.name, () => `refused to start: ${describe(error)}`);
    this.#end();
    if (ConclaveError.is(error, 'data-damaged') && this.damaged) this.#replaceDisk();
    else this.#startLater();
  }

  /** Whether it has stopped, or not started, because it was removed, which it must have been. */
  #leaves(error: unknown): boolean {
    const { membership, world } = this.#parts;
    if (!ConclaveError.is(error, 'removed') || membership?.isRemoved() !== true) return false;
    world.note(this.name, () => 'has left');
    this.#end();
    this.gone = true;
    this.hasLeft = true;
    this.#onRefusal?.();
    this.#onRefusal = undefined;
    return true;
  }

  /** Whether it has stopped, or not started, because its state differs, as it does: its folder never counts again. */
  #isTakenOut(error: unknown): boolean {
    const { membership, world } = this.#parts;
    if (!ConclaveError.is(error, 'data-damaged') || !this.diverged || membership === undefined) return false;
    world.note(this.name, () => 'is taken out');
    this.#end();
    this.holdDown();
    this.gone = true;
    this.lost = true;
    membership.takenOut();
    return true;
  }

  /** Nobody was there to ask, or who was asked does not expect it, or not any more. */
  #cannotJoin(error: unknown): boolean {
    if (!this.joined) return false;
    return ConclaveError.is(error, 'unavailable') || ConclaveError.is(error, 'failed-precondition');
  }

  #excused(error: unknown): boolean {
    if (!ConclaveError.is(error)) return false;
    const { fullDisk, failedOperations, rottenReads } = this.disk.faults.counts;
    if (error.code === 'disk-full') return fullDisk > this.#before.fullDisk;
    if (error.code === 'disk-failed') return failedOperations > this.#before.failedOperations;
    return error.code === 'data-damaged' && (this.damaged || rottenReads > this.#before.rottenReads);
  }

  #startLater(): void {
    const { scheduler } = this.#parts.world;
    scheduler.after(restartAfterUs, eventKinds.fault, undefined, () => this.start());
  }

  /** The operator's answer to damage: an empty disk, as soon as the others hold all that this one held. */
  #replaceDisk(): void {
    const { world } = this.#parts;
    if (this.#parts.damage().harm(this.position, () => this.wipe())) {
      this.start();
      return;
    }
    world.scheduler.after(restartAfterUs, eventKinds.fault, undefined, () => {
      if (!this.alive) this.#replaceDisk();
    });
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
