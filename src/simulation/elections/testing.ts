import { Keyspace } from '../../keyspace/index.ts';
import type { Checker, CheckerFactory, LifeSight, MemberSight } from '../observation.ts';
import { Host } from '../world/host.ts';
import { World } from '../world/world.ts';
import { ElectionReports, type Hold } from './reports.ts';

/** For tests of checkers: a life in which nothing happens but what the test says. */
export class HandMadeLife {
  readonly world = new World({ seed: 1 });
  readonly reports = new ElectionReports(this.world);
  readonly keyspace = new Keyspace();
  readonly clockDriftRate: number;
  readonly checker: Checker;
  readonly member: MemberSight = {
    ...{ position: 0, name: 'member-1', memberId: 1, life: 1, running: true, damaged: false },
    ...{ raft: undefined, keyspace: this.keyspace, durable: undefined as never },
  };

  constructor(factory: (reports: ElectionReports) => CheckerFactory, clockDriftRate = 0) {
    this.clockDriftRate = clockDriftRate;
    const { world, member } = this;
    const life: Pick<LifeSight, 'nowUs' | 'members' | 'clockDriftRate'> = {
      get nowUs() {
        return world.nowUs;
      },
      members: [member],
      clockDriftRate,
    };
    this.checker = factory(this.reports)(life as LifeSight);
  }

  get nowUs(): number {
    return this.world.nowUs;
  }

  passMs(ms: number): void {
    this.world.scheduler.nowUs += ms * 1000;
  }

  /** Throws what the checker found. */
  settle(): void {
    this.reports.throwViolation();
    this.checker.settled?.();
  }

  host(clockRate = 1): Host {
    return new Host(this.world.scheduler, {
      ...{ name: 'host', address: '10.0.0.9', startMs: 5000, startWallMs: 1_000_000 },
      clockRate,
    });
  }

  /** A leadership that lasts for so long by the clock of its host. */
  hold(options: HoldOptions): HandMadeHold {
    return new HandMadeHold(this, options);
  }
}

export interface HoldOptions {
  readonly token: number;
  readonly forMs: number;
  readonly host?: Host;
  readonly bound?: boolean;
  readonly graceMs?: number;
  readonly election?: string;
}

export class HandMadeHold implements Hold {
  readonly process: Hold['process'] & { alive: boolean; paused: boolean };
  readonly leadership: Hold['leadership'];
  readonly bound: boolean;
  readonly graceMs: number;
  readonly sinceUs: number;
  seenUs: number;
  leaving = false;
  readonly controller = new AbortController();

  constructor(life: HandMadeLife, options: HoldOptions) {
    const { token, forMs, host = life.host(), bound = false, graceMs = 0, election = 'job' } = options;
    const from = { monotonicMs: host.monotonicMs(), wallMs: host.wallMs() };
    this.process = { alive: true, paused: false, name: `holder-${token}`, host, after: undefined as never };
    this.bound = bound;
    this.graceMs = graceMs;
    this.sinceUs = life.world.nowUs;
    this.seenUs = this.sinceUs;
    const remainingMs = (): number =>
      Math.max(0, forMs - Math.max(host.monotonicMs() - from.monotonicMs, host.wallMs() - from.wallMs));
    const { signal } = this.controller;
    this.leadership = {
      ...{ name: election, token, holder: `holder-${token}`, signal, remainingMs },
      assertHeld: () => {},
    };
    life.reports.counted(this.process, { atUs: life.world.nowUs, ...from });
  }
}
