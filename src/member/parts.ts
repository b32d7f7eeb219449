import type { Command, CommandResult } from '../keyspace/index.ts';
import type { RaftState } from '../raft/index.ts';
import { CorruptionCheck } from './corruption-check.ts';
import { Deadlines } from './deadlines.ts';
import { Group } from './group.ts';
import { Interruptions } from './interruptions.ts';
import { LeaderRequests } from './leader-requests.ts';
import { Membership, MembershipChanges } from './membership/index.ts';
import type { MemberSetup } from './options.ts';
import { PeerLinks } from './peer-links.ts';
import { Proposer } from './proposer.ts';
import { Quota } from './quota.ts';
import type { Storage } from './storage.ts';
import type { WaitOptions } from './types.ts';
import { Upkeep } from './upkeep.ts';

/** The keyspace that clients see. Partitions of the store will be further groups. */
export const firstGroup = 1;

/** The member, as its parts need it. */
export interface PartsOwner {
  readonly propose: (command: Command) => Promise<CommandResult>;
  readonly barrier: (options?: WaitOptions) => Promise<void>;
  readonly onState: (state: RaftState) => void;
  /** The member's status is another. */
  readonly onChange: () => void;
  readonly fail: (error: unknown) => void;
}

/** What a member consists of, and which part talks to which. Some need each other: those are looked up when they are used. */
export class MemberParts {
  readonly group: Group;
  readonly links: PeerLinks;
  readonly proposer: Proposer;
  readonly deadlines: Deadlines;
  readonly interruptions: Interruptions;
  readonly quota: Quota;
  readonly requests: LeaderRequests;
  readonly corruption: CorruptionCheck;
  readonly membership: Membership;
  readonly changes: MembershipChanges;
  readonly upkeep: Upkeep;

  constructor(setup: MemberSetup, storage: Storage, owner: PartsOwner) {
    const { fail } = owner;
    const transport = () => this.links.transport;
    const isConnected = (peer: number) => this.links.transport.connected(peer);
    this.interruptions = new Interruptions({
      memberId: setup.memberId,
      voters: () => this.membership.configuration.voters,
    });
    this.membership = new Membership({
      ...{ setup, group: () => this.group, markRemoved: () => storage.folder.markRemoved() },
      ...{ isConnected, fail },
      follow: (peers) => transport().setPeers(peers),
      announced: (member) => this.links.announced(member),
    });
    this.group = new Group({
      ...storage,
      ...{ setup, group: firstGroup, transport, membership: () => this.membership, fail },
      onState: owner.onState,
      onProgress: (index) => {
        this.corruption.look();
        this.proposer.applied(index);
      },
    });
    this.corruption = new CorruptionCheck({
      ...{ setup, keyspace: this.group.keyspace, connected: isConnected, fail },
      isLeader: () => this.group.role.role === 'leader',
      configuration: () => this.group.raft.status().configuration,
      send: (to, kind, payload) => {
        transport().send(to, kind, firstGroup, payload);
        transport().flush();
      },
      propose: owner.propose,
      mark: (why) => storage.markCorrupt(why),
    });
    this.upkeep = new Upkeep({ setup, groupId: firstGroup, group: this.group, snapshots: storage.snapshots });
    const firstRequestId = Math.floor(setup.runtime.random.unit() * 2 ** 51);
    this.requests = new LeaderRequests({
      ...{ groupId: firstGroup, group: this.group, transport, firstRequestId: 2 ** 52 + firstRequestId },
      ...{ timers: setup.runtime.timers, logger: setup.logger },
      barrier: () => owner.barrier(),
      onProposed: (response) => this.proposer.responded(response),
      onChange: (request) => this.changes.carryOut(request, this.deadlines.of({})),
    });
    this.changes = new MembershipChanges({
      ...{ setup, group: this.group, membership: this.membership, isConnected },
      askLeader: (leader, request, timeoutMs) => this.requests.askChange(leader, request, timeoutMs),
      barrier: owner.barrier,
    });
    this.proposer = new Proposer({
      memberId: setup.memberId,
      interruptions: this.interruptions,
      firstRequestId,
      nowMs: () => setup.runtime.clock.monotonicMs(),
      submitLocally: (encoded, done) => {
        this.group.local.submit(encoded, done);
        this.group.askForTurn();
      },
      sendRequest: (leader, request) => this.requests.send(leader, request),
    });
    this.deadlines = new Deadlines({
      ...{ runtime: setup.runtime, electionTimeoutMs: setup.electionTimeoutMs },
      ...{ proposer: this.proposer, reads: this.group.reads },
    });
    this.quota = new Quota({
      ...{ quotaBytes: setup.quotaBytes, memberId: setup.memberId },
      keyspace: () => this.group.keyspace,
      propose: owner.propose,
    });
    const { group, membership, proposer, requests, corruption, interruptions } = this;
    this.links = new PeerLinks({
      ...{ setup, groupId: firstGroup, group, membership, proposer, requests, corruption, interruptions },
      onChange: owner.onChange,
    });
  }
}
