import {
  type CandidateView,
  type DevState,
  jobLeader,
  latestLeadership,
  type MemberView,
  raftLeader,
  type TimelineEntry,
} from './model.ts';
import { bar, paint, type Span, span, wrap } from './text-line.ts';

export interface Screen {
  /** Columns and rows to fill at most. */
  readonly width: number;
  readonly height: number;
  readonly colour: boolean;
  readonly nowMs: number;
}

/** The whole view as lines: at most `height` of them, each at most `width` columns wide. Pure. */
export function render(state: DevState, screen: Screen): string[] {
  const head = [title(state, screen), []];
  const members = [
    heading('MEMBERS', memberColumns),
    ...state.members.map((member) => memberLine(member, state)),
    [],
  ];
  const leadership = [...leadershipLines(state, screen), []];
  const candidates = [
    heading('CANDIDATES', candidateColumns),
    ...state.candidates.map((candidate) => candidateLine(candidate)),
    fileLine(state),
    [],
  ];
  const foot = [[], footer(screen.width)];
  // What must give way on a small terminal, the first to go first.
  const blocks = [head, members, leadership, candidates];
  while (blocks.length > 2 && heightOf(blocks) + foot.length > screen.height) blocks.pop();
  const roomForTimeline = screen.height - heightOf(blocks) - foot.length - 1;
  const timeline =
    roomForTimeline < 1
      ? []
      : [[span('TIMELINE', 'bold')], ...timelineLines(state, roomForTimeline, screen.width)];
  return [...blocks.flat(), ...timeline, ...foot]
    .slice(0, Math.max(1, screen.height))
    .map((spans) => paint(spans, screen.width, screen.colour));
}

function heightOf(blocks: readonly (readonly Span[])[][]): number {
  return blocks.reduce((sum, block) => sum + block.length, 0);
}

function title(state: DevState, screen: Screen): Span[] {
  const seconds = Math.max(0, Math.floor((screen.nowMs - state.startedAtMs) / 1000));
  const clock = `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
  return [
    span('Conclave', ['bold', 'cyan']),
    span(`  ${state.members.length} members, ${state.candidates.length} candidates, one leader at a time  `),
    span(clock, 'gray'),
  ];
}

const memberColumns = ['role', 'term', 'commit', 'applied', 'pid'] as const;
const candidateColumns = ['state', 'token', 'written', 'refused', 'pid'] as const;

function heading(name: string, columns: readonly string[]): Span[] {
  const [first = '', ...others] = columns;
  return [
    span(name.padEnd(14), 'bold'),
    span(first.padEnd(14) + others.map((column) => column.padStart(9)).join(''), 'gray'),
  ];
}

function row(mark: Span, name: string, state: Span, cells: readonly (string | number)[]): Span[] {
  return [
    mark,
    span(` ${name}`.padEnd(13)),
    { ...state, text: state.text.padEnd(14) },
    span(cells.map((cell) => String(cell).padStart(9)).join('')),
  ];
}

function memberLine(member: MemberView, state: DevState): Span[] {
  const numbers = [member.term, member.commitIndex, member.appliedIndex, member.pid];
  if (member.status === 'killed' || member.status === 'exited') {
    return row(span('✗', 'red'), member.name, span(member.status, 'red'), ['', '', '', '']);
  }
  if (member.status === 'starting')
    return row(span('○', 'yellow'), member.name, span('starting', 'yellow'), []);
  const leads = raftLeader(state)?.name === member.name;
  if (leads) return row(span('★', 'green'), member.name, span('Raft leader', ['bold', 'green']), numbers);
  return row(span('●', 'green'), member.name, span(member.role), numbers);
}

function leadershipLines(state: DevState, screen: Screen): Span[][] {
  const name = [span('LEADERSHIP'.padEnd(14), 'bold'), span(`of "${state.election}"`, 'gray')];
  const leader = jobLeader(state);
  if (leader === undefined) {
    const latest = latestLeadership(state);
    const since = latest?.endMs === undefined ? '' : `; ${latest.holder} had token ${latest.token}`;
    return [
      name,
      [span('  holder      '), span(`nobody${since}`, 'yellow')],
      [span('  time left   '), span(whyNobodyCan(state), 'yellow')],
    ];
  }
  const leftMs = Math.max(0, leader.leadership.validUntilMs - screen.nowMs);
  const barWidth = Math.max(10, Math.min(40, screen.width - 34));
  const { filled, empty } = bar(leftMs / state.ttlMs, barWidth);
  const healthy = leftMs > state.ttlMs / 3;
  const paused = leader.candidate.status === 'paused' ? span('  paused', 'yellow') : span('');
  return [
    name,
    [
      span('  holder      '),
      span(leader.candidate.name, ['bold', 'green']),
      span(`  token ${leader.leadership.token}`),
      paused,
    ],
    [
      span('  time left   '),
      span(filled, healthy ? 'green' : 'red'),
      span(empty, 'gray'),
      span(` ${(leftMs / 1000).toFixed(1)} of ${(state.ttlMs / 1000).toFixed(1)} s`),
    ],
  ];
}

/** Only a majority of the members can grant a lease; whoever pressed `k` twice should not have to know. */
function whyNobodyCan(state: DevState): string {
  const gone = state.members.filter(({ status }) => status === 'killed' || status === 'exited').length;
  const running = state.members.length - gone;
  if (gone === 0 || running > state.members.length / 2) return '';
  return `${running} of ${state.members.length} members run, no majority: press h to heal`;
}

const lookOfStatus = {
  starting: ['○', 'yellow', 'starting'],
  waiting: ['●', 'blue', 'waiting'],
  leading: ['★', 'green', 'LEADS'],
  paused: ['‖', 'yellow', 'paused'],
  killed: ['✗', 'red', 'killed'],
  exited: ['✗', 'red', 'ended'],
} as const satisfies Record<CandidateView['status'], readonly [string, string, string]>;

function candidateLine(candidate: CandidateView): Span[] {
  const [mark, colour, text] = lookOfStatus[candidate.status];
  const gone = candidate.status === 'killed' || candidate.status === 'exited';
  const token = candidate.token === 0 ? '-' : candidate.token;
  const numbers = [token, candidate.written, candidate.refused, gone ? '' : candidate.pid];
  return row(span(mark, colour), candidate.name, span(text, colour), numbers);
}

function fileLine(state: DevState): Span[] {
  const { version, token, writer } = state.file;
  const stands = version === 0 ? 'not written yet' : `version ${version}, by ${writer} with token ${token}`;
  const refused = state.refusals.length;
  return [
    span('  shared file '),
    span(stands),
    span(refused === 0 ? '' : `; ${refused} refused`, ['bold', 'magenta']),
  ];
}

const lookOfEntry = {
  info: undefined,
  good: 'green',
  bad: 'red',
  action: 'yellow',
  refused: ['bold', 'magenta'],
} satisfies Record<TimelineEntry['kind'], Span['format'] | undefined>;

/** The latest entries that fit, each wrapped: why a write was refused must not fall off the edge. */
function timelineLines(state: DevState, room: number, width: number): Span[][] {
  const lines: Span[][] = [];
  for (const entry of state.timeline.slice(-room)) {
    const { atMs, kind, text } = entry;
    const time = `${((atMs - state.startedAtMs) / 1000).toFixed(2).padStart(8)} s  `;
    const [first = '', ...others] = wrap(text, Math.max(20, width - time.length));
    lines.push([span(time, 'gray'), span(first, lookOfEntry[kind])]);
    for (const other of others) lines.push([span(' '.repeat(time.length)), span(other, lookOfEntry[kind])]);
  }
  return lines.slice(-room);
}

function footer(width: number): Span[] {
  const keys: readonly (readonly [string, string, string])[] = [
    ['k', 'kill Raft leader', 'kill Raft'],
    ['j', "kill job's leader", 'kill job'],
    ['p', "pause job's leader", 'pause'],
    ['h', 'heal all', 'heal'],
    ['q', 'quit', 'quit'],
  ];
  const long = width >= 86;
  return keys.flatMap(([key, full, short]) => [
    span(` ${key} `, 'inverse'),
    span(` ${long ? full : short}  `),
  ]);
}
