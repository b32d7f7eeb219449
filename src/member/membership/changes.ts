import { ConclaveError } from '../../errors/index.ts';
import type { MembershipAnswer } from '../../raft/index.ts';
import type { Group } from '../group.ts';
import { deriveId, type MemberSetup, parseUrl } from '../options.ts';
import { stopping } from '../proposal-errors.ts';
import type { MembershipChange, MembershipOutcome, WaitOptions } from '../types.ts';
import type { Membership } from './membership.ts';
import { planChange } from './plan.ts';

const againAfterMs = 20;
/** For a change that stands to be applied as well, before it is answered: the next one need not wait then. */
const applyWithinMs = 500;

/** They stand in each greeting, and whoever greets is listened to only so far. */
const mostPeerUrls = 100;
const mostPeerUrlCharacters = 8192;

/** A change with the id that an added member will have, and whether it may have been carried out already. */
export interface ChangeRequest {
  readonly change: MembershipChange;
  readonly memberId: number;
  readonly again: boolean;
}

/** 'retry': this member does not lead, or no longer. */
export type ChangeAnswer = MembershipOutcome | 'retry';

export interface MembershipChangesContext {
  readonly setup: MemberSetup;
  readonly group: Group;
  readonly membership: Membership;
  readonly isConnected: (peer: number) => boolean;
  readonly askLeader: (leader: number, request: ChangeRequest, timeoutMs: number) => Promise<ChangeAnswer>;
  readonly barrier: (options: WaitOptions) => Promise<void>;
}

/** Carries changes of the membership to the leader, and there into the log. */
export class MembershipChanges {
  private readonly context: MembershipChangesContext;
  private closed = false;

  constructor(context: MembershipChangesContext) {
    this.context = context;
  }

  async change(change: MembershipChange, { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal }) {
    if (change.type === 'add' || change.type === 'update') checkPeerUrls(change.peerUrls);
    const { setup, group, askLeader } = this.context;
    const { clock, timers } = setup.runtime;
    const untilMs = clock.monotonicMs() + timeoutMs;
    const memberId = change.type === 'add' ? this.newId(change.peerUrls) : change.memberId;
    for (let again = false; ; ) {
      if (this.closed) throw stopping(again ? 'unknown' : 'not-applied');
      if (signal?.aborted) throw ConclaveError.aborted('The change of the membership', signal);
      const leftMs = untilMs - clock.monotonicMs();
      const { role, leader } = group.role;
      if (leftMs <= 0) throw outOfTime(leader !== 0, again);
      if (leader !== 0) {
        const request = { change, memberId, again };
        const answer =
          role === 'leader'
            ? await this.carryOut(request, untilMs)
            : await askLeader(leader, request, leftMs);
        if (answer !== 'retry') return answer;
        again = true;
      }
      await new Promise<void>((resolve) => timers.after(againAfterMs, resolve));
    }
  }

  /** Never one that was given before: a member that comes back empty must not count for what it held once. */
  private newId(peerUrls: readonly string[]): number {
    const { clusterId, runtime } = this.context.setup;
    const unique = [...runtime.random.bytes(16)].join();
    return deriveId(String(clusterId), ...peerUrls.toSorted(), String(runtime.clock.wallMs()), unique);
  }

  /** On the leader. */
  async carryOut(request: ChangeRequest, untilMs: number): Promise<ChangeAnswer> {
    const { setup, group, membership, barrier } = this.context;
    const { clock, timers } = setup.runtime;
    let { again } = request;
    while (group.role.role === 'leader' && clock.monotonicMs() < untilMs) {
      // What an earlier attempt has left in the log shows for certain once something of this leader is committed.
      if (again) await barrier({ timeoutMs: untilMs - clock.monotonicMs() }).catch(() => undefined);
      const { configurationIndex } = membership;
      const planned = planChange({ ...request.change, memberId: request.memberId }, this.situation(), again);
      if ('failure' in planned) return { ok: false, failure: planned.failure };
      if ('done' in planned) return this.done(request.memberId);
      const answer = await group.changeMembership(configurationIndex, planned);
      if (answer.ok) {
        await this.applied(answer.index, Math.min(untilMs, clock.monotonicMs() + applyWithinMs));
        return this.done(request.memberId);
      }
      const refused = finalRefusal(answer);
      if (refused !== undefined) return refused;
      again ||= answer.reason === 'leader-changed';
      await new Promise<void>((resolve) => timers.after(againAfterMs, resolve));
    }
    return 'retry';
  }

  private situation() {
    const { setup, membership, isConnected } = this.context;
    const { configuration, latestRecords: records } = membership;
    return {
      configuration,
      records,
      isConnected: (memberId: number) => memberId === setup.memberId || isConnected(memberId),
    };
  }

  private async applied(index: number, untilMs: number): Promise<void> {
    const { setup, group } = this.context;
    const { clock, timers } = setup.runtime;
    while (group.keyspace.appliedIndex < index && clock.monotonicMs() < untilMs && !this.closed)
      await new Promise<void>((resolve) => timers.after(1, resolve));
  }

  private done(memberId: number): MembershipOutcome {
    return { ok: true, memberId, members: this.context.membership.describe() };
  }

  close(): void {
    this.closed = true;
  }
}

function finalRefusal(answer: MembershipAnswer & { ok: false }): MembershipOutcome | undefined {
  if (answer.reason === 'not-caught-up') return { ok: false, failure: 'learner-not-ready' };
  if (answer.reason !== 'invalid') return undefined;
  throw new ConclaveError('internal', 'The change of the membership makes no configuration.');
}

function outOfTime(leaderKnown: boolean, again: boolean): ConclaveError {
  const options = { retryable: true, outcome: again ? 'unknown' : 'not-applied' } as const;
  return leaderKnown
    ? new ConclaveError('timeout', 'The change of the membership did not come about in time.', options)
    : new ConclaveError('no-leader', 'No Raft leader was found in time.', options);
}

/**
 * Whether what another member asks for is a change that all members could follow. They read it from the log, and each one
 * stops at what it cannot read.
 */
export function isChangeRequest(asked: unknown): asked is ChangeRequest {
  const { change, memberId, again } = (asked ?? {}) as { [Name in keyof ChangeRequest]?: unknown };
  if (!isId(memberId) || typeof again !== 'boolean') return false;
  const { type, isLearner, peerUrls, memberId: of } = (change ?? {}) as Readonly<Record<string, unknown>>;
  if (type === 'remove' || type === 'promote') return isId(of);
  if (type === 'update') return isId(of) && arePeerUrls(peerUrls);
  return type === 'add' && typeof isLearner === 'boolean' && arePeerUrls(peerUrls);
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function arePeerUrls(value: unknown): boolean {
  if (!Array.isArray(value) || !value.every((url) => typeof url === 'string')) return false;
  try {
    checkPeerUrls(value as readonly string[]);
    return true;
  } catch {
    return false;
  }
}

/** @throws ConclaveError 'invalid-argument' */
function checkPeerUrls(urls: readonly string[]): void {
  if (urls.length === 0) throw new ConclaveError('invalid-argument', 'A member needs a peer URL.');
  const length = urls.reduce((sum, url) => sum + url.length, 0);
  if (urls.length > mostPeerUrls || length > mostPeerUrlCharacters) {
    const message = `A member has at most ${mostPeerUrls} peer URLs, of ${mostPeerUrlCharacters} characters together.`;
    throw new ConclaveError('invalid-argument', message);
  }
  for (const url of urls) parseUrl(url, 'The peer URL');
}
