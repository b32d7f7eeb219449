import type { MemberHandle } from '../member/types.ts';
import type { Runtime } from '../runtime/types.ts';
import type { Access, Passwords, Tokens } from './auth/index.ts';
import type { BackgroundWork } from './background.ts';
import type { Headers } from './headers.ts';
import type { HistoryTurns } from './history-turns.ts';
import type { Holders } from './holders.ts';
import type { LargeRanges } from './large-ranges.ts';
import type { RenewalBatch } from './renewals.ts';
import type { RequiredLeader } from './required-leader.ts';
import type { Logger } from './types.ts';
import type { CheckedLimits } from './validate.ts';

/** What the handlers of one member share. */
export interface ApiServices {
  readonly member: MemberHandle;
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly headers: Headers;
  readonly background: BackgroundWork;
  readonly renewals: RenewalBatch;
  readonly holders: Holders;
  readonly historyTurns: HistoryTurns;
  readonly largeRanges: LargeRanges;
  readonly limits: CheckedLimits;
  readonly leaders: RequiredLeader;
  readonly access: Access;
  readonly passwords: Passwords;
  readonly tokens: Tokens;
  /** How long a token lasts from its issue, and from each extension. */
  readonly tokenTtlMs: number;
  /** Ms between progress notifications of a quiet watch that asked for them. */
  readonly watchProgressIntervalMs: number;
}
