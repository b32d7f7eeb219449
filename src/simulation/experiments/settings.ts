/** One curve of the experiment: how the members are configured, and how their leader goes. */
export interface ElectionSettings {
  /** Decides everything else, 0 to 2^53 - 1. */
  readonly seed: number;
  /** Leaders that crash, one after the other. */
  readonly crashes: number;
  /**
   * The range that fixed election timeouts are drawn from, ms; heartbeats count as half the least, as in the paper.
   * Absent: the defaults, so heartbeats each 100 ms and timeouts that adapt.
   */
  readonly timeoutsMs?: readonly [least: number, most: number];
  /**
   * Where the 15 ms of asking for votes and getting them are spent: on the way there and back; or in the two writes,
   * the candidate's and the voter's. `none`: a quick network and quick disks.
   */
  readonly broadcast: 'network' | 'disks' | 'none';
  /** `different`: two of the four that stay miss the last entry, so that only the other two may be elected. */
  readonly logs: 'equal' | 'different';
  /** `power`: the host is off and nobody is told. `process`: the process dies and its host closes the connections. */
  readonly crash: 'power' | 'process';
}

export interface ElectionTimes {
  /**
   * Ms from each crash to the moment when another member becomes leader, ascending; Infinity where none had after
   * `boundMs`. Empty if no leader lasts.
   */
  readonly timesMs: readonly number[];
  /** False: the members never agreed for long enough on a leader that could be crashed. */
  readonly leadersLast: boolean;
  /** Elections won while waiting in vain for a leader that lasts, in a second. 0 otherwise. */
  readonly electionsPerSecond: number;
}

/** An election that takes longer counts as this. */
export const boundMs = 20_000;
export const defaultHeartbeatMs = 100;

/** How long the leader had been silent at most when it crashed. */
export function heartbeatMs(settings: ElectionSettings): number {
  return settings.timeoutsMs === undefined ? defaultHeartbeatMs : settings.timeoutsMs[0] / 2;
}
