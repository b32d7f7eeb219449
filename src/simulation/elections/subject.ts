import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import { eventKinds } from '../world/scheduler.ts';
import type { World } from '../world/world.ts';

/** What runs in one life of a process. */
export interface Program {
  /** It has done what the last round demands. */
  readonly completed: boolean;
  /** It leads, as far as it knows. Absent: it never does. */
  readonly leads?: boolean;
  /** What it does first when its loop, which is blocked now, turns again. Absent: nothing of its own. */
  unblocked?(): void;
  /** Resolves when it has stopped. */
  run(): Promise<void>;
  stop(): void;
  /** Closes what it used. */
  close(): Promise<void>;
}

export interface SubjectParts {
  readonly name: string;
  readonly world: World;
  /** What the last round waits for, in words. */
  readonly goal: string;
  /** Gives the process disk and network, and makes its program. */
  readonly program: (process: Process, life: number) => Program;
  readonly onFailure: (error: unknown) => void;
}

/** A process of the workload that may be killed, paused and started again; on a host of its own. */
export class Subject {
  readonly name: string;
  readonly goal: string;
  readonly host: Host;
  /** It did what the last round demands, and has ended. */
  done = false;
  /** The present life, perhaps dead already; undefined before the first. */
  process: Process | undefined;
  readonly #parts: SubjectParts;
  #program: Program | undefined;
  #told = false;
  #lives = 0;

  constructor(parts: SubjectParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.goal = parts.goal;
    this.host = parts.world.addHost(parts.name);
  }

  get leads(): boolean {
    return this.running && (this.#program?.leads ?? false);
  }

  get running(): boolean {
    return this.process?.alive ?? false;
  }

  /** It has done what the last round demands; it may go on. */
  get completed(): boolean {
    return this.done || (this.running && (this.#program?.completed ?? false));
  }

  /** Without effect while it runs or when it is done. */
  start(): void {
    if (this.running || this.done) return;
    const { world, program } = this.#parts;
    this.#lives += 1;
    this.#told = false;
    const process = world.startProcess(`${this.name}.${this.#lives}`, this.host);
    this.process = process;
    this.#program = program(process, this.#lives);
    world.note(process.name, () => 'starts');
    this.#run(process, this.#program).catch((error: unknown) => {
      if (process.alive) this.#parts.onFailure(error);
    });
  }

  /** SIGKILL. */
  kill(): void {
    if (!this.running) return;
    this.#parts.world.note(this.process?.name ?? this.name, () => 'is killed');
    this.process?.die();
  }

  /** Its program computes for so long without a turn of its loop. */
  block(durationUs: number): void {
    const { process } = this;
    if (!process?.alive) return;
    const program = this.#program;
    process.block(durationUs);
    // Held back by the block, and before whatever comes due meanwhile.
    process.after(0, eventKinds.workload, () => program?.unblocked?.());
  }

  /** In the last round: lets it end as soon as its program has done what is demanded. */
  endIfCompleted(): void {
    if (this.#told || !this.completed) return;
    this.#told = true;
    this.#program?.stop();
  }

  async #run(process: Process, program: Program): Promise<void> {
    await program.run();
    await program.close();
    if (!process.alive) return;
    this.done = program.completed;
    this.#parts.world.note(process.name, () => 'ends');
    process.die();
  }
}
