import { pause } from '../../client/calls.ts';
import { elect, type Leadership } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { fileGateStorage, type TokenGate, tokenGate } from '../../fencing/index.ts';
import { type FencedLog, fencedLog } from '../../fencing/log-file/index.ts';
import { unlessUsual } from '../elections/usual-failures.ts';
import type { SeenRecord } from './reports.ts';
import { again, blindly, folder, holdOf, type SharerParts, sessionOptions } from './sharer.ts';

export const logElection = 'log';
export const logPath = `${folder}/log`;
const gateFolder = `${folder}/gate`;
const resource = 'account';

/** Leads now and then, and appends to a fenced log then; reads it; goes through a gate with the tokens that it has. */
export class LogWriterProgram {
  readonly #parts: SharerParts;
  readonly #stop = new AbortController();
  readonly #log: FencedLog;
  readonly #gate: TokenGate;
  /** The last ones that it led with. */
  readonly #tokens: number[] = [];
  /** Since everything was healed. */
  readonly #did = { append: false, read: false, pass: false };
  #leadership: Leadership | undefined;
  #appends = 0;

  constructor(parts: SharerParts) {
    const { process } = parts;
    const { runtime } = process;
    this.#parts = parts;
    this.#log = fencedLog(logPath, { runtime });
    this.#gate = tokenGate({ storage: fileGateStorage(gateFolder, { runtime }), runtime, waitMs: 2000 });
  }

  /** It has appended, read and gone through the gate since everything was healed. */
  get completed(): boolean {
    return this.#did.append && this.#did.read && this.#did.pass;
  }

  get leads(): boolean {
    return this.#leadership !== undefined;
  }

  async run(): Promise<void> {
    const { store } = this.#parts;
    const { signal } = this.#stop;
    const options = { ...sessionOptions(this.#parts), signal };
    const often = (paceMs: number, what: () => Promise<void>) => again(this.#parts, paceMs, signal, what);
    await Promise.all([
      elect(store, logElection, (leadership) => this.#lead(leadership), options),
      often(1200, () => this.#read()),
      often(400, () => this.#pass()),
      often(400, () => this.#pass()),
    ]);
    await this.#log.close();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #lead(leadership: Leadership): Promise<void> {
    const { process, random, reports, settings } = this.#parts;
    const { token } = leadership;
    this.#leadership = leadership;
    this.#tokens.unshift(token);
    this.#tokens.splice(2);
    reports.elections.note(process.name, () => `leads the log with token ${token}`);
    reports.elections.tell('led', holdOf(this.#parts, leadership));
    if (random.chance(0.4)) await this.#claim(leadership);
    let late = settings.careless ? random.between(1, 4) : 0;
    for (let rounds = random.pick([2, 5, 15]); rounds > 0; rounds--) {
      if (leadership.signal.aborted && late-- <= 0) break;
      const several = Array.from({ length: random.pick([1, 1, 3]) }, () => this.#append(leadership));
      await Promise.all(several);
      const isEnough = this.#stop.signal.aborted || (reports.healed && this.#did.append && this.#did.pass);
      if (isEnough) break;
      const delayMs = random.between(0, settings.paceMs);
      await pause(process.runtime, delayMs, settings.careless ? undefined : leadership.signal);
    }
    this.#leadership = undefined;
  }

  async #append(leadership: Leadership): Promise<void> {
    const { process, reports, settings } = this.#parts;
    this.#appends += 1;
    const text = `${process.name}#${this.#appends}`;
    const writer = settings.careless ? blindly(leadership) : leadership;
    try {
      const { sequence, token } = await this.#log.append(writer, new TextEncoder().encode(text));
      reports.appended(logPath, { sequence, token, text });
      if (reports.healed) this.#did.append = true;
    } catch (error) {
      this.#note(error);
    }
  }

  async #claim(leadership: Leadership): Promise<void> {
    try {
      const { sequence, token } = await this.#log.claim(leadership);
      this.#parts.reports.tell('logClaimed', logPath, sequence, token);
    } catch (error) {
      this.#note(error);
    }
  }

  async #read(): Promise<void> {
    const { process, reports } = this.#parts;
    const acknowledged = reports.acknowledged(logPath);
    const records: SeenRecord[] = [];
    for await (const { sequence, token, data } of this.#log.read())
      records.push({ sequence, token, text: new TextDecoder().decode(data) });
    reports.tell('logRead', logPath, process.name, records, acknowledged);
    if (reports.healed) this.#did.read = true;
  }

  /** Also with a token whose leadership is over: the gate is there to refuse it. */
  async #pass(): Promise<void> {
    const { process, random, reports } = this.#parts;
    const token = random.pick([...this.#tokens, -1]);
    if (token < 0) return;
    const highest = reports.highestPassed(resource);
    const writer = { token, election: logElection };
    const effect = async () => {
      reports.gatePassed(resource, token, highest);
      reports.tell('effectBegan', this.#gate, token);
      await pause(process.runtime, random.between(0, 100));
      reports.tell('effectEnded', this.#gate, token);
    };
    try {
      await this.#gate.guard(resource, writer, effect, { signal: this.#stop.signal });
      if (reports.healed) this.#did.pass = true;
    } catch (error) {
      this.#note(error);
    }
  }

  #note(error: unknown): void {
    const { reports, process } = this.#parts;
    if (ConclaveError.is(error, 'stale-token')) {
      reports.counts.staleRefused += 1;
      reports.elections.note(process.name, () => `it is refused: ${error.message}`);
    } else unlessUsual(error, 'not-leading');
  }
}
