import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DevEvent } from './events.ts';
import { type DevState, jobLeader, raftLeader } from './model.ts';
import { reduce } from './reducer.ts';
import { calm, playScript, type Stage } from './script.ts';
import { settled, stateAfter } from './testing.ts';

/** A cluster in which everything that is done has its effect at once, or, from a step on, none. */
class FakeStage implements Stage {
  state: DevState = stateAfter(settled());
  readonly done: string[] = [];
  readonly #fails: string | undefined;

  constructor(fails?: string) {
    this.#fails = fails;
  }

  waitFor(wanted: (state: DevState) => boolean): Promise<boolean> {
    return Promise.resolve(wanted(this.state));
  }

  killRaftLeader(): void {
    this.done.push('kill Raft leader');
    const leader = raftLeader(this.state);
    this.tell({ type: 'member-killed', member: leader?.name ?? '' });
    if (this.#fails === 'raft') return;
    this.tell({
      type: 'member-state',
      member: 'm2',
      role: 'leader',
      term: 3,
      commitIndex: 50,
      appliedIndex: 50,
    });
    this.tell({
      type: 'member-state',
      member: 'm3',
      role: 'follower',
      term: 3,
      commitIndex: 50,
      appliedIndex: 50,
    });
    this.#write();
  }

  killJobLeader(): void {
    this.done.push("kill job's leader");
    this.tell({ type: 'candidate-killed', candidate: jobLeader(this.state)?.candidate.name ?? '' });
    this.elect('job-2', 9);
  }

  async pauseJobLeader(): Promise<boolean> {
    this.done.push("pause job's leader");
    const candidate = jobLeader(this.state)?.candidate.name ?? '';
    this.tell({ type: 'candidate-paused', candidate });
    this.elect('job-3', 12);
    this.tell({ type: 'candidate-woken', candidate });
    if (this.#fails === 'pause') return true;
    this.tell({
      type: 'refused',
      candidate,
      token: 9,
      version: 4,
      code: 'stale-token',
      reason: '',
      stale: true,
    });
    this.tell({ type: 'ended', candidate, token: 9, validUntilMs: 0, cause: 'expired' });
    return true;
  }

  heal(): void {
    this.done.push('heal');
    const term = Math.max(...this.state.members.map((member) => member.term));
    for (const { name, status } of this.state.members) {
      if (status !== 'killed') continue;
      this.tell({ type: 'member-started', member: name, pid: 1, clientUrl: '' });
      this.tell({
        type: 'member-state',
        member: name,
        role: 'follower',
        term,
        commitIndex: 50,
        appliedIndex: 50,
      });
    }
    for (const { name, status } of this.state.candidates) {
      if (status !== 'killed') continue;
      this.tell({ type: 'candidate-started', candidate: name, pid: 1 });
      this.tell({ type: 'campaigning', candidate: name });
    }
  }

  note(): void {}

  protected elect(candidate: string, token: number): void {
    this.tell({ type: 'elected', candidate, token, validUntilMs: 1e9 });
    this.#write();
  }

  #write(): void {
    const { candidate, leadership } = jobLeader(this.state) as NonNullable<ReturnType<typeof jobLeader>>;
    const version = this.state.file.version + 1;
    this.tell({ type: 'written', candidate: candidate.name, token: leadership.token, version });
  }

  protected tell(
    event: DevEvent extends infer One ? (One extends DevEvent ? Omit<One, 'atMs'> : never) : never,
  ): void {
    this.state = reduce(this.state, { ...event, atMs: 1000 } as DevEvent);
  }
}

/** Where the machine stands still for longer than a lease, between each two steps and when the leader is to be paused. */
class StallingStage extends FakeStage {
  #stalledAfter = 0;
  #pauses = 0;

  override async waitFor(wanted: (state: DevState) => boolean): Promise<boolean> {
    // One who is not elected by what is done next, with a token between those.
    if (jobLeader(this.state) === undefined) {
      if (this.#pauses === 0) this.elect('job-3', 7);
      else this.elect('job-1', 10);
    }
    const holds = await super.waitFor(wanted);
    if (this.done.at(-1) === 'heal' && this.#stalledAfter !== this.done.length) {
      this.#stalledAfter = this.done.length;
      setImmediate(() => this.#lose());
    }
    return holds;
  }

  override async pauseJobLeader(): Promise<boolean> {
    this.#pauses += 1;
    if (this.#pauses > 1) return await super.pauseJobLeader();
    this.#lose();
    return false;
  }

  #lose(): void {
    const lost = jobLeader(this.state);
    if (lost === undefined) return;
    const { candidate, leadership } = lost;
    this.tell({
      ...{ type: 'ended', candidate: candidate.name, token: leadership.token },
      ...{ validUntilMs: 0, cause: 'expired' },
    });
    this.tell({ type: 'campaigning', candidate: candidate.name });
  }
}

const options = () => ({ stepPatienceMs: () => 1000, breathMs: 0, signal: new AbortController().signal });

test('the script kills, heals and pauses, and is content when all had its effect', async () => {
  const stage = new FakeStage();
  assert.deepEqual(await playScript(stage, options()), []);
  assert.deepEqual(stage.done, [
    'kill Raft leader',
    'heal',
    "kill job's leader",
    'heal',
    "pause job's leader",
    'heal',
  ]);
  assert.equal(calm(stage.state), true);
});

test('the script waits for a leader where the machine has cost it the one that it was to kill or to pause', async () => {
  const stage = new StallingStage();
  assert.deepEqual(await playScript(stage, { ...options(), breathMs: 5 }), []);
});

test('a step without its effect ends the script, and is named with those that did not come', async () => {
  const unfinished = await playScript(new FakeStage('raft'), options());
  assert.equal(unfinished.length, 6);
  assert.equal(unfinished[0], 'another Raft leader after a SIGKILL of the first');
});

test('a stale write that was not refused ends it too', async () => {
  const unfinished = await playScript(new FakeStage('pause'), options());
  assert.deepEqual(unfinished, [
    'a stale write refused, after a pause past the lease',
    'calm after all that',
  ]);
});

test('it is not calm while a member is down, two terms are about, or nobody writes', () => {
  const reading = { commitIndex: 1, appliedIndex: 1 };
  assert.equal(calm(stateAfter(settled())), true);
  assert.equal(calm(stateAfter([...settled(), { type: 'member-killed', atMs: 1, member: 'm3' }])), false);
  const newer: DevEvent = {
    type: 'member-state',
    atMs: 1,
    member: 'm3',
    role: 'follower',
    term: 3,
    ...reading,
  };
  assert.equal(calm(stateAfter([...settled(), newer])), false);
  assert.equal(
    calm(stateAfter([...settled(), { type: 'candidate-killed', atMs: 1, candidate: 'job-1' }])),
    false,
  );
});
