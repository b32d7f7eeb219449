import { pause } from '../../client/calls.ts';
import { Candidate, type ElectionEvent, elect, type Leadership, lock } from '../../election/index.ts';
import type { LeaseStore } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import type { Job } from './job.ts';
import type { ElectionReports, HeldLeadership, Hold } from './reports.ts';
import type { CandidateSettings } from './settings.ts';
import { unlessUsual } from './usual-failures.ts';

export interface CandidateParts {
  readonly process: Process;
  readonly random: Draw;
  readonly reports: ElectionReports;
  readonly store: LeaseStore;
  readonly election: string;
  /** Unique for each life. */
  readonly holder: string;
  readonly settings: CandidateSettings;
  readonly clockDriftRate: number;
  readonly job: Job;
}

/** The program of one life of a candidate: campaigns, leads, gives up, again and again until it is told to stop. */
export class CandidateProgram {
  /** It has led and written since everything was healed. */
  completed = false;
  readonly #parts: CandidateParts;
  readonly #stop = new AbortController();
  #hold: Hold | undefined;

  constructor(parts: CandidateParts) {
    this.#parts = parts;
    parts.process.onDeath.push(() => this.#noteSeen());
  }

  get leads(): boolean {
    return this.#hold !== undefined && !this.#hold.leadership.signal.aborted;
  }

  /** A job that has computed for long looks whether it still leads, before anything else turns, and acts. */
  unblocked(): void {
    const hold = this.#hold;
    if (hold === undefined) return;
    try {
      hold.leadership.assertHeld();
    } catch (error) {
      unlessUsual(error, ...lost);
      return;
    }
    this.#parts.reports.acted(hold);
  }

  /** Resolves when it has stopped and given up what it held. */
  async run(): Promise<void> {
    const { store, election, settings } = this.#parts;
    const options = { ...this.#options(), signal: this.#stop.signal };
    if (settings.mode === 'elect')
      await elect(store, election, (leadership) => this.#lead(leadership), options);
    else if (settings.mode === 'campaign') await this.#campaign();
    else await this.#lockAgainAndAgain();
  }

  stop(): void {
    if (this.#hold !== undefined && !this.#hold.leadership.signal.aborted) this.#hold.leaving = true;
    this.#stop.abort();
  }

  async #campaign(): Promise<void> {
    const { signal } = this.#stop;
    await using candidate = new Candidate(this.#parts.store, this.#parts.election, this.#options());
    while (!signal.aborted) {
      const leadership = await candidate.campaign({ signal }).catch(unlessAborted);
      if (leadership === undefined) return;
      await this.#lead(leadership);
      await leadership.resign();
      await leadership.ended;
      await this.#rest();
    }
  }

  async #lockAgainAndAgain(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const options = { ...this.#options(), signal };
      const held = await lock(this.#parts.store, this.#parts.election, options).catch(unlessAborted);
      if (held === undefined) return;
      await this.#lead(held);
      await held.release();
      await this.#rest();
    }
  }

  #rest(): Promise<void> {
    const { process, random } = this.#parts;
    return pause(process.runtime, random.between(0, 300), this.#stop.signal);
  }

  #options() {
    const { process, holder, settings, clockDriftRate } = this.#parts;
    const { ttlMs, releaseOnDisconnect, graceMs, priority } = settings;
    return {
      runtime: process.runtime,
      holder,
      ttlMs,
      releaseOnDisconnect,
      graceMs,
      priority,
      clockDriftRate,
      onEvent: (event: ElectionEvent) => this.#hear(event),
    };
  }

  async #lead(leadership: HeldLeadership): Promise<void> {
    const { process, reports, settings, job, random } = this.#parts;
    const { releaseOnDisconnect: bound, graceMs } = settings;
    const sinceUs = reports.nowUs;
    const hold: Hold = {
      process,
      leadership,
      bound: bound !== false,
      graceMs,
      sinceUs,
      seenUs: sinceUs,
      leaving: false,
    };
    this.#hold = hold;
    reports.counts.leaderships += 1;
    const what = `leads ${leadership.name} with token ${leadership.token}`;
    reports.note(process.name, () => `${what} for ${leadership.remainingMs().toFixed(1)} ms`);
    reports.tell('led', hold);
    const last = (): boolean => reports.healedUs !== undefined;
    let wrote = false;
    const enough = (writes: number): boolean => {
      wrote = writes > 0;
      return this.#stop.signal.aborted || (last() && wrote);
    };
    if (random.chance(0.3)) await this.#proclaim(leadership);
    // Mostly not for long: what can go wrong does where a leadership changes hands.
    await job.run(hold, { rounds: random.between(1, random.pick([3, 10, 40])), enough });
    if (last() && wrote && hold.sinceUs >= (reports.healedUs ?? 0)) this.completed = true;
    if (leadership.signal.aborted) return;
    hold.leaving = true;
    if (random.chance(0.4)) await this.#handOff(leadership);
  }

  async #proclaim(leadership: HeldLeadership): Promise<void> {
    if (!('proclaim' in leadership)) return;
    try {
      await (leadership as Leadership).proclaim(`since ${this.#parts.reports.nowUs}`);
      this.#parts.reports.counts.proclamations += 1;
    } catch (error) {
      unlessUsual(error, ...lost);
    }
  }

  async #handOff(leadership: HeldLeadership): Promise<void> {
    if (!('handOff' in leadership)) return;
    const { store, election, random } = this.#parts;
    try {
      const { waiting } = await store.read(election, { signal: leadership.signal });
      if (waiting.length > 0) await (leadership as Leadership).handOff(random.pick(waiting).holder);
    } catch (error) {
      unlessUsual(error, ...lost);
    }
  }

  #hear(event: ElectionEvent): void {
    const { reports, process } = this.#parts;
    const { counts } = reports;
    if (event.type === 'resigned') {
      if (event.handedTo === undefined) counts.resignations += 1;
      else counts.handOffs += 1;
      const how = event.handedTo === undefined ? 'resigned' : `handed off to ${event.handedTo}`;
      reports.note(process.name, () => `${how} token ${event.token}`);
    } else if (event.type === 'lost') {
      counts.losses += 1;
      reports.note(process.name, () => `lost token ${event.token}: ${event.cause}`);
    }
  }

  #noteSeen(): void {
    const hold = this.#hold;
    if (hold === undefined) return;
    const { leadership, process } = hold;
    // Nothing runs on a host that sleeps: its clocks show a time long past, and are set before anything does.
    if (process.host.asleep) return;
    if (!leadership.signal.aborted && leadership.remainingMs() > 0) hold.seenUs = this.#parts.reports.nowUs;
  }
}

/** What besides may befall a call of a leader; it goes on without. */
const lost = ['not-leading', 'target-not-waiting'] as const;

function unlessAborted(error: unknown): undefined {
  if (!ConclaveError.is(error, 'aborted')) throw error;
}
