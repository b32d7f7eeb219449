import {
  type Entry,
  type MemberId,
  Raft,
  type RaftEffects,
  type RaftEvent,
  type RaftMessage,
  type RaftOptions,
  type RaftStatus,
} from '../../src/raft/index.ts';
import { bringsAnything } from '../../src/raft/testing.ts';
import { SimulatedDisk } from './disk.ts';

/** What a member's driver does with the world. Messages given to `send` have left the member. */
export interface MemberSurroundings {
  now(member: MemberId): number;
  send(message: RaftMessage): void;
  /** Called for each drain before its effects are carried out. */
  effects(member: SimulatedMember, effects: RaftEffects): void;
}

/** One pure core with the smallest driver that keeps to the duties in src/raft/index.ts, on a simulated disk. */
export class SimulatedMember {
  readonly id: MemberId;
  readonly disk: SimulatedDisk;
  /** True: writes wait until `completeWrite`; false: they are durable at once. */
  diskHeld = false;
  /** What the state machine has taken since the last start, by index; a snapshot stands for what is before it. */
  applied: Entry[] = [];
  appliedIndex = 0;
  readonly #options: () => RaftOptions;
  readonly #surroundings: MemberSurroundings;
  #core: Raft | undefined;
  /** Messages that wait for the disk, with the write that they wait for. */
  #afterPersist: { readonly persistId: number; readonly messages: readonly RaftMessage[] }[] = [];

  constructor(
    id: MemberId,
    options: () => RaftOptions,
    surroundings: MemberSurroundings,
    disk = new SimulatedDisk(),
  ) {
    this.id = id;
    this.disk = disk;
    this.#options = options;
    this.#surroundings = surroundings;
  }

  get running(): boolean {
    return this.#core !== undefined;
  }

  get core(): Raft {
    if (this.#core === undefined) throw new Error(`member ${this.id} is not running`);
    return this.#core;
  }

  get status(): RaftStatus {
    return this.core.status();
  }

  start(): void {
    this.#core = new Raft(this.#options(), this.disk.read(), this.#surroundings.now(this.id));
    this.applied = [];
    this.appliedIndex = this.disk.snapshot?.index ?? 0;
    this.drain();
  }

  crash(): void {
    this.#core = undefined;
    this.#afterPersist = [];
    this.disk.crash();
  }

  step(...events: RaftEvent[]): void {
    for (const event of events) this.core.step(event, this.#surroundings.now(this.id));
    this.drain();
  }

  /** Carries out effects until there are none that bring more. */
  drain(): void {
    const { hasEffects } = this.core;
    const effects = this.core.drain();
    if (!hasEffects && bringsAnything(effects))
      throw new Error('a drain that nothing announced brought effects');
    this.#surroundings.effects(this, effects);
    for (const message of effects.messages) this.#surroundings.send(message);
    if (effects.persist !== undefined) this.disk.waiting.push(effects.persist);
    const persistId = this.disk.waiting.at(-1)?.persistId ?? 0;
    this.#afterPersist.push({ persistId, messages: effects.messagesAfterPersist });
    this.#apply(effects.committed);
    if (this.disk.waiting.length === 0) this.#release(Number.POSITIVE_INFINITY);
    else if (!this.diskHeld) this.completeWrite(this.disk.waiting.length);
  }

  /** Makes the oldest `count` writes durable, and reports the last of them. */
  completeWrite(count = 1): void {
    let last: number | undefined;
    for (let done = 0; done < count; done += 1) {
      const request = this.disk.complete();
      if (request === undefined) break;
      last = request.persistId;
      if (request.snapshot !== undefined) {
        this.applied = [];
        this.appliedIndex = request.snapshot.meta.index;
      }
    }
    if (last === undefined) return;
    this.#release(last);
    this.step({ type: 'persisted', persistId: last });
  }

  #apply(committed: readonly Entry[]): void {
    const last = committed.at(-1);
    if (last === undefined) return;
    this.applied.push(...committed);
    this.appliedIndex = last.index;
    this.core.step({ type: 'applied', index: last.index }, this.#surroundings.now(this.id));
  }

  #release(persistId: number): void {
    while (this.#afterPersist[0] !== undefined && this.#afterPersist[0].persistId <= persistId) {
      for (const message of this.#afterPersist.shift()?.messages ?? []) this.#surroundings.send(message);
    }
  }
}
