import type { DevEvent } from './events.ts';
import { completed, failoverFrom } from './failovers.ts';
import {
  type CandidateView,
  type DevState,
  jobLeader,
  type LeadershipRecord,
  type MemberView,
  type TimelineEntry,
  timelineLimit,
} from './model.ts';

/** The next state. Pure: the same events give the same view and the same verdict. */
export function reduce(state: DevState, event: DevEvent): DevState {
  switch (event.type) {
    case 'member-started':
    case 'member-killed':
    case 'member-exited':
    case 'member-state':
    case 'member-unreachable':
      return reduceMember(state, event);
    case 'candidate-started':
    case 'candidate-killed':
    case 'candidate-exited':
    case 'candidate-paused':
    case 'candidate-woken':
      return reduceProcess(state, event);
    case 'observed':
      return reduceObserved(state, event);
    case 'note':
      return told(state, event.atMs, 'action', event.text);
    default:
      return reduceReport(state, event);
  }
}

type EventOf<Type extends DevEvent['type']> = Extract<DevEvent, { type: Type }>;

function reduceMember(
  state: DevState,
  event: EventOf<
    'member-started' | 'member-killed' | 'member-exited' | 'member-state' | 'member-unreachable'
  >,
): DevState {
  const before = state.members.find((member) => member.name === event.member);
  switch (event.type) {
    case 'member-started': {
      const member: MemberView = {
        ...{ role: '', term: 0, commitIndex: 0, appliedIndex: 0 },
        ...before,
        ...{ name: event.member, pid: event.pid, clientUrl: event.clientUrl, status: 'starting' },
      };
      const next = { ...state, members: replaced(state.members, member) };
      return before === undefined ? next : told(next, event.atMs, 'info', `${event.member} is started again`);
    }
    case 'member-killed': {
      const text = `${event.member} is killed (SIGKILL)${before?.role === 'leader' ? ': it was the Raft leader' : ''}`;
      const next = told(
        withMember(state, event.member, { status: 'killed', role: '' }),
        event.atMs,
        'action',
        text,
      );
      if (before?.role !== 'leader') return next;
      const { term: above, name: from } = before;
      return {
        ...next,
        failovers: [...next.failovers, failoverFrom('raft', 'killed', from, above, event.atMs)],
      };
    }
    case 'member-exited':
      if (before?.status === 'killed') return state;
      return told(
        withMember(state, event.member, { status: 'exited', role: '' }),
        event.atMs,
        'bad',
        `${event.member} ended: ${event.detail}`,
      );
    case 'member-unreachable':
      if (before?.status !== 'up') return state;
      return withMember(state, event.member, { status: 'starting', role: '' });
    case 'member-state':
      return before === undefined ? state : reduceReading(state, before, event);
  }
}

function reduceReading(state: DevState, before: MemberView, event: EventOf<'member-state'>): DevState {
  // A reading that was on its way when the member was killed.
  if (before.status === 'killed' || before.status === 'exited') return state;
  const { role, term, commitIndex, appliedIndex } = event;
  const next = withMember(state, before.name, { status: 'up', role, term, commitIndex, appliedIndex });
  if (role !== 'leader' || (before.role === 'leader' && before.term === term)) return next;
  const { failovers, elapsed } = completed(next.failovers, 'raft', term, before.name, event.atMs);
  return told(
    { ...next, failovers },
    event.atMs,
    'good',
    `${before.name} is the Raft leader of term ${term}${elapsed}`,
  );
}

function reduceProcess(
  state: DevState,
  event: EventOf<
    'candidate-started' | 'candidate-killed' | 'candidate-exited' | 'candidate-paused' | 'candidate-woken'
  >,
): DevState {
  const before = state.candidates.find((candidate) => candidate.name === event.candidate);
  const leading = jobLeader(state);
  const ledUntilNow = leading?.candidate.name === event.candidate ? leading.leadership : undefined;
  switch (event.type) {
    case 'candidate-started': {
      const candidate: CandidateView = {
        ...{ token: 0, written: 0, refused: 0 },
        ...before,
        ...{ name: event.candidate, pid: event.pid, status: 'starting' },
      };
      const next = { ...state, candidates: replaced(state.candidates, candidate) };
      return before === undefined
        ? next
        : told(next, event.atMs, 'info', `${event.candidate} is started again`);
    }
    case 'candidate-killed': {
      const led = ledUntilNow === undefined ? '' : `: it led with token ${ledUntilNow.token}`;
      const next = told(
        withLeaderships(
          withCandidate(state, event.candidate, { status: 'killed' }),
          event.candidate,
          event.atMs,
        ),
        event.atMs,
        'action',
        `${event.candidate} is killed (SIGKILL)${led}`,
      );
      return ledUntilNow === undefined ? next : withJobFailover(next, 'killed', ledUntilNow, event.atMs);
    }
    case 'candidate-exited':
      if (before?.status === 'killed') return state;
      return told(
        withLeaderships(
          withCandidate(state, event.candidate, { status: 'exited' }),
          event.candidate,
          event.atMs,
        ),
        event.atMs,
        'bad',
        `${event.candidate} ended: ${event.detail}`,
      );
    case 'candidate-paused': {
      const next = told(
        withCandidate(state, event.candidate, { status: 'paused' }),
        event.atMs,
        'action',
        `${event.candidate} is paused (SIGSTOP) in the middle of a write`,
      );
      return ledUntilNow === undefined ? next : withJobFailover(next, 'paused', ledUntilNow, event.atMs);
    }
    case 'candidate-woken':
      return told(
        withCandidate(state, event.candidate, { status: ledUntilNow === undefined ? 'waiting' : 'leading' }),
        event.atMs,
        'action',
        `${event.candidate} wakes (SIGCONT) and goes on where it was`,
      );
  }
}

function reduceObserved(state: DevState, event: EventOf<'observed'>): DevState {
  const observed = { holder: event.holder, token: event.token };
  const isNew = event.holder !== undefined && state.observedTokens.at(-1) !== event.token;
  return {
    ...state,
    observed,
    observedTokens: isNew ? [...state.observedTokens, event.token] : state.observedTokens,
  };
}

function reduceReport(
  state: DevState,
  event: EventOf<
    'campaigning' | 'elected' | 'held' | 'ended' | 'thinking' | 'written' | 'refused' | 'trouble'
  >,
): DevState {
  const { candidate: name, atMs } = event;
  const before = state.candidates.find((candidate) => candidate.name === name);
  if (before === undefined) return state;
  switch (event.type) {
    case 'campaigning':
      return withCandidate(state, name, { status: 'waiting' });
    case 'elected': {
      const record = {
        holder: name,
        token: event.token,
        startMs: atMs,
        validUntilMs: event.validUntilMs,
        endMs: undefined,
      };
      const next = withCandidate(state, name, { status: 'leading', token: event.token });
      const { failovers, elapsed } = completed(next.failovers, 'job', event.token, name, atMs);
      const text = `${name} leads with token ${event.token}${elapsed}`;
      return told({ ...next, failovers, leaderships: [...next.leaderships, record] }, atMs, 'good', text);
    }
    case 'held':
      return withLeadership(state, event.token, (one) => ({
        ...one,
        validUntilMs: Math.max(one.validUntilMs, event.validUntilMs),
      }));
    case 'ended': {
      const next = withLeadership(state, event.token, (one) => ({
        ...one,
        validUntilMs: event.validUntilMs,
        endMs: one.endMs ?? atMs,
      }));
      return told(
        withCandidate(next, name, { status: 'waiting' }),
        atMs,
        'info',
        `${name} leads no more: ${event.cause}`,
      );
    }
    case 'thinking':
      return state;
    case 'written': {
      const next = withCandidate(state, name, { written: before.written + 1 });
      return { ...next, file: { version: event.version, token: event.token, writer: name } };
    }
    case 'refused': {
      const { token, version, code, stale } = event;
      const next = withCandidate(state, name, { refused: before.refused + 1 });
      const text = `${name} tried to write version ${version} with token ${token}: REFUSED, ${code}: ${event.reason}`;
      const refusals = [...next.refusals, { candidate: name, token, version, code, stale }];
      return told({ ...next, refusals }, atMs, 'refused', text);
    }
    case 'trouble':
      return told(state, atMs, 'bad', `${name}: ${event.text}`);
  }
}

function told(state: DevState, atMs: number, kind: TimelineEntry['kind'], text: string): DevState {
  return { ...state, timeline: [...state.timeline, { atMs, kind, text }].slice(-timelineLimit) };
}

function replaced<Item extends { readonly name: string }>(items: readonly Item[], item: Item): Item[] {
  const known = items.some((one) => one.name === item.name);
  return known ? items.map((one) => (one.name === item.name ? item : one)) : [...items, item];
}

function withMember(state: DevState, name: string, change: Partial<MemberView>): DevState {
  return { ...state, members: state.members.map((one) => (one.name === name ? { ...one, ...change } : one)) };
}

function withCandidate(state: DevState, name: string, change: Partial<CandidateView>): DevState {
  return {
    ...state,
    candidates: state.candidates.map((one) => (one.name === name ? { ...one, ...change } : one)),
  };
}

function withLeadership(
  state: DevState,
  token: number,
  change: (leadership: LeadershipRecord) => LeadershipRecord,
): DevState {
  return { ...state, leaderships: state.leaderships.map((one) => (one.token === token ? change(one) : one)) };
}

/** A process that is gone holds nothing any more. */
function withLeaderships(state: DevState, holder: string, endMs: number): DevState {
  const leaderships = state.leaderships.map((one) =>
    one.holder === holder && one.endMs === undefined ? { ...one, endMs } : one,
  );
  return { ...state, leaderships };
}

function withJobFailover(
  state: DevState,
  cause: 'killed' | 'paused',
  leadership: LeadershipRecord,
  startMs: number,
): DevState {
  const failover = failoverFrom('job', cause, leadership.holder, leadership.token, startMs);
  return { ...state, failovers: [...state.failovers, failover] };
}
