import type { MemberHandle } from '../member/types.ts';
import { nodeRuntime } from '../runtime/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { Access, Passwords, Tokens } from './auth/index.ts';
import { BackgroundWork } from './background.ts';
import { Headers } from './headers.ts';
import { HistoryTurns } from './history-turns.ts';
import { Holders } from './holders.ts';
import { LargeRanges } from './large-ranges.ts';
import { createRegistry } from './registry.ts';
import { RenewalBatch } from './renewals.ts';
import { RequiredLeader } from './required-leader.ts';
import { type Logger, type Registry, silentLogger } from './types.ts';
import { type ApiLimits, type CheckedLimits, checkLimits } from './validate.ts';

export interface AuthOptions {
  /** How long a token lasts from its issue, and from its use. Default 300,000, as etcd's. */
  readonly tokenTtlMs?: number;
  /** log2 of scrypt's cost of new password hashes. Default 15. */
  readonly passwordCostLog2?: number;
}

export interface ApiOptions {
  readonly runtime?: Runtime;
  /** Default: says nothing. */
  readonly logger?: Logger;
  readonly auth?: AuthOptions;
  /** Ms between progress notifications of a quiet watch that asked for them. Default 600,000, as etcd's. */
  readonly watchProgressIntervalMs?: number;
  readonly limits?: Partial<ApiLimits>;
}

/** The services of one member, for any transport. Close transports first: dispose ends the work they left behind. */
export class Api implements AsyncDisposable {
  readonly registry: Registry;
  /** Who is bound to this member by a connection. */
  readonly holders = new Holders();
  readonly limits: CheckedLimits;
  readonly #headers: Headers;
  readonly #leaders: RequiredLeader;
  readonly #background: BackgroundWork;

  constructor(member: MemberHandle, options: ApiOptions = {}) {
    const runtime = options.runtime ?? nodeRuntime();
    const logger = options.logger ?? silentLogger;
    this.#headers = new Headers(member);
    this.#background = new BackgroundWork(member, runtime, logger);
    this.#leaders = new RequiredLeader(member, runtime);
    this.limits = checkLimits(options.limits);
    const tokens = new Tokens(member.clusterId);
    this.registry = createRegistry({
      member,
      limits: this.limits,
      leaders: this.#leaders,
      runtime,
      logger,
      headers: this.#headers,
      background: this.#background,
      holders: this.holders,
      renewals: new RenewalBatch(member, runtime),
      historyTurns: new HistoryTurns(runtime.timers),
      largeRanges: new LargeRanges(runtime.timers),
      tokens,
      access: new Access(member, tokens, this.#background),
      passwords: new Passwords(runtime, options.auth?.passwordCostLog2),
      tokenTtlMs: options.auth?.tokenTtlMs ?? 300_000,
      watchProgressIntervalMs: options.watchProgressIntervalMs ?? 600_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#background.close();
    this.#leaders[Symbol.dispose]();
    this.#headers[Symbol.dispose]();
  }
}
