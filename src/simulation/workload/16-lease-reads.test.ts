import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RaftEffects, RaftMessage } from '../../raft/index.ts';
import type { MemberSight } from '../observation.ts';
import { CheckerBench, nameOf, putCommand } from './testing/bench.ts';

/** `m1` leads in term 1, and somebody else has committed in term 2 unless it is told otherwise. */
class LeaseBench {
  readonly #bench = new CheckerBench({ leaseReads: true });
  readonly #sight: MemberSight;

  constructor({
    newer = true,
    voters = [1, 2, 3, 4, 5],
  }: { newer?: boolean; voters?: readonly number[] } = {}) {
    const status = (): unknown => ({ role: 'leader', term: 1, configuration: { voters } });
    this.#sight = { ...this.#bench.sight, raft: { status } } as unknown as MemberSight;
    this.commit(1);
    if (newer) this.commit(2);
  }

  commit(term: number): void {
    this.#bench.term = term;
    this.#bench.commit(putCommand('w/k0', `of term ${term}`));
  }

  asksItself(readId: number): void {
    for (const checker of this.#bench.checkers) checker.asked?.(this.#sight, readId);
  }

  isAsked(by: number, readContext: number, term = 1): void {
    const message = { type: 'read-index', from: by, to: 1, term, readContext } as RaftMessage;
    const from = { memberId: by, position: by - 1 } as MemberSight;
    for (const checker of this.#bench.checkers) checker.sent?.(from, this.#sight, message);
  }

  /** A round of heartbeats leaves. */
  begins(readContext: number): void {
    this.#drains({ messages: [{ type: 'heartbeat', to: 2, readContext } as RaftMessage] });
  }

  answersItself(readId: number): void {
    this.#drains({ readsReady: [{ readId, index: 1 }] });
  }

  answers(to: number, readContext: number): void {
    const message = { type: 'read-index-response', to, readContext, index: 1, ok: true } as RaftMessage;
    this.#drains({ messages: [message] });
  }

  #drains(some: Partial<RaftEffects>): void {
    const effects = {
      readsReady: [],
      messages: [],
      messagesAfterPersist: [],
      ...some,
    } as unknown as RaftEffects;
    for (const checker of this.#bench.checkers) checker.drained?.(this.#sight, effects);
  }
}

const found = (error: unknown): boolean => nameOf(error) === '16-lease-reads';

test('a read by the lease of a leader whom nobody has followed up is fine', () => {
  const bench = new LeaseBench({ newer: false });
  bench.asksItself(1);
  bench.isAsked(2, 70);
  bench.answersItself(1);
  bench.answers(2, 70);
});

test('a read by the lease is found where a newer leader has committed, after rounds of heartbeats too', () => {
  for (const rounds of [0, 3]) {
    const bench = new LeaseBench();
    for (let round = 1; round <= rounds; round++) bench.begins(round);
    bench.asksItself(1);
    assert.throws(() => bench.answersItself(1), found);
    const asked = new LeaseBench();
    for (let round = 1; round <= rounds; round++) asked.begins(round);
    asked.isAsked(2, 70);
    assert.throws(() => asked.answers(2, 70), found);
  }
});

test('what a round of heartbeats that began after the question may have answered is not judged', () => {
  const bench = new LeaseBench();
  bench.asksItself(1);
  bench.isAsked(2, 70);
  bench.begins(1);
  bench.answersItself(1);
  bench.answers(2, 70);
});

test('what was asked before the newer leader committed may be answered after it', () => {
  const bench = new LeaseBench({ newer: false });
  bench.asksItself(1);
  bench.isAsked(2, 70);
  bench.commit(2);
  bench.answersItself(1);
  bench.answers(2, 70);
});

test('where who asks and who is asked are a quorum, the question vouches for the answer', () => {
  const bench = new LeaseBench({ voters: [1, 2, 3] });
  bench.isAsked(2, 70);
  bench.answers(2, 70);
  bench.asksItself(1);
  assert.throws(() => bench.answersItself(1), found);
});
