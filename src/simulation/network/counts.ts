/** What the network did to the programs in a life: for a summary of what was covered. */
export interface NetworkCounts {
  connectionsMade: number;
  connectionsRefused: number;
  /** Attempts to connect that were not answered in time. */
  connectsTimedOut: number;
  /** Packets lost on a way that passes: a retransmission each. */
  packetsLost: number;
  /** Times that a connection had something to send and no way to do so. */
  stalls: number;
  /** Connections that TCP gave up since nothing got through for long. */
  connectionsGivenUp: number;
  /** RST received for what was sent to a connection that is gone. */
  resets: number;
  brokenForBoth: number;
  brokenForOne: number;
  brokenForNone: number;
  /** Segments that arrived in two chunks. */
  segmentsCut: number;
  raftMessages: number;
  raftMessagesLost: number;
  raftMessagesRepeated: number;
  raftMessagesOvertaken: number;
}

export function noCounts(): NetworkCounts {
  return {
    ...{ connectionsMade: 0, connectionsRefused: 0, connectsTimedOut: 0, packetsLost: 0, stalls: 0 },
    ...{ connectionsGivenUp: 0, resets: 0, brokenForBoth: 0, brokenForOne: 0, brokenForNone: 0 },
    ...{ segmentsCut: 0, raftMessages: 0, raftMessagesLost: 0, raftMessagesRepeated: 0 },
    raftMessagesOvertaken: 0,
  };
}
