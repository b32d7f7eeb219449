import type { Member } from '../../member/index.ts';
import type { Target } from '../../member/membership/index.ts';
import type { SimulatedMember } from '../life/simulated-member.ts';
import type { Request } from './plans.ts';

const answerWithinMs = 4000;

export interface Answer {
  readonly ok: boolean;
  /** 'done', or why not. */
  readonly outcome: string;
}

/** Asks this member for a change, as `conclave member` does. Never rejects; resolves never where its process ends before. */
export function ask(via: SimulatedMember, member: Member, request: Request): Promise<Answer> {
  const failed = (error: unknown): Answer => ({ ok: false, outcome: String(error) });
  if (request.type === 'change') {
    return member
      .changeMembership(request.change, { timeoutMs: answerWithinMs })
      .then((outcome) => ({ ok: outcome.ok, outcome: outcome.ok ? 'done' : outcome.failure }), failed);
  }
  // Private to the member, since its API changes one at a time.
  const { group } = (member as unknown as { parts: { group: { changeMembership: AskCore } } }).parts;
  const basedOn = via.raft?.status().configurationIndex ?? 0;
  return group
    .changeMembership(basedOn, request.target)
    .then(({ ok, reason = '' }) => ({ ok, outcome: ok ? 'done' : reason }), failed);
}

type AskCore = (
  basedOn: number,
  target: Target,
) => Promise<{ readonly ok: boolean; readonly reason?: string }>;
