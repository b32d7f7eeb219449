import type { Counts } from '../life/types.ts';
import { eventKinds } from '../world/scheduler.ts';
import { spoilReads, strikeData, strikeDisk } from './disk-faults.ts';
import { Cuts, strikeNetwork } from './network-faults.ts';
import type { FaultKind, FaultOptions } from './options.ts';
import { Overlaps } from './overlaps.ts';
import { strikeClock, strikeProcess } from './process-faults.ts';
import type { Fault } from './schedule.ts';
import { type Strike, type Targets, whomFor } from './targets.ts';

/** They count when data was harmed, or seen to be, and not only a member stopped for it. */
const harms: ReadonlySet<FaultKind> = new Set([
  'lose-disk',
  'bit-rot',
  'misdirected-read',
  'rotten-read',
  'diverge',
]);

/** Lets the faults of a schedule strike, each at its time, and undoes them. */
export class Nemesis {
  readonly #targets: Targets;
  readonly #cuts: Cuts;
  readonly #overlaps = new Overlaps();
  readonly #counts: Record<string, number> = {};
  readonly #undo = new Set<() => void>();
  #over = false;

  constructor(targets: Targets, schedule: readonly Fault[]) {
    this.#targets = targets;
    this.#cuts = new Cuts(targets);
    const { scheduler } = targets.world;
    for (const fault of schedule) {
      scheduler.at(fault.atMs * 1000, eventKinds.fault, undefined, () => this.#strike(fault));
    }
  }

  /** How often each kind took effect. */
  get counts(): Counts {
    return this.#counts;
  }

  /** Undoes everything and lets nothing strike any more. */
  heal(): void {
    this.#over = true;
    for (const undo of [...this.#undo]) undo();
    for (const member of this.#targets.members) member.disk.heal();
    this.#targets.network.calm();
  }

  #strike(fault: Fault): void {
    if (this.#over) return;
    const { world } = this.#targets;
    // Before it strikes: afterwards another may lead.
    const whom = world.trace.lines === undefined ? '' : whomFor(fault, this.#targets);
    world.note('', () => `fault ${fault.number}: ${fault.kind}${whom} (${fault.durationMs} ms)`);
    const undo = this.#try(fault);
    if (undo === undefined) world.note('', () => `fault ${fault.number} finds nothing to strike`);
    if (undo === undefined) return;
    if (!harms.has(fault.kind)) this.#count(fault.kind);
    const once = (): void => {
      if (!this.#undo.delete(once)) return;
      world.note('', () => `fault ${fault.number}: ${fault.kind} ends`);
      undo();
    };
    this.#undo.add(once);
    world.scheduler.after(fault.durationMs * 1000, eventKinds.fault, undefined, once);
  }

  #count(kind: FaultKind): void {
    this.#counts[kind] = (this.#counts[kind] ?? 0) + 1;
  }

  #try(fault: Fault): Strike {
    const targets = this.#targets;
    return (
      strikeNetwork(fault, targets, { cuts: this.#cuts, overlaps: this.#overlaps }) ??
      strikeDisk(fault, targets, this.#overlaps) ??
      spoilReads(fault, targets, this.#overlaps, () => this.#count(fault.kind)) ??
      strikeData(fault, targets, () => this.#count(fault.kind)) ??
      strikeProcess(fault, targets, this.#overlaps) ??
      targets.change?.(fault) ??
      (fault.kind === 'diverge' ? targets.diverge?.(fault, () => this.#count(fault.kind)) : undefined) ??
      strikeClock(fault, targets)
    );
  }
}

/** Gives every disk what was drawn for the whole life. */
export function setDisks({ members }: Pick<Targets, 'members'>, { diskSlowness }: FaultOptions): void {
  for (const { disk, position } of members) disk.faults.slowness = diskSlowness[position] ?? 1;
}

/** Gives every link between two hosts what was drawn for the whole life. */
export function setLinks(
  { world, network }: Pick<Targets, 'world' | 'network'>,
  options: FaultOptions,
): void {
  const { latencyUs, jitterUs, lossRate, repeatRate, reorderRate } = options;
  for (const from of world.hosts) {
    for (const to of world.hosts) {
      if (from === to) continue;
      Object.assign(network.link(from, to), { latencyUs, jitterUs, lossRate, repeatRate, reorderRate });
    }
  }
}
