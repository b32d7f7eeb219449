import type { PlantedBug } from '../bug.ts';

/** Bugs in how leases live and expire in the cluster. */
export const leaseBugs: readonly PlantedBug[] = [
  {
    id: 'expiry-from-wall-clock',
    title: "Leases expire by the leader's wall clock",
    seen: 'etcd-io/etcd#9888',
    edits: [
      {
        file: 'src/member/group.ts',
        find: 'this.leaderTime = new LeaderTime(this.keyspace, this.raft, setup.heartbeatIntervalMs);',
        replace:
          'this.leaderTime = new LeaderTime(this.keyspace, this.raft, setup.heartbeatIntervalMs, () => runtime.clock.wallMs());',
      },
      {
        file: 'src/member/leader-time.ts',
        find: '  constructor(keyspace: KeyspaceMachine, raft: RaftCore, heartbeatIntervalMs: number) {',
        replace:
          '  private readonly wallMs: () => number;\n  constructor(keyspace: KeyspaceMachine, raft: RaftCore, heartbeatIntervalMs: number, wallMs: () => number) {\n    this.wallMs = wallMs;',
      },
      {
        file: 'src/member/leader-time.ts',
        find: '  read(nowMs: number): number | undefined {',
        replace: '  read(_monotonicMs: number): number | undefined {\n    const nowMs = this.wallMs();',
      },
      {
        file: 'src/member/cluster-time.ts',
        find: '    this.elapsedMs += Math.min(gapMs, 2 * this.heartbeatIntervalMs);',
        replace: '    this.elapsedMs += Math.max(gapMs, 0);',
      },
    ],
    life: { faults: 'clock' },
    checkers: ['18-leases', '21-one-holder'],
  },
  {
    id: 'expiry-from-local-time',
    title: "Each replica expires leases by its own clock instead of the log's stamps",
    seen: 'etcd-io/etcd#12528',
    edits: [
      {
        file: 'src/member/applier.ts',
        find: '      const results = keyspace.apply(entry.index,',
        replace:
          '      const localMs = runtime.clock.monotonicMs();\n      const timed = keyspace as unknown as { sinceMs: number; localMs?: number };\n      timed.sinceMs = Math.floor(localMs - (timed.localMs ?? localMs));\n      timed.localMs = localMs;\n      const results = keyspace.apply(entry.index,',
      },
      {
        file: 'src/keyspace/keyspace.ts',
        find: '    state.timeMs = timeMs;\n',
        replace:
          '    const localMs = state.timeMs + ((this as unknown as { sinceMs?: number }).sinceMs ?? 0);\n    state.timeMs = timeMs;\n',
      },
      {
        file: 'src/keyspace/keyspace.ts',
        find: 'state.leases.takeDue(timeMs)',
        replace: 'state.leases.takeDue(Math.max(timeMs, localMs))',
      },
    ],
    life: { faults: 'all' },
    checkers: ['19-watches', '05-same-state-at-same-index', '18-leases', '21-one-holder', 'log-witness'],
  },
  {
    id: 'deposed-leader-expires',
    title: 'A leader that was deposed goes on measuring time, and revokes the leases that it thinks are over',
    seen: 'etcd-io/etcd#15247',
    edits: [
      {
        file: 'src/member/parts.ts',
        find: `    this.deadlines = new Deadlines({
      ...{ runtime: setup.runtime, electionTimeoutMs: setup.electionTimeoutMs },
      ...{ proposer: this.proposer, reads: this.group.reads },`,
        replace: `    const revoking = {
      get busy() {
        return proposer.busy;
      },
      toldEarlyMs: (nowMs: number) => proposer.toldEarlyMs(nowMs),
      sweep: (nowMs: number): void => {
        for (const lease of group.role.role === 'leader' ? [] : group.keyspace.leases()) {
          const deadlineMs = group.keyspace.lease(lease, false)?.deadlineMs ?? 0;
          if (deadlineMs >= group.clusterTimeMs()) continue;
          proposer.propose({ type: 'leaseRevoke', lease }, nowMs + 1000, undefined, undefined).catch(() => {});
        }
        proposer.sweep(nowMs);
      },
    };
    this.deadlines = new Deadlines({
      ...{ runtime: setup.runtime, electionTimeoutMs: setup.electionTimeoutMs },
      ...{ proposer: revoking, reads: this.group.reads },`,
      },
      {
        file: 'src/member/cluster-time.ts',
        find: '    this.elapsedMs += Math.min(gapMs, 2 * this.heartbeatIntervalMs);',
        replace: '    this.elapsedMs += gapMs;',
      },
    ],
    life: { faults: 'all' },
    checkers: ['18-leases', '21-one-holder', 'log-witness'],
  },
  {
    id: 'election-resets-ttls',
    title: 'Every election gives all leases their whole TTL again',
    seen: 'etcd-io/etcd#12528, #9888',
    edits: [
      {
        file: 'src/member/group.ts',
        find: '      this.leaderTime.start(this.context.setup.runtime.clock.monotonicMs());',
        replace:
          "      this.leaderTime.start(this.context.setup.runtime.clock.monotonicMs());\n      const command = { type: 'leaseRenew' as const, leases: this.keyspace.leases() };\n      this.local.submit(encodeSubmittedCommand({ command, identity: undefined }), () => {});",
      },
      {
        file: 'src/member/group.ts',
        find: "import { Keyspace } from '../keyspace/index.ts';",
        replace: "import { encodeSubmittedCommand, Keyspace } from '../keyspace/index.ts';",
      },
    ],
    life: { faults: 'all' },
    checkers: ['18-leases'],
  },
  {
    id: 'election-sets-clock-back',
    title: 'A new leader counts time from the last entry that it has applied, not from the last in its log',
    seen: 'etcd-io/etcd#9888',
    edits: [
      {
        file: 'src/member/leader-time.ts',
        find: "      if (entry?.kind === 'command') return batchTimeMs(entry.data);",
        replace:
          "      if (entry?.kind === 'command' && index <= this.keyspace.appliedIndex) return batchTimeMs(entry.data);",
      },
    ],
    life: { faults: 'process' },
    checkers: ['18-leases', 'program'],
  },
  {
    id: 'keep-alive-before-commit',
    title: 'A keep-alive is answered before it is committed',
    seen: 'etcd-io/etcd#15247',
    edits: [
      {
        file: 'src/api/renewals.ts',
        find: "    const { outcome, revision } = await this.#member.propose({ type: 'leaseRenew', leases });",
        replace: `    this.#member.propose({ type: 'leaseRenew', leases }).catch(() => {});
    const { keyspace } = this.#member;
    const revision = keyspace.revision;
    const ttlsMs = leases.map((id) => keyspace.lease(id, false)?.grantedTtlMs ?? 0);
    const outcome = { type: 'leaseRenew', ttlsMs } as Awaited<ReturnType<MemberHandle['propose']>>['outcome'];`,
      },
    ],
    life: { faults: 'all' },
    checkers: ['18-leases', '21-one-holder', 'log-witness'],
  },
  {
    id: 'late-detach',
    title: 'A break of an old connection shortens the lease of a holder that has come back',
    seen: 'found while this was designed',
    edits: [
      {
        file: 'src/keyspace/leases.ts',
        find: '    if (lease === undefined || !lease.attached || lease.attachment !== attachment) return false;',
        replace: '    if (lease === undefined || attachment <= 0) return false;',
      },
    ],
    life: { faults: 'network' },
    checkers: ['18-leases', '21-one-holder', 'log-witness'],
  },
  {
    id: 'any-break-detaches',
    title: "A member takes every break of its side of a connection for the holder's leaving",
    seen: 'invariant 18',
    edits: [
      {
        file: 'src/api/attach.ts',
        find: "if (connection.endedBy !== undefined) return connection.endedBy === 'peer';",
        replace: "if (connection.endedBy !== undefined) return connection.endedBy !== 'local';",
      },
    ],
    life: { faults: 'network' },
    checkers: ['18-leases', '21-one-holder'],
  },
  {
    id: 'deadline-not-strict',
    title: 'The replica that applies it ends a lease a heartbeat before its deadline',
    seen: 'invariant 18',
    edits: [
      {
        file: 'src/keyspace/keyspace.ts',
        find: 'state.leases.takeDue(timeMs)',
        replace: 'state.leases.takeDue(timeMs + 100)',
      },
    ],
    life: { faults: 'process' },
    checkers: ['18-leases', '21-one-holder', 'log-witness'],
  },
];
