import { ConclaveError } from '../errors/index.ts';
import type { Command, KeyspaceMachine } from '../keyspace/index.ts';
import type { Configuration } from '../raft/index.ts';
import type { Timer } from '../runtime/index.ts';
import {
  decodeHashAnswer,
  decodeHashQuestion,
  encodeHashAnswer,
  encodeHashQuestion,
  type HashAnswer,
} from './corruption-frames.ts';
import { areComparable, judge, type Testimony } from './corruption-verdict.ts';
import type { MemberSetup } from './options.ts';
import { type Frame, type FrameKind, frameKinds } from './peers/frames.ts';

export interface CorruptionContext {
  readonly setup: Pick<MemberSetup, 'runtime' | 'logger' | 'memberId' | 'corruptCheckMs'>;
  readonly keyspace: KeyspaceMachine;
  readonly isLeader: () => boolean;
  readonly configuration: () => Configuration;
  readonly connected: (member: number) => boolean;
  readonly send: (to: number, kind: FrameKind, payload: Uint8Array) => void;
  readonly propose: (command: Command) => Promise<unknown>;
  /** Keeps the member from ever starting on its data again. */
  readonly mark: (why: string) => Promise<void>;
  /** It stops. */
  readonly fail: (error: ConclaveError) => void;
}

/** A follower applies what the leader has applied within this, or is left out of the round. */
const answerWithinMs = 5000;
const askAgainMs = 100;
/** Where members differ and a voter has not said what could decide it, the others go on meanwhile. */
const undecidedForMs = 30_000;
/** A walk over so many leases and clients costs the loop no more than a few milliseconds. */
const mostLeasesToWalk = 10_000;
/** Of memory looked at in one turn of the loop: about a millisecond. */
const sliceBytes = 256 * 1024;

/**
 * Finds members whose state differs from that of the others, and data in memory that is not what was written. The
 * leader asks all for the hash of the same revision, which they keep at hand; a majority tells who is right. A member
 * that is not takes itself out, by an alarm in the log that names it; the rest goes on. Where no majority agrees, etcd's
 * alarm stops writes on all of them.
 */
export class CorruptionCheck implements Disposable {
  private readonly context: CorruptionContext;
  private readonly questions = new Map<number, (answer: HashAnswer | undefined) => void>();
  private nextQuestion = 1;
  private seenAlarms: unknown;
  private timer: Timer | undefined;
  private over = false;
  /** Settled once a mark that was begun is on disk, or could not be. */
  marked: Promise<void> = Promise.resolve();

  constructor(context: CorruptionContext) {
    this.context = context;
  }

  /** Begins the periodic check, if there is to be one. */
  start(): void {
    if (this.context.setup.corruptCheckMs > 0) this.plan();
  }

  [Symbol.dispose](): void {
    this.over = true;
    this.timer?.cancel();
    for (const settle of [...this.questions.values()]) settle(undefined);
  }

  private plan(): void {
    if (this.over) return;
    const { runtime, corruptCheckMs, logger } = this.context.setup;
    this.timer = runtime.timers.after(
      corruptCheckMs,
      () => {
        this.round()
          .catch((error: unknown) => logger.warn({ error: String(error) }, 'The corruption check failed.'))
          .finally(() => this.plan());
      },
      { background: true },
    );
  }

  /** Own memory first; then, on the leader, all members against each other. */
  private async round(): Promise<void> {
    await this.verifyMemory();
    if (!this.over && this.context.isLeader()) await this.compare();
  }

  private async verifyMemory(): Promise<void> {
    const { keyspace, setup } = this.context;
    const verification = keyspace.verification();
    for (;;) {
      const found = verification.step(sliceBytes);
      if (found === 'done' || this.over) return;
      if (found === 'damaged') return this.takeOut(differs('its memory is not what was written to it'));
      await new Promise<void>((resolve) => setup.runtime.timers.nextTurn(resolve));
    }
  }

  /** Compares all members, and has taken out whoever differs. */
  async compare(): Promise<void> {
    const { clock, timers } = this.context.setup.runtime;
    const untilMs = clock.monotonicMs() + undecidedForMs;
    for (;;) {
      const found = await this.compareOnce();
      if (found === 'agreed' || this.over || !this.context.isLeader()) return;
      if (found === 'undecided' || clock.monotonicMs() >= untilMs) break;
      await new Promise<void>((resolve) => timers.after(askAgainMs, resolve, { background: true }));
    }
    this.context.setup.logger.error(
      { revision: this.context.keyspace.revision },
      "Members' data differ, and no majority agrees: writes stop until the alarm is disarmed.",
    );
    await this.raise('corrupt', 0n);
  }

  /** 'undecided': members differ, all have said what they have, and no majority agrees; 'open': not all have. */
  private async compareOnce(): Promise<'agreed' | 'undecided' | 'open'> {
    const { keyspace, setup } = this.context;
    const { memberId, logger } = setup;
    const own = this.testify(keyspace.revision, keyspace.appliedIndex);
    if (own.outcome !== 'hash') return 'agreed';
    const { revision, appliedIndex } = keyspace;
    const { voters, learners = [] } = this.context.configuration();
    const others = [...voters, ...learners].filter((other) => other !== memberId);
    const answers = await Promise.all(others.map((other) => this.ask(other, revision, appliedIndex)));
    if (this.over) return 'agreed';
    const testimonies = [{ member: memberId, ...own }, ...answers.filter((answer) => answer !== undefined)];
    const { outcasts, undecided } = judge(testimonies, voters);
    logger.debug({ revision, asked: others.length, answered: testimonies.length }, 'Members were compared.');
    for (const member of outcasts) {
      logger.error(
        { member: member.toString(16), revision },
        "A member's data differs from that of the majority.",
      );
      await this.raise('corrupt-member', BigInt(member));
    }
    if (!undecided) return 'agreed';
    return areComparable(testimonies, voters) ? 'undecided' : 'open';
  }

  private async raise(kind: 'corrupt' | 'corrupt-member', member: bigint): Promise<void> {
    const raised = this.context.keyspace.alarms();
    if (raised.some((alarm) => alarm.kind === kind && alarm.member === member)) return;
    await this.context.propose({ type: 'alarm', raise: true, kind, member });
  }

  /**
   * Compares this member with all others before it serves. Says nothing where too few answer to tell.
   *
   * @throws ConclaveError 'data-damaged' where a majority of the members agrees on something else.
   */
  async compareAtStart(): Promise<void> {
    const { keyspace, setup } = this.context;
    const { memberId, logger } = setup;
    const { voters } = this.context.configuration();
    const { revision, appliedIndex } = keyspace;
    const own = this.testify(revision, appliedIndex);
    const others = voters.filter((voter) => voter !== memberId);
    if (own.outcome !== 'hash' || others.length === 0) return;
    const answers = await Promise.all(others.map((voter) => this.ask(voter, revision, appliedIndex)));
    const heard = answers.filter((answer) => answer !== undefined);
    const verdict = judge([{ member: memberId, ...own }, ...heard], voters);
    logger.info({ revision, answered: heard.length }, 'Compared with the other members.');
    if (!verdict.outcasts.includes(memberId)) return;
    const error = differs(`the others have other data at revision ${revision}`);
    await this.context.mark(error.message);
    throw error;
  }

  /** To be called when entries were applied: an alarm may name this member. */
  look(): void {
    const { keyspace, setup } = this.context;
    const alarms = keyspace.alarms();
    if (alarms === this.seenAlarms) return;
    this.seenAlarms = alarms;
    if (alarms.some(({ kind, member }) => kind === 'corrupt-member' && member === BigInt(setup.memberId))) {
      this.takeOut(differs('an alarm names it'));
    }
  }

  /** Its data is not to be trusted: the member stops. */
  private takeOut(error: ConclaveError): void {
    if (this.over) return;
    this.over = true;
    const { setup, mark, fail } = this.context;
    this.marked = mark(error.message).catch((cause: unknown) => {
      setup.logger.error({ error: String(cause) }, 'The data folder could not be marked as corrupt.');
    });
    fail(error);
  }

  /** @throws ConclaveError 'invalid-argument' on a malformed frame. */
  receive(from: number, frame: Frame): void {
    if (frame.kind === frameKinds.hashAnswer) {
      const answer = decodeHashAnswer(frame.payload);
      this.questions.get(answer.questionId)?.(answer);
      return;
    }
    const { questionId, revision, appliedIndex } = decodeHashQuestion(frame.payload);
    const answer = encodeHashAnswer({ questionId, ...this.testify(revision, appliedIndex) });
    this.context.send(from, frameKinds.hashAnswer, answer);
  }

  private testify(revision: number, appliedIndex: number): Omit<HashAnswer, 'questionId'> {
    const { keyspace } = this.context;
    const answer = keyspace.hashAt(revision);
    if ('failed' in answer) {
      const outcome = answer.failed === 'compacted' ? 'compacted' : 'behind';
      return { outcome, hash: 0, compactRevision: 0, stateHash: undefined };
    }
    const comparable = keyspace.appliedIndex === appliedIndex && keyspace.leaseCount <= mostLeasesToWalk;
    const stateHash = comparable ? keyspace.stateHash() : undefined;
    return { outcome: 'hash', hash: answer.hash, compactRevision: answer.compactRevision, stateHash };
  }

  /** undefined: it did not say. */
  private async ask(member: number, revision: number, appliedIndex: number): Promise<Testimony | undefined> {
    const { clock, timers } = this.context.setup.runtime;
    const untilMs = clock.monotonicMs() + answerWithinMs;
    while (!this.over && clock.monotonicMs() < untilMs) {
      if (this.context.connected(member)) {
        const answer = await this.askOnce(member, revision, appliedIndex);
        if (answer?.outcome === 'compacted') return undefined;
        if (answer?.outcome === 'hash') return { member, ...answer };
      }
      await new Promise<void>((resolve) => timers.after(askAgainMs, resolve, { background: true }));
    }
    return undefined;
  }

  private askOnce(member: number, revision: number, appliedIndex: number): Promise<HashAnswer | undefined> {
    return new Promise((resolve) => {
      const questionId = this.nextQuestion++;
      const settle = (answer: HashAnswer | undefined) => {
        timer.cancel();
        this.questions.delete(questionId);
        resolve(answer);
      };
      const timer = this.context.setup.runtime.timers.after(1000, () => settle(undefined), {
        background: true,
      });
      this.questions.set(questionId, settle);
      this.context.send(
        member,
        frameKinds.hashQuestion,
        encodeHashQuestion({ questionId, revision, appliedIndex }),
      );
    });
  }
}

/** The advice is the same however it was found. */
function differs(how: string): ConclaveError {
  return new ConclaveError(
    'data-damaged',
    `This member's data differs from that of the cluster: ${how}. It serves nothing any more, and its data folder is ` +
      'marked so that it never counts again. Keep the folder for whoever looks for the cause; remove the member from the ' +
      'cluster and add it anew with an empty folder (conclave member remove, conclave member add), then lift the alarm ' +
      'with conclave alarm disarm. And check memory and disk of its machine.',
  );
}
