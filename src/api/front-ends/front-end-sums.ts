import { type DelayDistribution, RecentDelays } from '../../member/recent-delays.ts';
import type { CallCounts } from '../call-counts.ts';
import type { ClientCarrier } from '../client-carrier.ts';
import type { Figures } from './messages.ts';

type Known = readonly (Figures | undefined)[];

/** What front ends have counted together, those that run no more included: counters never fall. */
export class FrontEndSums {
  readonly #calls: readonly CallCounts[];
  #retired: Figures | undefined;
  readonly #retiredDelays = new Map<number, DelayDistribution>();

  /** `calls`: of the member's methods, where the sums go. */
  constructor(calls: readonly CallCounts[]) {
    this.#calls = calls;
  }

  /** A front end has ended. What it counted after it last told is lost. */
  retire(number: number, figures: Figures | undefined): void {
    if (figures === undefined) return;
    this.#retiredDelays.set(number, this.delay(number, figures));
    const before = this.#retired;
    const closed = { grpc: 0, http: 0 };
    const calls = figures.calls.map(({ started, byCode }, at) => {
      const more = before?.calls[at];
      const ended = sum(byCode, more?.byCode ?? []);
      // Calls that were open when it ended are over: the client saw its connection break.
      const cut = started + (more?.started ?? 0) - ended.reduce((all, count) => all + (count ?? 0), 0);
      ended[unavailable] = (ended[unavailable] ?? 0) + cut;
      return { started: started + (more?.started ?? 0), byCode: ended };
    });
    const refused = figures.refused + (before?.refused ?? 0);
    this.#retired = { ...figures, connections: closed, calls, refused };
  }

  connections(known: Known): ClientCarrier['connections'] {
    const sums = { grpc: 0, http: 0, refused: 0 };
    for (const figures of [this.#retired, ...known]) {
      sums.grpc += figures?.connections.grpc ?? 0;
      sums.http += figures?.connections.http ?? 0;
      sums.refused += figures?.refused ?? 0;
    }
    return sums;
  }

  /** Writes the sums of calls to the methods' counts. */
  countCalls(known: Known): void {
    for (const [at, counts] of this.#calls.entries()) {
      let started = 0;
      let byCode: number[] = [];
      for (const figures of [this.#retired, ...known]) {
        const calls = figures?.calls[at];
        started += calls?.started ?? 0;
        byCode = sum(byCode, calls?.byCode ?? []);
      }
      counts.started = started;
      for (const [code, count] of byCode.entries()) if (count !== undefined) counts.byCode[code] = count;
    }
  }

  /** Of one front end, all its threads together. */
  delay(number: number, figures: Figures | undefined): DelayDistribution {
    const before = this.#retiredDelays.get(number);
    const now = figures?.delay;
    if (before === undefined || now === undefined) return now ?? before ?? new RecentDelays().distribution;
    return {
      boundsSeconds: now.boundsSeconds,
      counts: sum(now.counts, before.counts),
      sumSeconds: now.sumSeconds + before.sumSeconds,
    };
  }
}

const unavailable = 14;

function sum(one: readonly number[], other: readonly number[]): number[] {
  const sums: number[] = [];
  for (let at = 0; at < Math.max(one.length, other.length); at++) {
    if (one[at] !== undefined || other[at] !== undefined) sums[at] = (one[at] ?? 0) + (other[at] ?? 0);
  }
  return sums;
}
