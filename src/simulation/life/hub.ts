import type { CommandResult } from '../../keyspace/index.ts';
import type { Entry, RaftEffects, RaftMessage, SnapshotMeta } from '../../raft/index.ts';
import { CommittedEntries } from '../checkers/committed-log.ts';
import { Configurations } from '../checkers/configurations.ts';
import type { Backlog, Checker, CheckerFactory, LifeSight, MemberSight } from '../observation.ts';
import type { Draw } from '../world/random.ts';
import type { World } from '../world/world.ts';

type Hook = Exclude<keyof Checker, 'name' | 'claim'>;
type With<H extends Hook> = Checker & Required<Pick<Checker, H>>;

/**
 * Where everything that happens in a life is told to the checkers that look at it. The first violation is kept and
 * ends the life with the step in which it happened; it never disturbs the code that is looked at.
 */
export class Hub implements LifeSight {
  readonly committed = new CommittedEntries();
  readonly configurations = new Configurations(this.committed);
  readonly clockDriftRate: number;
  members: readonly MemberSight[] = [];
  readonly backlog = { peer: { bytes: 0, from: '' }, client: { bytes: 0, from: '' } } satisfies Backlog;
  /** Members join and leave. To be said before checkers are added. */
  changing = false;
  /** The first thing that went wrong. */
  failure: unknown;
  readonly #world: World;
  readonly #random: Draw;
  readonly #checkers: Checker[] = [];
  #started: With<'memberStarted'>[] = [];
  #endedLives: With<'memberEnded'>[] = [];
  #wiped: With<'memberWiped'>[] = [];
  #asked: With<'asked'>[] = [];
  #drained: With<'drained'>[] = [];
  #sent: With<'sent'>[] = [];
  #durable: With<'durable'>[] = [];
  #applied: With<'applied'>[] = [];
  #installed: With<'installed'>[] = [];
  #committedFirst: With<'committed'>[] = [];
  #settled: With<'settled'>[] = [];

  constructor(world: World, clockDriftRate: number) {
    this.#world = world;
    this.#random = world.random('checkers');
    this.clockDriftRate = clockDriftRate;
  }

  get nowUs(): number {
    return this.#world.nowUs;
  }

  random(label: string): Draw {
    return this.#random.fork(label);
  }

  /** Whether anybody listens to the wire: it is worth decoding then. */
  get listensToWire(): boolean {
    return this.#sent.length > 0;
  }

  add(...factories: readonly CheckerFactory[]): void {
    for (const factory of factories) this.#checkers.push(factory(this));
    this.#started = this.#having('memberStarted');
    this.#endedLives = this.#having('memberEnded');
    this.#wiped = this.#having('memberWiped');
    this.#asked = this.#having('asked');
    this.#drained = this.#having('drained');
    this.#sent = this.#having('sent');
    this.#durable = this.#having('durable');
    this.#applied = this.#having('applied');
    this.#installed = this.#having('installed');
    this.#committedFirst = this.#having('committed');
    this.#settled = this.#having('settled');
  }

  /** Something is wrong, as seen by others than the checkers. */
  fail(error: unknown): void {
    this.failure ??= error;
  }

  /** Throws the first violation. Called when a step is over. */
  settled(): void {
    if (this.failure === undefined) {
      try {
        for (const checker of this.#settled) checker.settled();
      } catch (error) {
        this.failure = error;
      }
    }
    if (this.failure !== undefined) throw this.failure;
  }

  /** What must hold in the end. */
  ended(): void {
    this.#tell(this.#having('ended'), (checker) => checker.ended());
    if (this.failure !== undefined) throw this.failure;
  }

  memberStarted(member: MemberSight): void {
    this.configurations.started(member);
    this.#tell(this.#started, (checker) => checker.memberStarted(member));
  }

  memberEnded(member: MemberSight): void {
    this.#tell(this.#endedLives, (checker) => checker.memberEnded(member));
  }

  memberWiped(member: MemberSight): void {
    this.#tell(this.#wiped, (checker) => checker.memberWiped(member));
  }

  asked(member: MemberSight, readId: number): void {
    this.#tell(this.#asked, (checker) => checker.asked(member, readId));
  }

  // Those that are called thousands of times in each simulated minute do without #tell's callback.

  drained(member: MemberSight, effects: RaftEffects): void {
    if (this.failure === undefined) {
      try {
        this.configurations.drained(member, effects);
        for (const checker of this.#drained) checker.drained(member, effects);
      } catch (error) {
        this.failure = error;
      }
    }
    for (const entry of effects.committed) {
      if (!this.committed.add(entry, this.nowUs)) continue;
      this.configurations.add(entry);
      this.#tell(this.#committedFirst, (checker) => checker.committed(entry, member));
    }
  }

  sent(from: MemberSight, to: MemberSight, message: RaftMessage): void {
    if (this.failure !== undefined) return;
    try {
      for (const checker of this.#sent) checker.sent(from, to, message);
    } catch (error) {
      this.failure = error;
    }
  }

  durable(member: MemberSight): void {
    if (this.failure !== undefined) return;
    try {
      for (const checker of this.#durable) checker.durable(member);
    } catch (error) {
      this.failure = error;
    }
  }

  applied(member: MemberSight, entry: Entry, results: readonly CommandResult[]): void {
    if (this.failure !== undefined) return;
    try {
      for (const checker of this.#applied) checker.applied(member, entry, results);
    } catch (error) {
      this.failure = error;
    }
  }

  installed(member: MemberSight, snapshot: SnapshotMeta): void {
    this.#tell(this.#installed, (checker) => checker.installed(member, snapshot));
  }

  #having<H extends Hook>(hook: H): With<H>[] {
    return this.#checkers.filter((checker): checker is With<H> => checker[hook] !== undefined);
  }

  #tell<C>(checkers: readonly C[], look: (checker: C) => void): void {
    if (this.failure !== undefined) return;
    try {
      for (const checker of checkers) look(checker);
    } catch (error) {
      this.failure = error;
    }
  }
}
