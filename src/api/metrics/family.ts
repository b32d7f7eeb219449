import type { DelayDistribution } from '../../member/recent-delays.ts';

export interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string | number>>;
  /** Where it is not the family's own name: those of a histogram. */
  readonly metricName?: string;
}

/** A metric with all its labels. It is read when somebody asks, and costs nothing until then. */
export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** undefined: this platform, or this member, does not know it. */
  read(): number | undefined | readonly Sample[];
}

export function gauge(name: string, help: string, read: Family['read']): Family {
  return { name, type: 'gauge', help, read };
}

export function counter(name: string, help: string, read: Family['read']): Family {
  return { name, type: 'counter', help, read };
}

export function histogram(name: string, help: string, read: () => DelayDistribution): Family {
  return { name, type: 'histogram', help, read: () => samplesOf(name, read()) };
}

/** Those of a histogram; several with labels of their own make one family. */
export function samplesOf(
  name: string,
  { boundsSeconds, counts, sumSeconds }: DelayDistribution,
  labels: Sample['labels'] = {},
): Sample[] {
  let below = 0;
  const samples = counts.map((count, at): Sample => {
    below += count;
    const bound = boundsSeconds[at];
    const le = bound === undefined ? '+Inf' : Number(bound.toPrecision(6));
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  samples.push(
    { metricName: `${name}_sum`, labels, value: sumSeconds },
    { metricName: `${name}_count`, labels, value: below },
  );
  return samples;
}
