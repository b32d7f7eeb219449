import { type Checker, type CheckerFactory, violated } from '../observation.ts';
import type { OneHolderOptions } from './excuses.ts';
import type { ElectionReports, ElectionWitness, Hold } from './reports.ts';

class TokensRise implements Checker, ElectionWitness {
  readonly name = 'tokens-rise';
  readonly claim =
    'Tokens rise strictly from leadership to leadership of an election, and an observer sees them rise.';
  readonly #oneSided: (process: object) => boolean;
  readonly #led = new Map<string, Hold>();
  readonly #observed = new Map<string, { highest: number; over: boolean }>();

  constructor(reports: ElectionReports, options: OneHolderOptions) {
    this.#oneSided = options.oneSided ?? (() => false);
    reports.subscribe(this);
  }

  led(hold: Hold): void {
    const { name, token } = hold.leadership;
    const before = this.#led.get(name);
    if (before !== undefined && token <= before.leadership.token) {
      const same = token === before.leadership.token;
      // Two that hold at once may also have begun in either order; but one token is for one leadership in any case.
      if (same || ![hold, before].some(({ bound, process }) => bound && this.#oneSided(process))) {
        violated(
          this,
          `${hold.process.name} leads ${name} with token ${token} after ${before.process.name} led it with token ${before.leadership.token}.`,
        );
      }
      return;
    }
    this.#led.set(name, hold);
  }

  observed(observer: string, name: string, token: number | undefined): void {
    const key = `${observer} ${name}`;
    const seen = this.#observed.get(key) ?? { highest: -1, over: false };
    this.#observed.set(key, seen);
    if (token === undefined) {
      seen.over = true;
      return;
    }
    if (token < seen.highest || (token === seen.highest && seen.over))
      violated(
        this,
        `${observer} was shown token ${token} as the leader of ${name} after token ${seen.highest}${seen.over ? ' and then nobody' : ''}.`,
      );
    seen.over &&= token === seen.highest;
    seen.highest = token;
  }
}

export function tokensRiseChecker(reports: ElectionReports, options: OneHolderOptions = {}): CheckerFactory {
  return () => new TokensRise(reports, options);
}
