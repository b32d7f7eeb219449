import type { MemberId, PeerProgress } from './types.ts';

/** Append messages sent and not yet acknowledged, oldest first. */
export class InflightWindow {
  readonly #lastIndexes: number[] = [];
  readonly #sizes: number[] = [];
  /** Bytes of entries in all of them. */
  bytes = 0;

  get count(): number {
    return this.#lastIndexes.length;
  }

  add(lastIndex: number, bytes: number): void {
    this.#lastIndexes.push(lastIndex);
    this.#sizes.push(bytes);
    this.bytes += bytes;
  }

  /** Drops those whose entries the follower is known to hold. */
  acknowledge(matchIndex: number): void {
    let done = 0;
    while (done < this.#lastIndexes.length && (this.#lastIndexes[done] as number) <= matchIndex) {
      this.bytes -= this.#sizes[done] as number;
      done += 1;
    }
    dropFirst(this.#lastIndexes, done);
    dropFirst(this.#sizes, done);
  }

  clear(): void {
    this.#lastIndexes.length = 0;
    this.#sizes.length = 0;
    this.bytes = 0;
  }
}

/** As `splice`, which makes an array of what it takes out. */
function dropFirst(numbers: number[], count: number): void {
  if (count === 0) return;
  for (let at = count; at < numbers.length; at++) numbers[at - count] = numbers[at] as number;
  for (let left = count; left > 0; left--) numbers.pop();
}

/**
 * What a leader knows of one follower, for one leadership.
 * - probe: where the logs agree is not known; one message at a time, the next after an answer or a heartbeat's.
 * - replicate: it is known; entries are sent as they come, within the window.
 * - snapshot: the entries it needs are gone; nothing is sent until the snapshot's fate is known.
 */
export class Progress {
  readonly peer: MemberId;
  state: 'probe' | 'replicate' | 'snapshot' = 'probe';
  /**
   * Durable on the follower and equal to our log up to here, by its own word in this session; 0 until then. It falls
   * with each new session: a follower may come back without its disk, and must not count for what it held before.
   */
  matchIndex = 0;
  /** What is sent next. Always above `matchIndex`; in replicate it runs ahead of it by what is in flight. */
  nextIndex: number;
  /** Acknowledgements with another number were for an earlier connection or an abandoned exchange: not believed. */
  session: number;
  /** In probe: one message is out, and nothing more goes until something is heard. False in the other states. */
  paused = false;
  /** A heartbeat's answer shows the follower alive while it lacks entries: ask where it is, even with nothing to add. */
  verify = false;
  /** In snapshot: the index of one whose stream has ended well; the next heartbeat's answer lets us probe after it. */
  deliveredSnapshotIndex = 0;
  /** Empty unless in replicate. */
  readonly inflight = new InflightWindow();
  /** The highest commit index sent to it since it last probed: below what it may be told, it is to be told more. */
  sentCommitIndex = 0;
  /** When anything of this session was last heard from it. */
  lastContactMs: number;
  /** The highest read round that it has answered in this term. Never falls. */
  ackedReadContext = 0;
  /** The latest sending time, on our clock, that it has echoed in this term: it followed us after that. Never falls. */
  ackedSentAtMs = Number.NEGATIVE_INFINITY;
  /** The sending time of the latest heartbeat that it has answered. */
  answeredHeartbeatMs = Number.NEGATIVE_INFINITY;
  /** Smoothed; 0 before the first measurement. */
  roundTripMs = 0;
  /** It is no member any more, by the configuration at this index, and is to learn of it; 0: it is one. */
  departedAtIndex = 0;
  /** Until then it may learn of it from us; later from whom it asks. */
  departsByMs = Number.POSITIVE_INFINITY;

  constructor(peer: MemberId, nextIndex: number, session: number, nowMs: number) {
    this.peer = peer;
    this.nextIndex = nextIndex;
    this.session = session;
    this.lastContactMs = nowMs;
  }

  becomeProbe(nextIndex: number): void {
    this.#leaveState();
    this.state = 'probe';
    this.sentCommitIndex = 0;
    this.nextIndex = Math.max(nextIndex, this.matchIndex + 1);
  }

  becomeReplicate(): void {
    this.#leaveState();
    this.state = 'replicate';
    this.nextIndex = this.matchIndex + 1;
  }

  becomeSnapshot(): void {
    this.#leaveState();
    this.state = 'snapshot';
  }

  /**
   * A new connection, or none: whatever was in flight may be lost, answers to it must not count, and who answers from
   * now on may hold nothing at all. Most likely it still holds what it did: the first question is about that.
   */
  restart(session: number): void {
    const expected = this.matchIndex === 0 ? this.nextIndex : this.matchIndex + 1;
    this.session = session;
    this.matchIndex = 0;
    this.becomeProbe(expected);
  }

  /** Returns whether `matchIndex` rose. */
  acknowledge(matchIndex: number): boolean {
    const rose = matchIndex > this.matchIndex;
    if (rose) this.matchIndex = matchIndex;
    this.nextIndex = Math.max(this.nextIndex, this.matchIndex + 1);
    this.inflight.acknowledge(this.matchIndex);
    return rose;
  }

  noteToldCommit(commitIndex: number): void {
    if (commitIndex > this.sentCommitIndex) this.sentCommitIndex = commitIndex;
  }

  noteRoundTrip(sampleMs: number): void {
    this.roundTripMs =
      this.roundTripMs === 0 ? sampleMs : this.roundTripMs + (sampleMs - this.roundTripMs) / 8;
  }

  describe(nowMs: number, timeoutMs: number): PeerProgress {
    return {
      peer: this.peer,
      state: this.state,
      matchIndex: this.matchIndex,
      nextIndex: this.nextIndex,
      recentlyActive: nowMs - this.lastContactMs < timeoutMs,
      roundTripMs: this.roundTripMs,
    };
  }

  #leaveState(): void {
    this.paused = false;
    this.verify = false;
    this.deliveredSnapshotIndex = 0;
    this.inflight.clear();
  }
}
