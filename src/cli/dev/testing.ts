import type { DevEvent } from './events.ts';
import { type DevState, initialState } from './model.ts';
import { reduce } from './reducer.ts';

/** A state after some events, for the tests of this folder. Instants are milliseconds since the start. */
export function stateAfter(events: readonly DevEvent[], ttlMs = 2000): DevState {
  return events.reduce(reduce, initialState({ startedAtMs: 0, election: 'demo', ttlMs }));
}

/** Three members with m1 as the Raft leader, three candidates of which job-1 leads with token 5. */
export function settled(): DevEvent[] {
  const reading = { term: 2, commitIndex: 40, appliedIndex: 40 };
  return [
    ...[1, 2, 3].flatMap((number): DevEvent[] => [
      {
        type: 'member-started',
        atMs: 10,
        member: `m${number}`,
        pid: 100 + number,
        clientUrl: `http://127.0.0.1:${number}`,
      },
      {
        type: 'member-state',
        atMs: 500,
        member: `m${number}`,
        role: number === 1 ? 'leader' : 'follower',
        ...reading,
      },
      { type: 'candidate-started', atMs: 20, candidate: `job-${number}`, pid: 200 + number },
      { type: 'campaigning', atMs: 600, candidate: `job-${number}` },
    ]),
    { type: 'elected', atMs: 700, candidate: 'job-1', token: 5, validUntilMs: 2660 },
    { type: 'observed', atMs: 701, holder: 'job-1', token: 5 },
    { type: 'written', atMs: 720, candidate: 'job-1', token: 5, version: 1 },
  ];
}
