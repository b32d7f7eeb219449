import { pause } from '../../client/calls.ts';
import { type Lock, readWriteLock, Session, semaphore } from '../../election/index.ts';
import { unlessUsual } from '../elections/usual-failures.ts';
import type { Entry } from './reports.ts';
import { holdOf, type SharerParts, sessionOptions } from './sharer.ts';

type Kind = Entry['kind'];
const kinds: readonly Kind[] = ['permit', 'read', 'write'];
const names = { permit: 'permits', read: 'catalogue', write: 'catalogue' };

/** Of those who waited in vain on a session that goes on: they never ask for that name again. */
const goesElsewhereShare = 0.2;

/** Takes permits of a semaphore and a read-write lock, holds them for a while and gives them back. */
export class LockUserProgram {
  /** It had each of them since everything was healed. */
  completed = false;
  readonly #parts: SharerParts;
  readonly #stop = new AbortController();
  readonly #had = new Set<Kind>();
  /** What it still comes for. */
  #wanted = kinds;
  #entry: Entry | undefined;

  constructor(parts: SharerParts) {
    this.#parts = parts;
  }

  get leads(): boolean {
    return this.#entry !== undefined;
  }

  unblocked(): void {
    if (this.#entry !== undefined) this.#use(this.#entry);
  }

  async run(): Promise<void> {
    const { process, random, store, reports, settings } = this.#parts;
    const { signal } = this.#stop;
    const options = sessionOptions(this.#parts);
    const session = settings.oneSession ? new Session(store, options) : undefined;
    const asked = session === undefined ? options : { ...options, session };
    while (!signal.aborted) {
      const missing = this.#wanted.filter((kind) => !this.#had.has(kind));
      const kind = random.pick(reports.healed && missing.length > 0 ? missing : this.#wanted);
      const held = await this.#take(kind, asked);
      if (held !== undefined) await this.#hold(kind, held);
      else if (settings.oneSession && !reports.healed) this.#goElsewhere(kind);
      this.completed = this.#wanted.every((one) => this.#had.has(one));
      await pause(process.runtime, random.between(0, this.completed ? 500 : 150), signal);
    }
    await session?.[Symbol.asyncDispose]();
  }

  stop(): void {
    this.#stop.abort();
  }

  /** What it may have won as it gave up must not depend on its coming back. */
  #goElsewhere(kind: Kind): void {
    const others = this.#wanted.filter((one) => names[one] !== names[kind]);
    if (others.length > 0 && this.#parts.random.chance(goesElsewhereShare)) this.#wanted = others;
  }

  async #take(kind: Kind, asked: object): Promise<Lock | undefined> {
    const { random, store, sharing, reports } = this.#parts;
    const { signal } = this.#stop;
    const waitMs = !reports.healed && random.chance(0.3) ? random.between(50, 3000) : undefined;
    const options = { ...asked, signal, waitMs };
    const { permits, maxReaders } = sharing;
    const taking: Promise<Lock> =
      kind === 'permit'
        ? semaphore(store, names[kind], { ...options, permits })
        : readWriteLock(store, names[kind], { ...options, mode: kind, maxReaders });
    return await taking.catch(unlessUsual);
  }

  async #hold(kind: Kind, held: Lock): Promise<void> {
    const { process, random, reports, sharing, settings } = this.#parts;
    const index = 'index' in held ? { index: held.index as number } : {};
    const most = kind === 'permit' ? sharing.permits : sharing.maxReaders;
    const entry: Entry = { name: names[kind], kind, most, ...index, hold: holdOf(this.#parts, held) };
    this.#entry = entry;
    reports.counts[kind === 'permit' ? 'permitsTaken' : 'locksTaken'] += 1;
    reports.elections.note(process.name, () => `has ${names[kind]} (${kind}) with token ${held.token}`);
    reports.tell('entered', entry);
    for (let rounds = random.between(1, 4); rounds > 0 && !held.signal.aborted; rounds--) {
      this.#use(entry);
      await pause(process.runtime, random.between(0, settings.paceMs), held.signal);
    }
    if (reports.healed && !held.signal.aborted) this.#had.add(kind);
    this.#entry = undefined;
    await held.release();
  }

  #use(entry: Entry): void {
    try {
      entry.hold.leadership.assertHeld();
    } catch (error) {
      unlessUsual(error, 'not-leading');
      return;
    }
    this.#parts.reports.tell('usedEntry', entry);
  }
}
