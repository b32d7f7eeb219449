import {
  type CommandResult,
  decodeSubmittedCommand,
  encodeCommandResult,
  MalformedData,
} from '../keyspace/index.ts';
import type { Timers } from '../runtime/index.ts';
import type { Group } from './group.ts';
import type { Logger } from './logger.ts';
import { type ChangeAnswer, type ChangeRequest, isChangeRequest } from './membership/index.ts';
import { type Frame, frameKinds, maxFrameBytes } from './peers/frames.ts';
import type { PeerTransport } from './peers/transport.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type LeaderRequest,
  type LeaderResponse,
} from './requests.ts';

type LeaseAnswer = { readonly remainingMs: number | undefined } | 'retry';

interface Question {
  readonly asked: number;
  readonly settle: (answer: LeaderResponse | 'retry') => void;
}

export interface LeaderRequestsContext {
  /** As the proposer's, and far from it: answers are told apart by their number alone. */
  readonly firstRequestId: number;
  readonly groupId: number;
  readonly group: Group;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly transport: () => PeerTransport;
  /** Confirms leadership by a quorum before a lease question is answered. */
  readonly barrier: () => Promise<void>;
  readonly onProposed: (response: LeaderResponse) => void;
  /** A member asks the leader, which we are or were, for a change of the membership. */
  readonly onChange: (request: ChangeRequest) => Promise<ChangeAnswer>;
}

/** Requests between members: what a follower asks of the leader, and the leader's answers. */
export class LeaderRequests {
  private readonly context: LeaderRequestsContext;
  private readonly questions = new Map<number, Question>();
  private nextRequestId: number;
  /** Whose commands could not be read lately: said once. */
  private doubted = 0;

  constructor(context: LeaderRequestsContext) {
    this.context = context;
    this.nextRequestId = context.firstRequestId;
  }

  /** False where the member is not connected. */
  send(leader: number, request: LeaderRequest): boolean {
    const sent = this.context
      .transport()
      .send(leader, frameKinds.request, this.context.groupId, encodeRequest(request));
    // It leaves with the other frames of this turn.
    if (sent) this.context.group.flushSoon();
    return sent;
  }

  /** 'retry': not the leader any more, no connection to it, or no answer in time. */
  async askLease(leader: number, lease: bigint, timeoutMs: number): Promise<LeaseAnswer> {
    const answer = await this.ask(leader, timeoutMs, (requestId) => ({ type: 'lease', requestId, lease }));
    return answer !== 'retry' && answer.type === 'lease' ? { remainingMs: answer.remainingMs } : 'retry';
  }

  /** 'retry' also where it may have been carried out. */
  async askChange(leader: number, request: ChangeRequest, timeoutMs: number): Promise<ChangeAnswer> {
    const answer = await this.ask(leader, timeoutMs, (requestId) => ({
      type: 'membership',
      requestId,
      request,
    }));
    return answer !== 'retry' && answer.type === 'membership' ? answer.outcome : 'retry';
  }

  private ask(
    leader: number,
    timeoutMs: number,
    question: (requestId: number) => LeaderRequest,
  ): Promise<LeaderResponse | 'retry'> {
    return new Promise((resolve) => {
      const requestId = this.nextRequestId++;
      const settle = (answer: LeaderResponse | 'retry') => {
        timer.cancel();
        this.questions.delete(requestId);
        resolve(answer);
      };
      const timer = this.context.timers.after(timeoutMs, () => settle('retry'));
      this.questions.set(requestId, { asked: leader, settle });
      if (!this.send(leader, question(requestId))) settle('retry');
    });
  }

  /** Whoever was asked is out of reach or out of office. */
  release(stillAsk: (member: number) => boolean): void {
    for (const { asked, settle } of [...this.questions.values()]) if (!stillAsk(asked)) settle('retry');
  }

  /** @throws ConclaveError 'invalid-argument' on a malformed frame. */
  receive(from: number, frame: Frame): void {
    if (frame.kind === frameKinds.response) return this.receiveResponse(decodeResponse(frame.payload));
    const request = decodeRequest(frame.payload);
    if (request.type === 'lease') return this.answerLease(from, request.requestId, request.lease);
    const { group } = this.context;
    const { requestId } = request;
    if (request.type === 'membership') {
      if (!isChangeRequest(request.request)) return this.notUnderstood(from, requestId);
      return this.answerChange(from, requestId, request.request);
    }
    if (group.role.role !== 'leader') return this.respond(from, { type: 'retry', requestId });
    if (!isUnderstood(request.encoded)) return this.notUnderstood(from, requestId);
    group.local.submit(request.encoded, (outcome) => {
      if (outcome.type === 'applied') {
        this.respond(from, applied(requestId, outcome.result, outcome.index));
      } else {
        this.respond(from, { type: outcome.type === 'refused' ? 'refused' : 'retry', requestId });
      }
    });
    group.askForTurn();
  }

  private notUnderstood(from: number, requestId: number): void {
    this.respond(from, { type: 'not-understood', requestId });
    if (this.doubted === from) return;
    this.doubted = from;
    const peer = from.toString(16);
    this.context.logger.warn({ peer }, 'A peer forwarded what this member cannot read; is it newer?');
  }

  private receiveResponse(response: LeaderResponse): void {
    if (response.type === 'proposed' || !this.questions.has(response.requestId))
      return this.context.onProposed(response);
    this.questions.get(response.requestId)?.settle(response);
  }

  private answerChange(from: number, requestId: number, request: ChangeRequest): void {
    this.context.onChange(request).then(
      (outcome) =>
        this.respond(
          from,
          outcome === 'retry' ? { type: 'retry', requestId } : { type: 'membership', requestId, outcome },
        ),
      () => this.respond(from, { type: 'retry', requestId }),
    );
  }

  private answerLease(from: number, requestId: number, lease: bigint): void {
    const { group, barrier } = this.context;
    if (group.role.role !== 'leader') return this.respond(from, { type: 'retry', requestId });
    barrier().then(
      () => this.respond(from, { type: 'lease', requestId, remainingMs: this.remainingMs(lease) }),
      () => this.respond(from, { type: 'retry', requestId }),
    );
  }

  /** By the leader's cluster time. Meaningful on a leader, after a barrier. */
  remainingMs(lease: bigint): number | undefined {
    const information = this.context.group.keyspace.lease(lease, false);
    if (!information) return undefined;
    return Math.max(0, information.deadlineMs - this.context.group.clusterTimeMs());
  }

  private respond(to: number, response: LeaderResponse): void {
    this.context.transport().send(to, frameKinds.response, this.context.groupId, encodeResponse(response));
    this.context.group.flushSoon();
  }
}

/** Above it the answer would break the connection that it is sent on. */
const maxResultBytes = maxFrameBytes / 2;

function applied(requestId: number, result: CommandResult, index: number): LeaderResponse {
  const encodedResult = encodeCommandResult(result);
  if (encodedResult.length > maxResultBytes) return { type: 'result-too-large', requestId };
  return { type: 'proposed', requestId, encodedResult, index };
}

/**
 * What no member could read must not get into the log, where each of them would stop at it. Commands of this member's own
 * clients were encoded here; those of other members may be a newer release's.
 */
function isUnderstood(encoded: Uint8Array): boolean {
  try {
    decodeSubmittedCommand(encoded);
    return true;
  } catch (error) {
    if (error instanceof MalformedData) return false;
    throw error;
  }
}
