/** The state of `conclave dev`: what the view shows and what the verdict is drawn from. Plain data. */

export interface DevState {
  readonly startedAtMs: number;
  readonly election: string;
  readonly ttlMs: number;
  readonly members: readonly MemberView[];
  readonly candidates: readonly CandidateView[];
  /** As `observe` shows it. */
  readonly observed: { readonly holder: string | undefined; readonly token: number };
  /** Tokens that `observe` showed with a holder, in the order of arrival. */
  readonly observedTokens: readonly number[];
  readonly leaderships: readonly LeadershipRecord[];
  readonly failovers: readonly Failover[];
  readonly file: { readonly version: number; readonly token: number; readonly writer: string };
  readonly refusals: readonly Refusal[];
  readonly timeline: readonly TimelineEntry[];
}

export interface MemberView {
  readonly name: string;
  readonly pid: number;
  readonly clientUrl: string;
  readonly status: 'starting' | 'up' | 'killed' | 'exited';
  readonly role: string;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
}

export interface CandidateView {
  readonly name: string;
  readonly pid: number;
  readonly status: 'starting' | 'waiting' | 'leading' | 'paused' | 'killed' | 'exited';
  /** Of its current or latest leadership; 0: none yet. */
  readonly token: number;
  readonly written: number;
  readonly refused: number;
}

/** One leadership, as its holder reports it and as we ended it. */
export interface LeadershipRecord {
  readonly holder: string;
  readonly token: number;
  readonly startMs: number;
  /** The last known instant up to which the holder took itself for the leader. */
  readonly validUntilMs: number;
  /** When the holder said that it is over, or was killed. undefined: not yet. */
  readonly endMs: number | undefined;
}

export interface Failover {
  readonly of: 'raft' | 'job';
  readonly cause: 'killed' | 'paused';
  /** Who led before. */
  readonly from: string;
  /** The term or token that must be exceeded. */
  readonly above: number;
  readonly startMs: number;
  readonly endMs: number | undefined;
  readonly to: string | undefined;
}

export interface Refusal {
  readonly candidate: string;
  readonly token: number;
  readonly version: number;
  readonly code: string;
  readonly stale: boolean;
}

export interface TimelineEntry {
  readonly atMs: number;
  readonly kind: 'info' | 'good' | 'bad' | 'action' | 'refused';
  readonly text: string;
}

/** The timeline keeps this many entries: more than any terminal shows. */
export const timelineLimit = 200;

export function initialState(options: { startedAtMs: number; election: string; ttlMs: number }): DevState {
  return {
    ...options,
    members: [],
    candidates: [],
    observed: { holder: undefined, token: 0 },
    observedTokens: [],
    leaderships: [],
    failovers: [],
    file: { version: 0, token: 0, writer: '' },
    refusals: [],
    timeline: [],
  };
}

/** The member that says it is the leader of the highest term. */
export function raftLeader(state: DevState): MemberView | undefined {
  const leaders = state.members.filter((member) => member.status === 'up' && member.role === 'leader');
  return leaders.reduce<MemberView | undefined>(
    (best, member) => (best === undefined || member.term > best.term ? member : best),
    undefined,
  );
}

/** The candidate with the latest leadership, while that has not ended. */
export function jobLeader(
  state: DevState,
): { candidate: CandidateView; leadership: LeadershipRecord } | undefined {
  const leadership = latestLeadership(state);
  if (leadership === undefined || leadership.endMs !== undefined) return undefined;
  const candidate = state.candidates.find((one) => one.name === leadership.holder);
  return candidate === undefined ? undefined : { candidate, leadership };
}

export function latestLeadership(state: DevState): LeadershipRecord | undefined {
  return state.leaderships.reduce<LeadershipRecord | undefined>(
    (best, one) => (best === undefined || one.token > best.token ? one : best),
    undefined,
  );
}

/** When a leadership could last have been acted on by a process that looks at its clock. */
export function endOf(leadership: LeadershipRecord): number {
  return leadership.endMs === undefined
    ? Number.POSITIVE_INFINITY
    : Math.min(leadership.endMs, leadership.validUntilMs);
}
