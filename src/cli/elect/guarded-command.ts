import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import {
  type Deadlines,
  deadlinesFor,
  type Instant,
  type StopTimes,
  terminateNow,
  untilMs,
} from './deadlines.ts';
import { type FromGuardian, LineSplitter, type ToGuardian } from './protocol.ts';

/** How a guarded command ended. In every case nothing of its process group runs any more. */
export type CommandEnd =
  /** By itself. */
  | { readonly type: 'exited'; readonly code: number | null; readonly signal: NodeJS.Signals | null }
  /** It was told to stop, or killed, because its time was up. */
  | { readonly type: 'stopped'; readonly killed: boolean }
  | { readonly type: 'not-started'; readonly code: string; readonly message: string }
  | { readonly type: 'guardian-failed' };

export interface RunOrder {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly times: StopTimes;
  readonly killWhenAlone: boolean;
  /** How long the command may still run. Called before the start and at each `extend`. */
  readonly remainingMs: () => number;
}

/** After a deadline, how long the guardian may take to report before its group is killed from here. */
const guardianLatenessMs = 20;

/**
 * This process's side of the guardian. Watches the watchman too: a guardian that dies takes its group with it, and
 * one that hangs past the deadline is killed with its group from here.
 */
export class GuardedCommand {
  readonly #guardian: ChildProcess;
  readonly #pipe: Duplex;
  readonly #ready: Promise<boolean>;
  readonly #ended = Promise.withResolvers<CommandEnd>();
  #order: RunOrder | undefined;
  #deadlines: Deadlines | undefined;
  #end: CommandEnd | undefined;
  #stopping = false;
  #watch: NodeJS.Timeout | undefined;

  /** Starts the guardian, before it is needed: the command then starts as soon as leadership is won. */
  constructor() {
    const file = fileURLToPath(import.meta.url).replace(/guarded-command(\.[jt]s)$/, 'guardian$1');
    // `detached` makes it the leader of a new session and process group.
    this.#guardian = spawn(process.execPath, [file], {
      stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
      detached: true,
    });
    this.#pipe = this.#guardian.stdio[3] as Duplex;
    const ready = Promise.withResolvers<boolean>();
    this.#ready = ready.promise;
    const splitter = new LineSplitter();
    this.#pipe.setEncoding('utf8');
    this.#pipe.on('data', (chunk: string) => {
      for (const line of splitter.push(chunk)) {
        const report = JSON.parse(line) as FromGuardian;
        if (report.type === 'ready') ready.resolve(true);
        else this.#heard(report);
      }
    });
    this.#pipe.on('error', () => {});
    this.#guardian.on('error', () => {});
    // 'close' comes after the pipe's last line and after the process's end.
    this.#guardian.on('close', () => {
      ready.resolve(false);
      this.#guardianEnded();
    });
  }

  /** Runs the command and resolves when nothing of it runs any more. Once only. */
  async run(order: RunOrder): Promise<CommandEnd> {
    this.#order = order;
    if (!(await this.#ready)) return { type: 'guardian-failed' };
    if (this.#stopping) return { type: 'stopped', killed: false };
    this.#deadlines = deadlinesFor(present(), order.remainingMs(), order.times);
    this.#tell({
      type: 'run',
      command: order.command,
      environment: order.environment,
      deadlines: this.#deadlines,
      killWhenAlone: order.killWhenAlone,
    });
    this.#watchGuardian();
    return await this.#ended.promise;
  }

  /** Moves the deadline to what the leadership has left now. One that has passed stays passed. */
  extend(): void {
    if (
      this.#order === undefined ||
      this.#deadlines === undefined ||
      this.#stopping ||
      this.#end !== undefined
    )
      return;
    if (untilMs(present(), this.#deadlines.killAt) <= 0) this.#finish({ type: 'stopped', killed: true });
    else this.#moveTo(deadlinesFor(present(), this.#order.remainingMs(), this.#order.times));
  }

  /**
   * SIGTERM at once, SIGKILL when the leadership's time is up, or `killAfterMs` from now if that is sooner. Before
   * the command was started: it will not be.
   */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    if (this.#order === undefined || this.#deadlines === undefined) return;
    const { killAfterMs, safetyMs } = this.#order.times;
    const remainingMs = Math.min(this.#order.remainingMs(), killAfterMs + safetyMs);
    const now = present();
    this.#moveTo(terminateNow(now, deadlinesFor(now, remainingMs, this.#order.times)));
  }

  /** Sends a signal to the command and its children. */
  forward(signal: NodeJS.Signals): void {
    if (this.#end === undefined) this.#signalGroup(signal);
  }

  /** Ends the guardian and whatever is left of the group. */
  async dispose(): Promise<void> {
    clearTimeout(this.#watch);
    if (this.#guardian.exitCode === null && this.#guardian.signalCode === null) this.#signalGroup('SIGKILL');
    await this.#ended.promise;
    this.#pipe.destroy();
  }

  #heard(report: FromGuardian): void {
    if (report.type === 'terminating') this.#stopping = true;
    if (report.type === 'killing') this.#finish({ type: 'stopped', killed: true });
    if (report.type === 'not-started')
      this.#finish({ type: 'not-started', code: report.code, message: report.message });
    if (report.type === 'exited') {
      const signal = report.signal as NodeJS.Signals | null;
      this.#finish(
        this.#stopping ? { type: 'stopped', killed: false } : { type: 'exited', code: report.code, signal },
      );
    }
  }

  /** Children of the command that outlived it must not outlive the leadership. Waits for the guardian's own end. */
  #finish(end: CommandEnd): void {
    this.#end ??= end;
    this.#signalGroup('SIGKILL');
  }

  #guardianEnded(): void {
    clearTimeout(this.#watch);
    // Its last words may not have come through, but it kills its group only when the time is up.
    const due = this.#deadlines !== undefined && untilMs(present(), this.#deadlines.killAt) <= 0;
    if (this.#end === undefined) {
      // Reaped, but while its group has members the number stays taken, so this can hit nobody else.
      this.#signalGroup('SIGKILL');
      this.#end = due ? { type: 'stopped', killed: true } : { type: 'guardian-failed' };
    }
    this.#ended.resolve(this.#end);
  }

  #moveTo(deadlines: Deadlines): void {
    this.#deadlines = deadlines;
    this.#tell({ type: 'deadlines', deadlines });
    this.#watchGuardian();
  }

  #watchGuardian(): void {
    clearTimeout(this.#watch);
    if (this.#deadlines === undefined || this.#end !== undefined) return;
    const leftMs = untilMs(present(), this.#deadlines.killAt) + guardianLatenessMs;
    if (leftMs <= 0) {
      // A guardian that was frozen with its group, or is too busy: the kill does not depend on it.
      this.#finish({ type: 'stopped', killed: true });
      return;
    }
    this.#watch = setTimeout(() => this.#watchGuardian(), Math.max(1, leftMs));
  }

  #tell(order: ToGuardian): void {
    if (!this.#pipe.destroyed) this.#pipe.write(`${JSON.stringify(order)}\n`);
  }

  #signalGroup(signal: NodeJS.Signals): void {
    const group = this.#guardian.pid;
    if (group === undefined) return;
    try {
      process.kill(-group, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

function present(): Instant {
  return { monotonicMs: Number(process.hrtime.bigint()) / 1e6, wallMs: Date.now() };
}
