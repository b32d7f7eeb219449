import { decodeConfiguration } from '../configuration.ts';
import type { Entry, MemberId } from '../types.ts';
import { Cluster, type ClusterMember, type Faults, type Observer } from './cluster.ts';

/**
 * A history made of joint changes, most of them to members whose quorums have nothing in common with those of before,
 * while partitions part just these: whoever counts one majority where both are needed is seen by what figure 3 of the
 * paper claims.
 */
const faults: Faults = {
  ...{ drop: 0.03, repeat: 0.05, crash: 0.02, restart: 0.5, isolate: 0.01, heal: 0.04, disconnect: 0.01 },
  ...{ transfer: 0.002, preVote: 1, write: 0.7, change: 0.3, several: 0.9, lateApply: 0.2, splitJoint: 0.3 },
};
const steps = 500;
const members = 6;

/** What took place. */
export interface JointHistory {
  /** Joint configurations that were committed. */
  readonly joint: number;
  readonly elections: number;
  /** What of the paper's claims does not hold, in words. */
  readonly broken: string | undefined;
}

export function liveJointChanges(seed: number): JointHistory {
  const watch = new Watch();
  const size = 1 + (seed % 4);
  const cluster = new Cluster(seed, size, faults, watch.observe, members - size);
  try {
    for (let step = 0; step < steps && watch.broken === undefined; step += 1) cluster.step();
  } catch (error) {
    // The core looks at some of it by itself.
    watch.broken ??= (error as Error).message;
  }
  const { joint, elections, broken } = watch;
  return { joint, elections, broken };
}

class Watch {
  joint = 0;
  elections = 0;
  broken: string | undefined;
  readonly #leaders = new Map<number, MemberId>();
  readonly #committed: { readonly entry: Entry; readonly term: number }[] = [];

  readonly observe: Observer = (member, effects, cluster) => {
    for (const entry of effects.committed) this.#applied(member, entry);
    const state = member.core?.status();
    if (state?.role !== 'leader') return;
    const known = this.#leaders.get(state.term);
    if (known === undefined) {
      this.#leaders.set(state.term, member.id);
      this.elections += 1;
    } else if (known !== member.id) {
      this.broken ??= `members ${known} and ${member.id} lead in term ${state.term}`;
    }
    const before = this.#committed.length;
    if (state.commitIndex > before) this.#commit(member, state);
    const grown = this.#committed.length > before;
    if (known !== undefined && !grown) return;
    for (const each of grown ? cluster.members : [member]) this.#complete(each);
  };

  #commit(leader: ClusterMember, { term, commitIndex }: { term: number; commitIndex: number }): void {
    for (const entry of leader.log.slice(this.#committed.length, commitIndex)) {
      this.#committed.push({ entry, term });
      if (entry.kind === 'configuration' && decodeConfiguration(entry.data).outgoing !== undefined)
        this.joint += 1;
    }
  }

  #applied({ id }: ClusterMember, entry: Entry): void {
    const known = this.#committed[entry.index - 1]?.entry;
    if (known !== undefined && !isSame(known, entry))
      this.broken ??= `member ${id} applies another entry ${entry.index} than was committed`;
  }

  /** Figure 3, leader completeness. */
  #complete(member: ClusterMember): void {
    const state = member.core?.status();
    if (state?.role !== 'leader') return;
    const { id, log } = member;
    const missing = this.#committed.find(
      ({ entry, term }) => term < state.term && !isSame(entry, log[entry.index - 1]),
    );
    if (missing === undefined) return;
    const what = `entry ${missing.entry.index}, committed in term ${missing.term}`;
    this.broken ??= `leader ${id} of term ${state.term} lacks ${what}`;
  }
}

function isSame(left: Entry, right: Entry | undefined): boolean {
  if (left === right) return true;
  if (right === undefined || left.index !== right.index || left.term !== right.term) return false;
  if (left.kind !== right.kind || left.data.length !== right.data.length) return false;
  return left.data.every((byte, at) => byte === right.data[at]);
}
