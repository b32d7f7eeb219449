import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { followMember, openStore, watchElection } from '../wiring.ts';
import type { CandidateReport, DevEvent } from './events.ts';
import { freePorts } from './ports.ts';
import { Child, programFile, Sweeper } from './processes.ts';

export interface CastOptions {
  readonly members: number;
  readonly candidates: number;
  readonly ttlMs: number;
  readonly election: string;
  readonly folder: string;
  /** Remove the folder in the end. */
  readonly temporary: boolean;
}

type Report = (event: DevEvent) => void;

interface Part {
  readonly name: string;
  child: Child | undefined;
}
interface MemberPart extends Part {
  readonly clientUrl: string;
  readonly peerUrl: string;
}

export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** All processes of `conclave dev`, and what is heard from them. */
export class Cast {
  readonly sharedFile: string;
  readonly #options: CastOptions;
  readonly #report: Report;
  readonly #sweeper = new Sweeper();
  readonly #stopped = new AbortController();
  readonly #background: Promise<unknown>[] = [];
  /** Resolves when the first member leads, or when all ends. */
  readonly #led = Promise.withResolvers<void>();
  #members: MemberPart[] = [];
  #candidates: Part[] = [];

  constructor(options: CastOptions, report: Report) {
    this.#options = options;
    this.sharedFile = join(options.folder, 'shared-file');
    this.#report = report;
    if (options.temporary) this.#sweeper.removeFolder(options.folder);
  }

  get endpoints(): string[] {
    return this.#members.map((member) => member.clientUrl);
  }

  async start(): Promise<void> {
    const count = this.#options.members;
    const ports = await freePorts(2 * count);
    const url = (position: number) => `http://127.0.0.1:${ports[position]}`;
    this.#members = Array.from({ length: count }, (_, position) => ({
      ...{ name: `m${position + 1}`, clientUrl: url(position), peerUrl: url(count + position) },
      child: undefined,
    }));
    this.#candidates = Array.from({ length: this.#options.candidates }, (_, position) => ({
      name: `job-${position + 1}`,
      child: undefined,
    }));
    for (const member of this.#members) {
      this.#startMember(member);
      this.#background.push(this.#follow(member));
    }
    this.#background.push(this.#startCandidates(), this.#observe());
  }

  /** Starts whatever does not run, and wakes whoever is paused. */
  heal(): void {
    for (const member of this.#members) if (!member.child?.running) this.#startMember(member);
    for (const candidate of this.#candidates) {
      if (candidate.child?.running) candidate.child.signal('SIGCONT');
      else this.#startCandidate(candidate);
    }
  }

  killMember(name: string): void {
    const child = this.#members.find((member) => member.name === name)?.child;
    if (child === undefined) return;
    this.#report({ type: 'member-killed', atMs: monotonicMs(), member: name });
    child.signal('SIGKILL');
  }

  killCandidate(name: string): void {
    this.#report({ type: 'candidate-killed', atMs: monotonicMs(), candidate: name });
    this.#candidate(name)?.signal('SIGKILL');
  }

  /** Its next write takes long, so that there is time to pause it in the middle. */
  letLinger(name: string): void {
    this.#candidate(name)?.tell('linger');
  }

  pauseCandidate(name: string): void {
    this.#candidate(name)?.signal('SIGSTOP');
    this.#report({ type: 'candidate-paused', atMs: monotonicMs(), candidate: name });
  }

  wakeCandidate(name: string): void {
    if (!this.#candidate(name)?.running) return;
    this.#report({ type: 'candidate-woken', atMs: monotonicMs(), candidate: name });
    this.#candidate(name)?.signal('SIGCONT');
  }

  /** The candidates resign, then the members stop; nothing is left, not even the folder if it was a temporary one. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#led.resolve();
    await Promise.all(this.#candidates.map((candidate) => candidate.child?.stop(2000)));
    await Promise.all(this.#members.map((member) => member.child?.stop(2000)));
    await Promise.all(this.#background);
    await this.#sweeper.finish();
  }

  #candidate(name: string): Child | undefined {
    return this.#candidates.find((candidate) => candidate.name === name)?.child;
  }

  /** Candidates that came before there is a Raft leader would only tell of their trouble. */
  async #startCandidates(): Promise<void> {
    await this.#led.promise;
    if (this.#stopped.signal.aborted) return;
    for (const candidate of this.#candidates) if (!candidate.child?.running) this.#startCandidate(candidate);
  }

  #startMember(member: MemberPart): void {
    const { folder } = this.#options;
    const cluster = this.#members.map((one) => `${one.name}=${one.peerUrl}`).join(',');
    const flags = {
      '--name': member.name,
      '--data-dir': join(folder, member.name),
      '--listen-peer-urls': member.peerUrl,
      '--initial-advertise-peer-urls': member.peerUrl,
      '--listen-client-urls': member.clientUrl,
      '--advertise-client-urls': member.clientUrl,
      '--initial-cluster': cluster,
      '--initial-cluster-token': 'conclave-dev',
    };
    member.child = this.#start(member, {
      program: programFile('../main'),
      parameters: ['serve', '--stop-with-stdin', ...Object.entries(flags).flat()],
      onLine: () => {},
      onExit: (detail) =>
        this.#report({ type: 'member-exited', atMs: monotonicMs(), member: member.name, detail }),
    });
    const { name, clientUrl } = member;
    this.#report({
      type: 'member-started',
      atMs: monotonicMs(),
      member: name,
      pid: member.child.pid,
      clientUrl,
    });
  }

  #startCandidate(candidate: Part): void {
    const { name } = candidate;
    const { election, ttlMs } = this.#options;
    const options = { name, endpoints: this.endpoints, election, ttlMs, file: this.sharedFile };
    candidate.child = this.#start(candidate, {
      program: programFile('worker'),
      parameters: [JSON.stringify(options)],
      onLine: (line) => this.#hear(name, line),
      onExit: (detail) =>
        this.#report({ type: 'candidate-exited', atMs: monotonicMs(), candidate: name, detail }),
    });
    this.#report({
      type: 'candidate-started',
      atMs: monotonicMs(),
      candidate: name,
      pid: candidate.child.pid,
    });
  }

  #start(
    part: Part,
    options: {
      program: string;
      parameters: readonly string[];
      onLine: (line: string) => void;
      onExit: (detail: string) => void;
    },
  ): Child {
    const onExit = (detail: string) => {
      if (!this.#stopped.signal.aborted && part.child === child) options.onExit(detail);
    };
    const logFile = join(this.#options.folder, `${part.name}.log`);
    const child = new Child({ ...options, onExit, logFile }, this.#sweeper);
    return child;
  }

  #hear(candidate: string, line: string): void {
    const heard = JSON.parse(line) as CandidateReport & { readonly atMs: number };
    this.#report({ ...heard, candidate });
  }

  /** One member's state for as long as all this runs, over its own endpoint. */
  async #follow(member: MemberPart): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        for await (const { role, term, commitIndex, appliedIndex } of followMember(
          member.clientUrl,
          signal,
        )) {
          const reading = { role, term, commitIndex, appliedIndex };
          if (role === 'leader') this.#led.resolve();
          this.#report({ type: 'member-state', atMs: monotonicMs(), member: member.name, ...reading });
        }
      } catch {
        // It is down, or coming up; that is what is shown.
      }
      if (signal.aborted) return;
      this.#report({ type: 'member-unreachable', atMs: monotonicMs(), member: member.name });
      await sleep(100, undefined, { signal }).catch(() => {});
    }
  }

  async #observe(): Promise<void> {
    const { signal } = this.#stopped;
    const store = openStore(this.endpoints);
    try {
      for await (const { holder, token } of watchElection(store, this.#options.election, signal)) {
        this.#report({ type: 'observed', atMs: monotonicMs(), holder, token });
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#report({
        type: 'note',
        atMs: monotonicMs(),
        text: `observing ended: ${(error as Error).message}`,
      });
    } finally {
      await store[Symbol.asyncDispose]();
    }
  }
}
