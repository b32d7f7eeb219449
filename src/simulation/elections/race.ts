/**
 * The race of a lease without fencing, shown: in one life, with every promise of the election kept, a file written in
 * the ordinary way takes the write of a leader whose time is over, and a fenced file refuses it.
 */
import { join } from 'node:path';
import { connectClient } from '../../client/index.ts';
import { Candidate, type Leadership } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { versionedFile } from '../../fencing/index.ts';
import type { Disk } from '../../runtime/types.ts';
import { conclaveStore } from '../../stores/conclave.ts';
import type { Process } from '../world/process.ts';
import type { TraceLine } from '../world/trace.ts';
import { oneHolderChecker } from './21-one-holder.ts';
import { fencingChecker } from './22-fencing.ts';
import { type PlainContent, plainFile, readPlain, writePlain } from './plain-file.ts';
import { ElectionReports, type Hold } from './reports.ts';
import { Stage } from './stage.ts';
import { tokensRiseChecker } from './tokens-rise.ts';
import { watchVersions } from './version-sight.ts';

export interface RaceResult {
  readonly seed: number;
  readonly traceHash: string;
  /** Of the leader that was paused, and of the one after it. */
  readonly tokens: readonly [number, number];
  readonly unfenced: {
    /** What the second leader wrote, and had acknowledged. */
    readonly written: PlainContent;
    /** What the file holds in the end. */
    readonly found: PlainContent;
    /** The first leader's write came later and was taken: the second one's is lost. */
    readonly staleWriteTaken: boolean;
  };
  readonly fenced: {
    /** What the first leader was told; undefined: its write was taken. */
    readonly refusal: ConclaveError | undefined;
    /** Of the newest version in the end. */
    readonly token: number;
  };
  /** What happened, for people. */
  readonly timeline: readonly TraceLine[];
}

const election = 'race';
const ttlMs = 1000;
const pausedMs = 3 * ttlMs;
const folder = '/shared';
const path = join(folder, 'fenced');

/** @throws Violation where the election broke a promise, so that the race would prove nothing. */
export async function showRace(seed: number): Promise<RaceResult> {
  const stage = new Stage({ seed, members: 3 });
  const reports = new ElectionReports(stage.world);
  stage.check(oneHolderChecker(reports), fencingChecker(reports), tokensRiseChecker(reports));
  const scene: Scene = { stage, reports, plain: plainFile(folder, 'unfenced'), timeline: [] };
  const first = new Writer(scene, 'A');
  const second = new Writer(scene, 'B');

  await stage.until(first.lead());
  await stage.until(first.write());
  const leading = second.lead();
  const stale = first.write({ onChecked: () => first.pause() });
  stale.catch(() => {});
  await stage.run(pausedMs);
  await stage.until(leading);
  const written = await stage.until(second.write());
  first.resume();
  const late = await stage.until(stale);
  const found = await stage.until(readPlain(second.disk, scene.plain));
  const newest = await stage.until(versionedFile(path, { runtime: second.runtime }).read());
  const staleWriteTaken = found.token < written.plain.token;
  return {
    seed,
    traceHash: stage.world.trace.hash,
    tokens: [first.token, second.token],
    unfenced: { written: written.plain, found, staleWriteTaken },
    fenced: { refusal: late.refusal, token: newest.token },
    timeline: scene.timeline,
  };
}

interface Scene {
  readonly stage: Stage;
  readonly reports: ElectionReports;
  readonly plain: ReturnType<typeof plainFile>;
  readonly timeline: TraceLine[];
}

interface Outcome {
  readonly plain: PlainContent;
  readonly refusal: ConclaveError | undefined;
}

/** A process that writes both files while it leads. */
class Writer {
  readonly disk: Disk;
  readonly #scene: Scene;
  readonly #process: Process;
  readonly #candidate: Candidate;
  #hold: Hold | undefined;
  #writes = 0;

  constructor(scene: Scene, name: string) {
    this.#scene = scene;
    const { stage, reports } = scene;
    this.#process = stage.world.startProcess(name, stage.world.addHost(name));
    stage.attach(this.#process);
    this.disk = watchVersions(stage.shared.of(this.#process), (version) =>
      reports.tell('published', version),
    );
    const { runtime } = this.#process;
    const transport = stage.transport(runtime);
    const client = connectClient({ endpoints: stage.endpoints, runtime, transport, name });
    const { clockDriftRate } = stage;
    const options = { runtime, ttlMs, clockDriftRate, holder: name };
    this.#candidate = new Candidate(conclaveStore({ client }), election, options);
  }

  get runtime() {
    return { ...this.#process.runtime, disk: this.disk };
  }

  get token(): number {
    return this.#held.leadership.token;
  }

  async lead(): Promise<void> {
    await this.disk.makeFolder(folder);
    const leadership: Leadership = await this.#candidate.campaign();
    const sinceUs = this.#scene.reports.nowUs;
    const process = this.#process;
    this.#hold = {
      ...{ process, leadership, bound: false, graceMs: 0, sinceUs, seenUs: sinceUs, leaving: false },
    };
    this.#scene.reports.tell('led', this.#hold);
    this.#say(`leads with token ${leadership.token}`);
  }

  /** Reads both files, checks that it leads, and writes both. */
  async write(options: { readonly onChecked?: () => void } = {}): Promise<Outcome> {
    const { plain, reports } = this.#scene;
    const { leadership } = this.#held;
    const { token } = leadership;
    const file = versionedFile(path, { runtime: this.runtime });
    const [before, { version }] = await Promise.all([readPlain(this.disk, plain), file.read()]);
    leadership.assertHeld();
    reports.acted(this.#held);
    this.#say(`has read version ${version}; its assertHeld() passes, so it writes both files`);
    this.#writes += 1;
    const content = { token, count: before.count + 1 };
    const data = new TextEncoder().encode(JSON.stringify(content));
    const refused = file.write(data, { leadership, expectedVersion: version }).then(
      (written) => {
        reports.wrote(path, written.version, data);
        this.#say(`the fenced file takes version ${written.version} with token ${token}`);
      },
      (error: unknown) => {
        if (!ConclaveError.is(error)) throw error;
        this.#say(`the fenced file refuses the write: ${error.message}`);
        return error;
      },
    );
    const writing = writePlain(this.disk, plain, content, `${this.#process.name}-${this.#writes}`);
    options.onChecked?.();
    const [refusal, stale] = await Promise.all([refused, writing]);
    this.#say(`the unfenced file takes its write${stale ? ', over that of a later leader' : ''}`);
    return { plain: content, refusal: refusal ?? undefined };
  }

  /** SIGSTOP: what it asked of its operating system may still happen; it hears of nothing. */
  pause(): void {
    this.#process.pause();
    this.#say('is paused');
  }

  resume(): void {
    this.#say(`goes on, ${pausedMs / ttlMs} TTLs later`);
    this.#process.resume();
  }

  get #held(): Hold {
    if (this.#hold === undefined) throw new Error(`${this.#process.name} has not led yet.`);
    return this.#hold;
  }

  #say(text: string): void {
    const { stage, timeline } = this.#scene;
    stage.world.note(this.#process.name, () => text);
    timeline.push({ atUs: stage.nowUs, who: this.#process.name, text });
  }
}
