import type { KeyspaceMachine } from '../../keyspace/index.ts';
import { Member } from '../../member/index.ts';
import type { MemberObserver } from '../../member/observer.ts';
import type { RaftCore } from '../../raft/index.ts';
import { serveCalls } from '../calls/index.ts';
import type { DurableReader, SimulatedDisk } from '../disk/index.ts';
import type { StrikableMember } from '../faults/targets.ts';
import type { MemberSight } from '../observation.ts';
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import { eventKinds } from '../world/scheduler.ts';
import { loggerOf, observerOf } from './member-observer.ts';
import { clientPort, type MemberSettings, type SimulatedMemberParts } from './member-parts.ts';
import { OwnEnds } from './own-end.ts';

/** An operator starts a member again after it failed; a supervisor waits so long. */
const restartAfterUs = 300_000;
/** A member that was asked to stop and did not is killed, as supervisors do. */
const stopWithinUs = 5_000_000;

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
  readonly #ownEnds: OwnEnds;
  #served: Served | undefined;
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
    this.#ownEnds = new OwnEnds(parts.disk.faults);
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
    this.#ownEnds.lifeBegins();
    this.disk.faults.recovering = true;
    world.note(this.name, () => `starts, life ${this.life}`);
    Member.start({
      ...options,
      runtime: process.runtime,
      observer: this.#observer(process),
      logger: loggerOf(process, world),
    }).then(
      (member) => this.#startedAs(process, member),
      (error: unknown) => this.#endsByItself(process, error, 'refused to start'),
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
    const { hub, damage } = this.#parts;
    return observerOf(process, {
      hub,
      member: this,
      isPresent: () => this.process === process,
      recovered: (raft, keyspace) => {
        if (this.gone) hub.fail(new Error(`${this.name} was removed, has stopped for it, and runs again`));
        this.raft = raft;
        this.keyspace = keyspace;
        this.running = true;
        this.disk.faults.readsAreRight();
        this.disk.faults.recovering = false;
        damage().review();
      },
    });
  }

  #startedAs(process: Process, member: Member): void {
    if (this.process !== process) return;
    this.member = member;
    member.stopped.catch((error: unknown) => this.#endsByItself(process, error, 'stopped by itself'));
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

  #endsByItself(process: Process, error: unknown, how: 'stopped by itself' | 'refused to start'): void {
    if (this.process !== process) return;
    const { world, hub, membership } = this.#parts;
    const { diverged, damaged, joined } = this;
    const starting = how === 'refused to start';
    const end = this.#ownEnds.judge(error, { starting, membership, diverged, damaged, joined });
    if (end === 'wrong') {
      hub.fail(new Error(`${this.name} ${how}: ${describe(error)}`, { cause: error }));
      return;
    }
    world.note(this.name, () => `${how} (${end}): ${describe(error)}`);
    const { term, lastIndex } = this.raft?.status() ?? {};
    this.#end();
    // One that never had anything leaves its folder vacant: whoever is started there begins anew, and is refused by others.
    if (end === 'removed') this.#hasGone(term !== 0 || lastIndex !== 0);
    else if (end === 'taken-out') {
      // Its folder never counts again.
      this.holdDown();
      this.gone = true;
      this.lost = true;
      membership?.takenOut();
    } else if (starting && end === 'disk-damaged') this.#replaceDisk();
    else this.#startLater();
  }

  #hasGone(hasLeft: boolean): void {
    this.gone = true;
    this.hasLeft = hasLeft;
    this.#onRefusal?.();
    this.#onRefusal = undefined;
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
