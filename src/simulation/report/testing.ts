import type { Fault } from '../faults/schedule.ts';
import type { LifeFailure, LifeOptions, LifeResult } from '../life/types.ts';
import type { TraceLine } from '../world/trace.ts';

/** The result of a life that was never lived: made of its options alone. */
export function fakeResult(options: LifeOptions, failure?: Partial<LifeFailure>): LifeResult {
  const { seed, members = 3, seconds = 30, faults = 'all' } = options;
  const schedule = faults === 'none' ? [] : fakeSchedule(12, seconds);
  const striking = schedule.filter((fault) => options.only?.includes(fault.number) ?? true);
  return {
    ...{ seed, members, schedule, steps: 1000, simulatedMs: seconds * 1000 },
    traceHash: (seed * 2654435761).toString(16).padStart(16, '0').slice(-16),
    coverage: { elections: 1, 'operations acknowledged': 40, leaderships: 2 },
    faults: striking.length === 0 ? {} : { kill: striking.length },
    settings: `${members} members`,
    failure: failure && {
      ...{ checker: '01-fake', claim: 'One leader for a term.', message: 'm1 and m2 lead in term 4.' },
      ...{ atUs: seconds * 1e6 - 1, stack: undefined },
      ...failure,
    },
    lines: options.keepTrace === true ? fakeLines : undefined,
  };
}

export function fakeSchedule(count: number, seconds: number): Fault[] {
  return Array.from({ length: count }, (_, number) => ({
    ...{ number, atMs: Math.floor((number * seconds * 1000) / count), kind: 'kill', durationMs: 10 },
    ...{ atLeader: false, whom: 1, how: 2 },
  }));
}

export const fakeLines: readonly TraceLine[] = Array.from({ length: 60 }, (_, place) => ({
  atUs: place * 1000,
  who: ['', 'm1', 'm2'][place % 3] ?? '',
  text: `event ${place}`,
}));
