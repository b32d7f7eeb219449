/**
 * The example job of `conclave dev`: a process that campaigns and, while it leads, adds a line to a shared file.
 *
 * Told to be careless in one point, so that there is something to see: it looks at its leadership before it reads
 * the file, and not again before it writes. What makes that harmless is the token that the write carries.
 *
 * Reports JSON lines on stdout; lingers over its next write when a line comes on stdin; ends when stdin ends or on SIGTERM, resigning first. Must not: outlive its parent.
 */
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Candidate, type ElectionEvent, type Leadership } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { openSharedFile, openStore, type SharedFile } from '../wiring.ts';
import type { CandidateReport } from './events.ts';
import { withLine } from './job-file.ts';

/** How long it "thinks" between reading and writing. */
const thinkMs = 200;
/** The same when told to linger: `dev` is about to pause it in that moment. */
const longThinkMs = 2000;
const restMs = 300;
/** Long enough to connect to another member when ours is killed, short enough to be replaced at once when we are. */
const disconnectGraceMs = 100;

interface WorkerOptions {
  readonly name: string;
  readonly endpoints: readonly string[];
  readonly election: string;
  readonly ttlMs: number;
  readonly file: string;
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function report(what: CandidateReport): void {
  process.stdout.write(`${JSON.stringify({ ...what, atMs: monotonicMs() })}\n`);
}

class Worker {
  readonly #options: WorkerOptions;
  readonly #file: SharedFile;
  #token = 0;
  #validUntilMs = 0;
  #lingers = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    // By its short name, which is what its messages then show.
    process.chdir(dirname(options.file));
    this.#file = openSharedFile(basename(options.file));
  }

  async run(signal: AbortSignal): Promise<void> {
    const { name: holder, ttlMs, election, endpoints } = this.#options;
    await using store = openStore(endpoints);
    await using candidate = new Candidate(store, election, {
      holder: `${holder}:${process.pid}`,
      metadata: holder,
      ttlMs,
      releaseOnDisconnect: { graceMs: disconnectGraceMs },
      onEvent: (event) => this.#heard(event),
    });
    while (!signal.aborted) {
      report({ type: 'campaigning' });
      const leadership = await candidate.campaign({ signal }).catch((error: unknown) => {
        if (ConclaveError.is(error, 'aborted')) return undefined;
        throw error;
      });
      if (leadership === undefined) break;
      await this.#lead(leadership, signal);
    }
  }

  /** The next thought takes long. */
  linger(): void {
    this.#lingers = true;
  }

  async #lead(leadership: Leadership, signal: AbortSignal): Promise<void> {
    this.#token = leadership.token;
    this.#validUntilMs = monotonicMs() + leadership.remainingMs();
    report({ type: 'elected', token: this.#token, validUntilMs: this.#validUntilMs });
    // A broken connection ends it before what the last renewal said; the job, careless as it is, may go on for a while.
    const lost = () => this.#heldAtMostUntil(monotonicMs());
    leadership.signal.addEventListener('abort', lost, { once: true });
    const enough = AbortSignal.any([signal, leadership.signal]);
    const job = this.#work(leadership, enough);
    await job.catch((error: unknown) => report({ type: 'trouble', text: String(error) }));
    // From here on it does nothing as the leader; the next one may lead before the answer to resign() is here.
    lost();
    const validUntilMs = this.#validUntilMs;
    const token = this.#token;
    this.#token = 0;
    await leadership.resign();
    report({ type: 'ended', token, validUntilMs, cause: await leadership.ended });
  }

  #heldAtMostUntil(atMs: number): void {
    this.#validUntilMs = Math.min(this.#validUntilMs, atMs);
  }

  async #work(leadership: Leadership, enough: AbortSignal): Promise<void> {
    // The first write comes at once: it shows the file this token, and from then on no lower one gets through.
    for (let pauseMs = 0; !enough.aborted; pauseMs = thinkMs) {
      const { version, content } = await this.#file.read();
      const long = this.#lingers && pauseMs > 0;
      if (long) this.#lingers = false;
      report({ type: 'thinking', token: leadership.token, version, long });
      await sleep(long ? longThinkMs : pauseMs);
      await this.#write(leadership, version, content);
      await sleep(restMs, undefined, { signal: enough }).catch(() => {});
    }
  }

  async #write(leadership: Leadership, version: number, content: string): Promise<void> {
    const { token } = leadership;
    const line = { version: version + 1, token, writer: this.#options.name };
    try {
      await this.#file.write(withLine(content, line, Date.now()), { token, expectedVersion: version });
      report({ type: 'written', token, version: line.version });
    } catch (error) {
      if (!ConclaveError.is(error, 'stale-token') && !ConclaveError.is(error, 'version-conflict'))
        throw error;
      const stale = leadership.remainingMs() <= 0;
      report({
        type: 'refused',
        token,
        version: line.version,
        code: error.code,
        reason: error.message,
        stale,
      });
    }
  }

  #heard(event: ElectionEvent): void {
    if (event.type === 'renewed' && this.#token > 0) {
      this.#validUntilMs = monotonicMs() + event.remainingMs;
      report({ type: 'held', token: this.#token, validUntilMs: this.#validUntilMs });
    }
    if (event.type === 'trouble' && event.attempt === 3) {
      const why = ConclaveError.is(event.error) ? event.error.code : String(event.error);
      report({ type: 'trouble', text: `${event.what} fails again and again (${why})` });
    }
  }
}

const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
process.on('SIGINT', () => {});
const worker = new Worker(JSON.parse(process.argv[2] ?? '{}') as WorkerOptions);
process.stdin.on('data', () => worker.linger());
process.stdin.on('close', () => process.exit(0));
process.stdout.on('error', () => process.exit(0));
await worker.run(stop.signal);
process.exit(0);
