/** What a dashboard shows: who is there, what belongs to whom, who leads. */
import type { StateFeed } from './feed.ts';
import { type Layout, partitionsOf } from './layout.ts';
import { partitionElection } from './options.ts';
import type { PartitionRun } from './partition-run.ts';
import type { RosterView } from './roster.ts';

export interface MemberStatus {
  readonly holder: string;
  readonly weight: number;
  /** As the process gave it; '' on a store that does not show who waits, where only leaders of partitions show it. */
  readonly metadata: string;
  /** How many partitions belong to it. */
  readonly assigned: number;
  /** How many it leads; more or fewer than assigned while partitions move. */
  readonly leading: number;
}

export interface PartitionStatus {
  readonly partition: string;
  /** undefined: nobody is there. */
  readonly assignedTo: string | undefined;
  readonly leader: { readonly holder: string; readonly token: number; readonly metadata: string } | undefined;
  /**
   * `led` by whom it is assigned to; `moving`: by another, who is to hand it over; `unled`: by nobody. `draining`:
   * this process is handing it over, and its job has not settled yet.
   */
  readonly state: 'led' | 'moving' | 'draining' | 'unled';
  /** Milliseconds since the Unix epoch: when this process first saw this leader, or that there is none. */
  readonly sinceMs: number;
}

export interface PartitionsStatus {
  readonly name: string;
  /** undefined: nothing is agreed yet. */
  readonly layout: Layout | undefined;
  readonly members: readonly MemberStatus[];
  readonly partitions: readonly PartitionStatus[];
  readonly totals: {
    readonly partitions: number;
    readonly led: number;
    readonly moving: number;
    readonly draining: number;
    readonly unled: number;
  };
  /** False: the watch behind it is down, and the truth may be newer. */
  readonly current: boolean;
}

export interface StatusParts {
  readonly name: string;
  readonly feed: StateFeed;
  readonly view: RosterView;
  /** What follows from it: the member of each partition. */
  readonly assignment: ReadonlyMap<string, string>;
  readonly current: boolean;
  /** Of this process. */
  readonly runs: ReadonlyMap<string, PartitionRun>;
}

export function statusOf({ name, feed, view, assignment, current, runs }: StatusParts): PartitionsStatus {
  const ids = view.layout === undefined ? [] : partitionsOf(view.layout);
  const counts = new Map(view.members.map(({ holder }) => [holder, { assigned: 0, leading: 0 }]));
  const partitions = ids.map((partition): PartitionStatus => {
    const seen = feed.get(partitionElection(name, partition));
    const leader = seen?.state.leader;
    const assignedTo = assignment.get(partition);
    const isDraining = runs.get(partition)?.phase === 'draining';
    const [assigned, leading] = [counts.get(assignedTo ?? ''), counts.get(leader?.holder ?? '')];
    if (assigned) assigned.assigned += 1;
    if (leading) leading.leading += 1;
    const led = leader?.holder === assignedTo ? 'led' : 'moving';
    const state = isDraining ? 'draining' : leader === undefined ? 'unled' : led;
    return { partition, assignedTo, leader, state, sinceMs: seen?.leaderSinceMs ?? 0 };
  });
  const totals = { partitions: ids.length, led: 0, moving: 0, draining: 0, unled: 0 };
  for (const { state } of partitions) totals[state] += 1;
  const members = view.members.map(({ holder, weight, metadata }) => {
    return { holder, weight, metadata, ...(counts.get(holder) ?? { assigned: 0, leading: 0 }) };
  });
  return { name, layout: view.layout, members, partitions, totals, current };
}
