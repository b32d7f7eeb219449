import type { FrontEndFigures } from '../client-carrier.ts';
import { counter, type Family, gauge, samplesOf } from './family.ts';

const delayName = 'conclave_front_end_delay_seconds';

/** Of front ends in threads of their own, each by its number; without such there is nothing to tell. */
export function frontEndFamilies(frontEnds: () => readonly FrontEndFigures[]): Family[] {
  const each = (read: (figures: FrontEndFigures) => number) => () =>
    frontEnds().map((figures) => ({ labels: { front_end: figures.number }, value: read(figures) }));
  return [
    gauge(
      'conclave_front_end_utilization',
      'The part of the time since the last look in which a front end was busy, 0 to 1.',
      each(({ utilization }) => utilization),
    ),
    counter(
      'conclave_front_end_restarts_total',
      'Times that a front end failed and was started again.',
      each(({ restarts }) => restarts),
    ),
    {
      name: delayName,
      type: 'histogram',
      help: 'How long what the member had for a front end waited for its loop.',
      read: () =>
        frontEnds().flatMap(({ number, delay }) => samplesOf(delayName, delay, { front_end: number })),
    },
  ];
}
