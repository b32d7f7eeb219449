/** What an election on PostgreSQL can rely on, and on those that speak its protocol and are many servers. */

/** CockroachDB and YugabyteDB stop where the clocks of two servers differ by half of it. */
export const clockErrorMs = 1000;

export const serverTraits = {
  note: 'on one PostgreSQL that writes; a failover to an asynchronous standby, or a restored backup, can take back what was answered',
  // A renewal is one statement, of about a millisecond in one network and some ten with a synchronous standby, and
  // comes every third of the TTL: below this, a checkpoint or a lost packet would end a leadership.
  minTtlMs: 500,
  ownsClock: true,
} as const;

export const clusterTraits = {
  note: 'while a majority of the replicas of the table run; a restored backup takes tokens back',
  // A write is a round of consensus, and a new leader of the rows' range takes seconds.
  minTtlMs: 2000,
  ownsClock: false,
} as const;
