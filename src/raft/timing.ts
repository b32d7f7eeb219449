import type { RaftOptions } from './types.ts';

const SMALLEST_ADAPTIVE_MS = 150;
const LARGEST_ADAPTIVE_MS = 1000;
const INITIAL_ADAPTIVE_MS = 400;
const DEFAULT_HEARTBEAT_MS = 100;
const DEFAULT_DRIFT_RATE = 0.01;
/** Heartbeats in one election timeout: two may be lost or late. */
const HEARTBEATS_PER_TIMEOUT = 3.3;
/** Etcd's rule of thumb: the election timeout is ten round trips. */
const ROUND_TRIPS_PER_TIMEOUT = 10;
/** The timeout outlasts the longest recent silence of a live leader by this. */
const GAPS_PER_TIMEOUT = 2;
const STALLS_PER_TIMEOUT = 2;
/** A longer stall is not a habit of this loop: the process was stopped, or its machine was. */
const LONGEST_TELLING_STALL_MS = 250;
/** A vote that was asked for comes after a voter's write and a round trip; others may be slower than ours. */
const WRITES_PER_VOTE = 3;
const ROUND_TRIPS_PER_VOTE = 2;
/** A longer write says that a disk was stuck, not how fast it is. */
const LONGEST_TELLING_WRITE_MS = 500;
/** The cautious start is forgotten by half in this time, a bad spell more slowly. */
const START_HALF_LIFE_MS = 5_000;
const PEAK_HALF_LIFE_MS = 30_000;

/** Then what is left of a sample is no longer worth a thought. */
const LONGEST_MEMORY_HALF_LIVES = 20;

/** The largest recent sample, fading with time. */
class FadingPeak {
  #value: number;
  #atMs: number;
  readonly #halfLifeMs: number;

  constructor(value: number, nowMs: number, halfLifeMs: number) {
    this.#value = value;
    this.#atMs = nowMs;
    this.#halfLifeMs = halfLifeMs;
  }

  /** Halved in each half-life, and falling evenly within it: that needs no power, which platforms round differently. */
  at(nowMs: number): number {
    if (this.#value === 0) return 0;
    const halfLives = (nowMs - this.#atMs) / this.#halfLifeMs;
    if (halfLives > LONGEST_MEMORY_HALF_LIVES) return 0;
    let value = this.#value;
    let left = halfLives;
    for (; left >= 1; left -= 1) value /= 2;
    return value * (1 - left / 2);
  }

  note(value: number, nowMs: number): void {
    if (value < this.at(nowMs)) return;
    this.#value = value;
    this.#atMs = nowMs;
  }
}

/**
 * How long to wait for what. With a fixed election timeout everything is fixed; otherwise the timeout follows what was
 * measured: round trips, silences of a leader that turned out to live, and stalls of our own loop. It rises at once
 * and falls slowly. Safety never depends on it; only the lease of lease reads counts on its lower bound.
 */
export class Timing {
  readonly #fixedElectionMs: number | undefined;
  readonly #wantedHeartbeatMs: number;
  /** A shorter timeout would want more heartbeats than were asked for, and each costs an idle member its sleep. */
  readonly #smallestMs: number;
  readonly #driftRate: number;
  /** Whether a leader may leave every second heartbeat unanswered: neither the timeout nor a lease counts them. */
  readonly sparesAnswers: boolean;
  readonly #start: FadingPeak;
  readonly #gaps: FadingPeak;
  readonly #stalls: FadingPeak;
  readonly #writes: FadingPeak;
  /** Of this member to its leader, or on a leader the slowest of a quorum; 0: unknown. */
  roundTripMs = 0;

  constructor(options: RaftOptions, nowMs: number) {
    this.#fixedElectionMs = options.electionTimeoutMs;
    this.#wantedHeartbeatMs = options.heartbeatIntervalMs ?? DEFAULT_HEARTBEAT_MS;
    this.#smallestMs = Math.min(
      LARGEST_ADAPTIVE_MS,
      Math.max(SMALLEST_ADAPTIVE_MS, HEARTBEATS_PER_TIMEOUT * this.#wantedHeartbeatMs),
    );
    this.sparesAnswers = options.electionTimeoutMs === undefined && options.leaseReads !== true;
    this.#driftRate = options.clockDriftRate ?? DEFAULT_DRIFT_RATE;
    const startMs = Math.max(0, INITIAL_ADAPTIVE_MS - this.#smallestMs);
    this.#start = new FadingPeak(startMs, nowMs, START_HALF_LIFE_MS);
    this.#gaps = new FadingPeak(0, nowMs, PEAK_HALF_LIFE_MS);
    this.#stalls = new FadingPeak(0, nowMs, PEAK_HALF_LIFE_MS);
    this.#writes = new FadingPeak(0, nowMs, PEAK_HALF_LIFE_MS);
  }

  /** The shortest silence after which a follower campaigns; also how long it stays true to a leader it has heard. */
  electionTimeoutMs(nowMs: number): number {
    if (this.#fixedElectionMs !== undefined) return this.#fixedElectionMs;
    const needed = Math.max(
      this.#smallestMs + this.#start.at(nowMs),
      ROUND_TRIPS_PER_TIMEOUT * this.roundTripMs,
      GAPS_PER_TIMEOUT * this.#gaps.at(nowMs),
      SMALLEST_ADAPTIVE_MS + STALLS_PER_TIMEOUT * this.#stalls.at(nowMs),
    );
    return Math.min(LARGEST_ADAPTIVE_MS, needed);
  }

  /** No member's election timeout is ever longer. */
  get longestElectionTimeoutMs(): number {
    return this.#fixedElectionMs ?? LARGEST_ADAPTIVE_MS;
  }

  /**
   * How long a leader bears with a disk that does not answer. Not below the adaptive start: giving up a leadership by
   * mistake costs more than holding on to one that the others will replace anyway.
   */
  leaderPatienceMs(nowMs: number): number {
    return (
      this.#fixedElectionMs ??
      Math.max(INITIAL_ADAPTIVE_MS, this.electionTimeoutMs(nowMs), this.votingMs(nowMs))
    );
  }

  /** How long a leader bears with a quorum that is silent. Where answers are spared, by one heartbeat longer. */
  quorumPatienceMs(nowMs: number): number {
    return this.leaderPatienceMs(nowMs) + (this.sparesAnswers ? this.heartbeatIntervalMs(nowMs) : 0);
  }

  /** How long votes may be on their way, with such disks and links as ours: until then, asking anew only disturbs. */
  votingMs(nowMs: number): number {
    return WRITES_PER_VOTE * this.#writes.at(nowMs) + ROUND_TRIPS_PER_VOTE * this.roundTripMs;
  }

  heartbeatIntervalMs(nowMs: number): number {
    return Math.min(this.#wantedHeartbeatMs, this.electionTimeoutMs(nowMs) / HEARTBEATS_PER_TIMEOUT);
  }

  /**
   * How long after *sending* a message that a quorum acknowledged no other leader can be elected: the smallest election
   * timeout on the fastest follower's clock, counted on ours if that is the slowest.
   */
  get readLeaseMs(): number {
    const smallest = this.#fixedElectionMs ?? SMALLEST_ADAPTIVE_MS;
    return (smallest * (1 - this.#driftRate)) / (1 + this.#driftRate);
  }

  /** The silence between two signs of life of one leader; a very long one was an outage and says nothing. */
  noteLeaderGap(gapMs: number, nowMs: number): void {
    if (gapMs <= LARGEST_ADAPTIVE_MS) this.#gaps.note(gapMs, nowMs);
  }

  noteWrite(tookMs: number, nowMs: number): void {
    this.#writes.note(Math.min(tookMs, LONGEST_TELLING_WRITE_MS), nowMs);
  }

  noteStall(stallMs: number, nowMs: number): void {
    if (stallMs <= LONGEST_TELLING_STALL_MS) this.#stalls.note(stallMs, nowMs);
  }
}
