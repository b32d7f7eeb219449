import { test } from 'node:test';
import type { RaftCore, RaftMessage } from '../../raft/index.ts';
import { electionTimer } from './election-timer.ts';
import { effects, HandmadeCore, handmadeLife, violates, watching } from './testing.ts';

/** A core whose timer is set by what the test says. */
class Timed extends HandmadeCore {
  deadlineMs = 100;
  /** What comes of the next step. */
  next: () => void = () => {};

  override step(): never {
    this.next();
    return undefined as never;
  }

  override nextDeadlineMs(): number {
    return this.deadlineMs;
  }
}

function follower() {
  const { life, ann } = handmadeLife();
  const core = new Timed();
  ann.raft = core;
  const checker = watching(electionTimer, life);
  checker.memberStarted(ann);
  const receive = (type: RaftMessage['type'], next: () => void): void => {
    core.next = next;
    const raft: RaftCore = ann.raft;
    raft.step({ type: 'message', message: { type, from: 2, term: 1 } as unknown as RaftMessage }, 0);
  };
  const answer = (granted: boolean, type = 'vote-response'): void => {
    const response = { type, to: 2, granted } as unknown as RaftMessage;
    checker.drained(ann, effects({ messages: [response] }));
  };
  return { core, receive, answer };
}

const later = (core: Timed) => () => {
  core.deadlineMs += 50;
};

test('a refusal after which the member waits longer is found', () => {
  for (const type of ['pre-vote', 'vote'] as const) {
    const { core, receive, answer } = follower();
    receive(type, later(core));
    violates(
      () => answer(false, `${type}-response`),
      /refused its vote to member 2, and yet waits 50.000 ms/,
    );
  }
});

test('a vote that is granted, a refusal that changes nothing, and what comes from a leader pass', () => {
  const { core, receive, answer } = follower();
  receive('vote', later(core));
  answer(true);
  receive('vote', () => {});
  answer(false);
  receive('heartbeat', later(core));
  answer(false);
});

test('a new term, and a leader, may put off what they wait for', () => {
  const { core, receive, answer } = follower();
  receive('vote', () => {
    core.term = 2;
    core.deadlineMs += 50;
  });
  answer(false);
  core.role = 'leader';
  receive('vote', later(core));
  answer(false);
});

test('what is due at once is no delay, though the time is later than when it was due before', () => {
  const { core, receive, answer } = follower();
  core.deadlineMs = -1;
  receive('vote', () => {
    core.deadlineMs = 0;
  });
  answer(false);
});
