import { decodeClusterRecord } from '../../member/membership/records.ts';
import { type Configuration, membersOf } from '../../raft/index.ts';
import type { Fault } from '../faults/schedule.ts';
import { nothingToUndo, oneOf, type Strike } from '../faults/targets.ts';
import type { SimulatedCluster } from '../life/cluster.ts';
import type { Hub } from '../life/hub.ts';
import { peerPort } from '../life/member-parts.ts';
import type { SimulatedMember } from '../life/simulated-member.ts';
import type { Host } from '../world/host.ts';
import { Draw } from '../world/random.ts';
import { eventKinds } from '../world/scheduler.ts';
import type { World } from '../world/world.ts';
import { ask } from './asking.ts';
import { addition, exchange, type Plan, promotion, type Request, removal } from './plans.ts';
import { inForce, situationOf } from './situation.ts';

const workEveryUs = 100_000;
/** What is refused now may not be in a moment: a voter was away, a learner behind. */
const patienceUs = 6_000_000;
/** Whoever was asked may have died with the question. */
const forgottenAfterUs = 5_000_000;

export interface OperatorParts {
  readonly world: World;
  readonly cluster: SimulatedCluster;
  readonly hub: Hub;
}

interface Task {
  readonly plan: Plan;
  /** Until then it is asked for again; Infinity: until nothing is left to do. */
  readonly untilUs: number;
  readonly name: string;
}

/** What was asked for came about so often. */
export interface ChangeCounts {
  added: number;
  promoted: number;
  removed: number;
  exchanged: number;
  lost: number;
  /** Removed members that were started again and were refused. */
  refused: number;
}

/** Changes who is in the cluster, as far as it lets itself be changed. */
export class Operator {
  readonly counts: ChangeCounts = { added: 0, promoted: 0, removed: 0, exchanged: 0, lost: 0, refused: 0 };
  readonly #parts: OperatorParts;
  readonly #random: Draw;
  readonly #tasks: Task[] = [];
  readonly #startAtUs = new Map<Host, number>();
  readonly #free: Host[];
  #asking: object | undefined;
  #over = false;

  constructor(parts: OperatorParts) {
    this.#parts = parts;
    this.#random = parts.world.random('operator');
    this.#free = [...parts.cluster.spares];
  }

  start(): void {
    this.#parts.world.scheduler.after(workEveryUs, eventKinds.world, undefined, () => {
      this.#work();
      this.start();
    });
  }

  strike(fault: Fault, whom: (fault: Fault) => SimulatedMember): Strike {
    const { how, durationMs } = fault;
    // Whoever joins is sent a snapshot, and one of a member that differs would make the new one wrong with it.
    if (this.#parts.cluster.diverged !== undefined) return undefined;
    switch (fault.kind) {
      case 'add-learner':
      case 'add-voter':
        return this.#add(fault.kind === 'add-learner', durationMs);
      case 'promote-learner':
        return this.#doing('promote a learner', promotion());
      case 'remove-member':
        return this.#remove(whom(fault), how);
      case 'replace-member':
        return this.#lose(whom(fault), durationMs, how);
      case 'replace-at-once':
        return this.#exchange(whom(fault), durationMs, how);
      case 'removed-returns':
        return this.#bringBack(how);
      default:
        return undefined;
    }
  }

  /** Nothing is being changed, and a lost member can be replaced. */
  get isIdle(): boolean {
    const quiet = this.#tasks.length === 0 && this.#asking === undefined;
    return quiet && !this.#over && this.#free.length > 0;
  }

  /** One that was taken out for good is removed, and another takes its place. */
  replace(member: SimulatedMember): void {
    this.counts.lost += 1;
    const isInsisting = { untilUs: Number.POSITIVE_INFINITY };
    this.#tasks.unshift({ name: `remove ${member.name}`, plan: removal(member.memberId), ...isInsisting });
    const host = this.#newHost(0);
    if (host === undefined || this.#over) return;
    const untilUs = this.#parts.world.nowUs + 2 * patienceUs;
    this.#tasks.push({ name: `add ${host.name}`, plan: addition(urlOf(host), false), untilUs });
  }

  /** Nothing new is begun; what was lost is still replaced. */
  heal(): void {
    this.#over = true;
    for (const task of this.#tasks.splice(0))
      if (task.untilUs === Number.POSITIVE_INFINITY) this.#tasks.push(task);
  }

  /** All that was to be replaced is, everybody who was added runs, and everybody who was removed has left. */
  get settled(): boolean {
    const { hub, cluster } = this.#parts;
    const { index, configuration } = hub.configurations.committed;
    const leader = inForce(this.#parts.cluster);
    if (this.#tasks.length > 0 || this.#asking !== undefined || leader === undefined) return false;
    if (cluster.leader === undefined || hub.configurations.of(cluster.leader).index !== index) return false;
    if (configuration.outgoing !== undefined) return false;
    const ids = membersOf(configuration);
    // A leader that was paused and is deposed knows less than those who elect the next one.
    const follows = ({ gone, running, raft }: SimulatedMember): boolean =>
      !gone && running && raft?.status().leader === cluster.leader?.memberId;
    if (!ids.every((id) => cluster.members.some((member) => member.memberId === id && follows(member))))
      return false;
    const others = cluster.members.filter(({ memberId, gone }) => !gone && !ids.includes(memberId));
    for (const other of others) if (!this.#isToldSo(other, ids)) other.dismiss();
    return others.every(({ gone }) => gone);
  }

  describe(): string {
    const tasks = this.#tasks.map(({ name }) => name).join(', ') || 'nothing';
    return `the operator is still to ${tasks}${this.#asking === undefined ? '' : ', and waits for an answer'}`;
  }

  /** One that was removed, and knows of somebody who can tell it. Others would wait for ever, and do no harm. */
  #isToldSo(member: SimulatedMember, ids: readonly number[]): boolean {
    const { configurations } = this.#parts.hub;
    const { removed } = decodeClusterRecord(configurations.committed.configuration.context);
    if (!removed.includes(member.memberId)) return false;
    // One that never had data has nothing to be told by.
    if (!member.running) return member.durable.term > 0;
    return membersOf(configurations.of(member).configuration).some((id) => ids.includes(id));
  }

  #work(): void {
    for (const { running, raft } of this.#parts.cluster.present)
      if (running && raft !== undefined) this.#startAdded(raft.status().configuration);
    const now = inForce(this.#parts.cluster);
    if (now === undefined) return;
    const [task] = this.#tasks;
    if (task === undefined || this.#asking !== undefined) return;
    const request = task.plan(situationOf(this.#parts.cluster, now));
    if (request === undefined || this.#isBegun(request) || this.#parts.world.nowUs > task.untilUs) {
      this.#tasks.splice(this.#tasks.indexOf(task), 1);
      return;
    }
    this.#ask(task, request);
  }

  #ask(task: Task, request: Request): void {
    const { cluster, world } = this.#parts;
    const via = request.type === 'at-once' ? cluster.leader : this.#random.pick(cluster.present);
    if (via?.member === undefined) return;
    const asking = {};
    this.#asking = asking;
    const what = request.type === 'at-once' ? 'exchange members' : `${request.change.type} a member`;
    world.note('operator', () => `asks ${via.name} to ${what}`);
    const done = (outcome: string, ok: boolean): void => {
      if (this.#asking !== asking) return;
      this.#asking = undefined;
      world.note('operator', () => `is told by ${via.name}: ${outcome}`);
      if (ok) this.#count(request);
      // Asked again, it would be another member under the same URL.
      const isOnce = outcome.startsWith('nothing') || outcome.startsWith('Conclave');
      const over = ok || (isOnce && request.type === 'change' && request.change.type === 'add');
      if (over && task.untilUs !== Number.POSITIVE_INFINITY) {
        const at = this.#tasks.indexOf(task);
        if (at >= 0) this.#tasks.splice(at, 1);
      }
    };
    world.scheduler.after(forgottenAfterUs, eventKinds.fault, undefined, () => done('nothing', false));
    void ask(via, via.member, request).then(({ ok, outcome }) => done(outcome, ok));
  }

  /**
   * Somebody was started for it already: a leader had written it that lost it with its term, and then it was refused. Added
   * again it would be another member, on a host that has one.
   */
  #isBegun(request: Request): boolean {
    if (request.type !== 'change' || request.change.type !== 'add') return false;
    const { peerUrls } = request.change;
    return this.#parts.cluster.members.some(({ host }) => peerUrls.includes(urlOf(host)));
  }

  #count(request: Request): void {
    if (request.type === 'at-once') this.counts.exchanged += 1;
    else if (request.change.type === 'add') this.counts.added += 1;
    else if (request.change.type === 'promote') this.counts.promoted += 1;
    else if (request.change.type === 'remove') this.counts.removed += 1;
  }

  /** On the host that a member expects it at, some time after it does: a change may wait for those whom it adds. */
  #startAdded({ context }: Configuration): void {
    const { cluster, world } = this.#parts;
    for (const { memberId, peerUrls } of decodeClusterRecord(context).members) {
      if (cluster.members.some((member) => member.memberId === memberId)) continue;
      const host = cluster.spares.find((spare) => peerUrls.includes(urlOf(spare)));
      if (host === undefined || world.nowUs < (this.#startAtUs.get(host) ?? 0)) continue;
      if (!this.#isVacant(host, memberId)) continue;
      cluster.join(host, memberId).start();
    }
  }

  /** Who was started there for a change that was lost makes room for whom a later one added. */
  #isVacant(host: Host, memberId: number): boolean {
    const { cluster, hub } = this.#parts;
    const others = cluster.members.filter((member) => member.host === host);
    if (others.length === 0) return true;
    if (!membersOf(hub.configurations.committed.configuration).includes(memberId)) return false;
    for (const other of others) other.dismiss();
    return true;
  }

  #doing(name: string, plan: Plan, insists = false): Strike {
    if (this.#over || (this.#tasks.length > 2 && !insists)) return undefined;
    const untilUs = insists ? Number.POSITIVE_INFINITY : this.#parts.world.nowUs + patienceUs;
    this.#tasks.push({ name, plan, untilUs });
    return nothingToUndo;
  }

  /** A host that was never expected: a change that nobody answered may still come about. */
  #newHost(durationMs: number): Host | undefined {
    const host = this.#free.shift();
    if (host !== undefined) this.#startAtUs.set(host, this.#parts.world.nowUs + durationMs * 1000);
    return host;
  }

  #add(isLearner: boolean, durationMs: number): Strike {
    if (this.#tasks.length > 2) return undefined;
    const host = this.#newHost(durationMs);
    if (host === undefined) return undefined;
    return this.#doing(`add ${host.name}`, addition(urlOf(host), isLearner));
  }

  /** While it runs, or is paused, or is down and learns of it only when it comes back. */
  #remove(member: SimulatedMember, how: number): Strike {
    const struck = this.#doing(`remove ${member.name}`, removal(member.memberId));
    if (struck === undefined) return undefined;
    const { process } = member;
    switch (how % 4) {
      case 0:
        member.kill();
        member.holdDown();
        return () => member.release();
      case 1:
        process?.pause();
        return () => process?.resume();
      default:
        return struck;
    }
  }

  /** Its disk is gone for good: it is removed, and another takes its place. */
  #lose(member: SimulatedMember, durationMs: number, how: number): Strike {
    const { cluster } = this.#parts;
    if (!this.isIdle || !cluster.mayLose(member)) return undefined;
    member.lose();
    this.counts.lost += 1;
    this.#doing(`remove ${member.name}, which is lost`, removal(member.memberId), true);
    const host = this.#newHost(durationMs);
    if (host === undefined) return nothingToUndo;
    const untilUs = this.#parts.world.nowUs + 2 * patienceUs;
    this.#tasks.push({ name: `add ${host.name}`, plan: addition(urlOf(host), how % 3 === 0), untilUs });
    return nothingToUndo;
  }

  #exchange(first: SimulatedMember, durationMs: number, how: number): Strike {
    const { cluster } = this.#parts;
    const random = new Draw(how);
    if (this.#tasks.length > 2 || this.#over) return undefined;
    const voters = inForce(this.#parts.cluster)?.configuration.voters ?? [];
    const leaving = [first.memberId, ...random.shuffled(voters.filter((id) => id !== first.memberId))];
    const going = leaving.filter((id) => voters.includes(id)).slice(0, random.between(0, 2));
    const coming = random.between(going.length === 0 ? 2 : 1, 2);
    const added: { memberId: number; peerUrl: string }[] = [];
    for (let left = coming; left > 0; left--) {
      const host = this.#newHost(durationMs);
      if (host === undefined) break;
      const memberId = random.below(2 ** 24) * 2 ** 24 + random.below(2 ** 24) + 1;
      added.push({ memberId, peerUrl: urlOf(host) });
    }
    if (added.length + going.length < 2 || cluster.members.some(({ lost, gone }) => lost && !gone))
      return undefined;
    return this.#doing(`exchange ${going.length} members for ${added.length}`, exchange(added, going));
  }

  #bringBack(how: number): Strike {
    const left = this.#parts.cluster.members.filter(({ hasLeft }) => hasLeft);
    const member = oneOf(left, how);
    if (member === undefined) return undefined;
    member.returns(() => {
      this.counts.refused += 1;
    });
    return nothingToUndo;
  }
}

function urlOf({ address }: Host): string {
  return `http://${address}:${peerPort}`;
}
