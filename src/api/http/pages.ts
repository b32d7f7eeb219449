import type { MemberHandle } from '../../member/types.ts';
import { etcdApiVersion } from '../maintenance.ts';
import { type HealthAnswer, health, probe } from './health.ts';

export const plainText = 'text/plain; charset=utf-8';

export interface PageAnswer {
  readonly status: number;
  /** Content type. */
  readonly type: string;
  readonly text: string;
}

/** Answers a GET; `query` is what the path has after its question mark. */
export type Page = (query: string) => Promise<PageAnswer>;

/** What is served to a GET, by path. */
export type Pages = ReadonlyMap<string, Page>;

/** What health checks found so far. */
export interface HealthCounts {
  successes: number;
  failures: number;
}

export interface PageSources {
  readonly member: MemberHandle;
  /** Counts what health checks found. */
  readonly health: HealthCounts;
  /** The text of /metrics. */
  readonly metrics: () => Promise<string>;
}

/** Version, health and metrics of a member. */
export function memberPages({ member, health: counts, metrics }: PageSources): Pages {
  const checked =
    (check: (query: URLSearchParams) => Promise<HealthAnswer>): Page =>
    async (query) => {
      const { healthy, text } = await check(new URLSearchParams(query));
      counts[healthy ? 'successes' : 'failures'] += 1;
      return { status: healthy ? 200 : 503, type: plainText, text };
    };
  const version = JSON.stringify({ etcdserver: etcdApiVersion, etcdcluster: etcdApiVersion });
  return new Map<string, Page>([
    ['/version', async () => ({ status: 200, type: 'application/json', text: version })],
    ['/health', checked((query) => health(member, query))],
    ['/livez', checked((query) => probe('livez', member, query))],
    ['/readyz', checked((query) => probe('readyz', member, query))],
    [
      '/metrics',
      async () => ({
        status: 200,
        type: 'text/plain; version=0.0.4; charset=utf-8',
        text: await metrics(),
      }),
    ],
  ]);
}
