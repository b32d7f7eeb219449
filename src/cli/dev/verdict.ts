import { formatDuration } from '../durations.ts';
import { type DevState, endOf, type LeadershipRecord } from './model.ts';

/** One line of the shared file: who wrote which version with which token. */
export interface HistoryLine {
  readonly version: number;
  readonly token: number;
  readonly writer: string;
}

/** What the run must have shown, and what it must not. */
export interface Verdict {
  readonly ok: boolean;
  /** For people, one line each. */
  readonly figures: readonly string[];
  readonly violations: readonly string[];
  /** In one sentence, where nothing was violated. */
  readonly summary: string;
}

export interface VerdictInput {
  readonly state: DevState;
  /** The file's lines, oldest first, as far as anybody read them. */
  readonly history: readonly HistoryLine[];
  /** What `mergeHistory` found. */
  readonly historyViolations: readonly string[];
  /** False where somebody may have quit in the middle: what is still under way is no violation then. */
  readonly complete: boolean;
  /** Steps of the script that did not come about. Empty without a script. */
  readonly unfinishedSteps: readonly string[];
}

export function verdictOf(input: VerdictInput): Verdict {
  const { state } = input;
  const violations = [
    ...overlaps(state.leaderships),
    ...fallingTokens(state.observedTokens),
    ...input.historyViolations,
    ...checkHistory(input.history),
    ...strangers(input.history, state.leaderships),
    ...state.failovers
      .filter((failover) => input.complete && failover.endMs === undefined)
      .map(
        (failover) =>
          `${failoverName(failover)} after ${failover.from} was ${failover.cause} never completed`,
      ),
    ...input.unfinishedSteps.map((step) => `the script did not come to its end: ${step}`),
  ];
  if (input.complete && state.leaderships.length === 0) violations.push('nobody ever led');
  const failovers = input.complete ? ' every failover completed,' : '';
  const summary = `One leader at a time,${failovers} no stale write got through.`;
  return { ok: violations.length === 0, figures: figuresOf(input), violations, summary };
}

/** Two leaderships that were both valid at some instant. */
export function overlaps(leaderships: readonly LeadershipRecord[]): string[] {
  const found: string[] = [];
  const inOrder = [...leaderships].sort((left, right) => left.token - right.token);
  for (const [position, later] of inOrder.entries()) {
    for (const earlier of inOrder.slice(0, position)) {
      if (endOf(earlier) <= later.startMs) continue;
      const byMs = Math.min(endOf(earlier), endOf(later)) - later.startMs;
      found.push(
        `two leaders at a time: ${earlier.holder} with token ${earlier.token} and ${later.holder} with token ` +
          `${later.token}${Number.isFinite(byMs) ? `, for ${byMs.toFixed(1)} ms` : ''}`,
      );
    }
  }
  return found;
}

function fallingTokens(tokens: readonly number[]): string[] {
  return tokens.flatMap((token, position) => {
    const before = tokens[position - 1];
    return before === undefined || token > before
      ? []
      : [`observe showed token ${token} after token ${before}`];
  });
}

/** Each line follows the one before: the next version, and a token that is no lower, by one writer for each token. */
export function checkHistory(history: readonly HistoryLine[]): string[] {
  const found: string[] = [];
  const writerOfToken = new Map<number, string>();
  for (const [position, line] of history.entries()) {
    const before = history[position - 1];
    if (before !== undefined && line.version !== before.version + 1) {
      found.push(`the file has version ${line.version} after version ${before.version}`);
    }
    if (before !== undefined && line.token < before.token) {
      found.push(
        `a stale write got through: version ${line.version} by ${line.writer} with token ${line.token}, after token ` +
          `${before.token}`,
      );
    }
    const writer = writerOfToken.get(line.token) ?? line.writer;
    if (writer !== line.writer) found.push(`token ${line.token} was used by ${writer} and by ${line.writer}`);
    writerOfToken.set(line.token, writer);
  }
  return found;
}

/** Lines of a token that was never won, or was won by another. */
function strangers(history: readonly HistoryLine[], leaderships: readonly LeadershipRecord[]): string[] {
  const holderOfToken = new Map(leaderships.map((one) => [one.token, one.holder]));
  return history.flatMap((line) =>
    holderOfToken.get(line.token) === line.writer
      ? []
      : [`version ${line.version} by ${line.writer} has token ${line.token}, which it never won`],
  );
}

function figuresOf({ state, history }: VerdictInput): string[] {
  const stale = state.refusals.filter((refusal) => refusal.stale).length;
  const failovers = state.failovers.flatMap((failover) =>
    failover.endMs === undefined
      ? []
      : [
          `${failoverName(failover)}: ${failover.from} ${failover.cause}, ${failover.to} took over after ` +
            formatDuration(failover.endMs - failover.startMs),
        ],
  );
  return [
    ...failovers,
    state.leaderships.length === 0
      ? 'leaderships: none'
      : `leaderships: ${state.leaderships.length}, with tokens ${state.leaderships.map((one) => one.token).join(', ')}`,
    `writes to the file: ${history.at(-1)?.version ?? 0} accepted, ${state.refusals.length} refused (${stale} by a stale leader)`,
  ];
}

function failoverName(failover: { readonly of: 'raft' | 'job' }): string {
  return failover.of === 'raft' ? 'Raft failover' : 'job failover';
}
