import { pause } from '../../client/calls.ts';
import type { Leadership } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type VersionedFile, versionedFile } from '../../fencing/index.ts';
import { Partitions, type PartitionsEventListener } from '../../partitions/index.ts';
import type { Hold } from '../elections/reports.ts';
import { watchVersions } from '../elections/version-sight.ts';
import type { PartitionJob, PresentMember } from './reports.ts';
import { folder, holdOf, type SharerParts, sessionOptions } from './sharer.ts';

export const partitionsName = 'shares';

export function partitionPath(partition: string): string {
  return `${folder}/partition-${partition}`;
}

/** From then on who joins asks for more of them. */
const growsAtUs = 8_000_000;

/** Takes part in partitions, leaves, and joins again; each job writes the fenced file of its partition. */
export class PartitionMemberProgram {
  /** Set from outside: only who sees all processes can tell. */
  completed = false;
  readonly #parts: SharerParts;
  readonly #stop = new AbortController();
  readonly #files = new Map<string, VersionedFile>();
  #partitions: Partitions | undefined;
  #present: PresentMember | undefined;
  #times = 0;

  constructor(parts: SharerParts) {
    this.#parts = parts;
  }

  get leads(): boolean {
    return (this.#partitions?.leaderships.size ?? 0) > 0;
  }

  /** undefined: it has none, or is on its way out. */
  get present(): PresentMember | undefined {
    return this.#parts.process.alive ? this.#present : undefined;
  }

  async run(): Promise<void> {
    const { process, random, reports } = this.#parts;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#takePart();
      if (!reports.healed) await pause(process.runtime, random.between(0, 2000), signal);
    }
  }

  stop(): void {
    this.#present = undefined;
    this.#stop.abort();
  }

  async #takePart(): Promise<void> {
    const { process, random, reports, store, sharing, settings } = this.#parts;
    this.#times += 1;
    const holder = `${process.name}.${this.#times}`;
    const { weight, settleMs } = settings;
    const grown = reports.elections.nowUs >= growsAtUs ? sharing.growBy : 0;
    const count = sharing.count + grown;
    this.#present = { holder, weight, declared: count };
    const partitions = new Partitions(store, partitionsName, {
      ...sessionOptions(this.#parts, holder),
      ...{ count, weight, settleMs, drainMs: random.pick([0, 200, 2000]) },
      onAssigned: (leadership, partition) => this.#work(leadership, partition),
      ...(random.chance(0.5) && { onRevoked: () => pause(process.runtime, random.between(0, 100)) }),
      onEvent: this.#hear,
    });
    this.#partitions = partitions;
    const untilUs = reports.elections.nowUs + random.between(2, 15) * 1_000_000;
    const isOver = () => !reports.healed && reports.elections.nowUs >= untilUs;
    while (!this.#stop.signal.aborted && !isOver()) await pause(process.runtime, 500, this.#stop.signal);
    this.#present = undefined;
    await partitions[Symbol.asyncDispose]();
  }

  readonly #hear: PartitionsEventListener = (event) => {
    const { reports, process } = this.#parts;
    const { counts, elections } = reports;
    if (event.type === 'partition-revoked') {
      if (event.reason === 'moved') counts.partitionsMoved += 1;
      elections.note(process.name, () => `gives up partition ${event.partition}: ${event.reason}`);
    } else if (event.type === 'partitions-refused') elections.fail(event.error);
    else if (event.type === 'partition-job-failed' && !isPlanned(event.error)) elections.fail(event.error);
  };

  async #work(leadership: Leadership, partition: string): Promise<void> {
    const { process, random, reports, settings } = this.#parts;
    const hold = holdOf(this.#parts, leadership);
    const job: PartitionJob = { partition, hold, settled: false };
    reports.counts.partitionLeaderships += 1;
    const { token } = leadership;
    reports.elections.note(process.name, () => `leads partition ${partition} with token ${token}`);
    reports.elections.tell('led', hold);
    reports.tell('jobBegan', job);
    try {
      let late = settings.careless ? random.between(0, 2) : 0;
      while (!leadership.signal.aborted || late-- > 0) {
        if (random.chance(0.3)) await this.#write(hold, partition);
        if (!reports.healed && random.chance(0.01)) throw new PlannedFailure('The job fails by plan.');
        const delayMs = random.between(settings.paceMs, 4 * settings.paceMs);
        await pause(process.runtime, delayMs, settings.careless ? undefined : leadership.signal);
      }
      if (random.chance(0.3)) await pause(process.runtime, random.between(0, 400));
    } finally {
      job.settled = true;
    }
  }

  async #write(hold: Hold, partition: string): Promise<void> {
    const { reports, settings, process } = this.#parts;
    const { leadership } = hold;
    const { elections } = reports;
    const path = partitionPath(partition);
    try {
      const acknowledged = elections.acknowledgedVersion(path);
      const { version } = await this.#file(path).read();
      elections.tell('newestRead', path, version, acknowledged);
      if (!settings.careless) {
        leadership.assertHeld();
        elections.acted(hold);
      }
      const { name: election, token } = leadership;
      const writer = settings.careless ? { token, election } : { leadership };
      const data = new TextEncoder().encode(`${leadership.holder} after ${version}`);
      const written = await this.#file(path).write(data, { ...writer, expectedVersion: version });
      elections.wrote(path, written.version, data);
    } catch (error) {
      if (!ConclaveError.is(error) || !expected.has(error.code)) throw error;
      if (error.code !== 'stale-token') return;
      reports.counts.staleRefused += 1;
      elections.note(process.name, () => `its write is refused: ${error.message}`);
    }
  }

  #file(path: string): VersionedFile {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const { process, reports } = this.#parts;
    const disk = watchVersions(process.runtime.disk, (version) => {
      reports.elections.tell('published', version);
    });
    const file = versionedFile(path, { keepVersions: 2, runtime: { ...process.runtime, disk } });
    this.#files.set(path, file);
    return file;
  }
}

class PlannedFailure extends Error {}

function isPlanned(error: unknown): boolean {
  return error instanceof PlannedFailure;
}

const expected: ReadonlySet<string> = new Set([
  'version-conflict',
  'not-leading',
  'stale-token',
  'not-found',
]);
