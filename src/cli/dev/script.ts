import { setTimeout as sleep } from 'node:timers/promises';
import type { DevState } from './model.ts';
import type { DevSession } from './session.ts';

/** What the script needs of a session; the tests play it on one without processes. */
export type Stage = Pick<
  DevSession,
  'state' | 'waitFor' | 'killRaftLeader' | 'killJobLeader' | 'pauseJobLeader' | 'heal' | 'note'
>;

export interface ScriptOptions {
  /** How long the step that begins now may take, ms. */
  readonly stepPatienceMs: () => number;
  /** Time to look at the view between two steps. */
  readonly breathMs: number;
  readonly signal: AbortSignal;
}

/** Kill the Raft leader, kill the job's leader, pause it past its lease and let it wake. Returns what did not come about. */
export async function playScript(stage: Stage, options: ScriptOptions): Promise<string[]> {
  const { signal } = options;
  const steps: [name: string, play: () => Promise<boolean>][] = [
    ['a cluster with a leader, and a job with one', () => wait(calm)],
    ['another Raft leader after a SIGKILL of the first', () => afterKill(() => stage.killRaftLeader())],
    ['all members back', () => healed()],
    ["another job's leader after a SIGKILL of the first", () => afterKill(() => stage.killJobLeader())],
    ['all candidates back', () => healed()],
    ['a stale write refused, after a pause past the lease', () => pause()],
    ['calm after all that', () => healed()],
  ];
  const wait = (wanted: (state: DevState) => boolean) =>
    stage.waitFor(wanted, options.stepPatienceMs(), signal);
  const afterKill = async (kill: () => void) => {
    // A leader that the machine stopped for longer than its lease since the last step is none to be killed.
    if (!(await wait(calm))) return false;
    const { failovers, file } = stage.state;
    kill();
    // Both leaders may run on one machine's luck: whatever the kill set off has to end, and the work to go on.
    return await wait(
      (state) =>
        state.failovers.length > failovers.length &&
        state.failovers.every((failover) => failover.endMs !== undefined) &&
        state.file.version > file.version,
    );
  };
  const healed = async () => {
    stage.heal();
    return await wait(calm);
  };
  const pause = async () => {
    const stale = (state: DevState) => state.refusals.filter((refusal) => refusal.stale).length;
    const before = stale(stage.state);
    const { failovers } = stage.state;
    while (!(await stage.pauseJobLeader(signal))) {
      await sleep(options.breathMs, undefined, { signal }).catch(() => {});
      if (signal.aborted || !(await wait(calm))) return false;
    }
    return await wait((state) => stale(state) > before && state.failovers.length > failovers.length);
  };
  for (const [position, [, play]] of steps.entries()) {
    if (signal.aborted || !(await play())) return steps.slice(position).map(([name]) => name);
    await sleep(options.breathMs, undefined, { signal }).catch(() => {});
  }
  return [];
}

/** All members follow one leader, all candidates wait or lead, and the job writes. */
export function calm(state: DevState): boolean {
  const roles = state.members.map((member) => (member.status === 'up' ? member.role : 'gone'));
  const terms = new Set(state.members.map((member) => member.term));
  const statuses = state.candidates.map((candidate) => candidate.status);
  const writer = state.candidates.find((candidate) => candidate.status === 'leading');
  return (
    roles.every((role) => role === 'leader' || role === 'follower') &&
    roles.filter((role) => role === 'leader').length === 1 &&
    terms.size === 1 &&
    statuses.every((status) => status === 'waiting' || status === 'leading') &&
    writer !== undefined &&
    writer.token === state.file.token
  );
}
