import type { CorruptionCheck } from './corruption-check.ts';
import type { Group } from './group.ts';
import type { Interruptions } from './interruptions.ts';
import type { LeaderRequests } from './leader-requests.ts';
import type { Membership } from './membership/index.ts';
import { type MemberSetup, parseUrl } from './options.ts';
import { encodeToldCluster } from './peers/ask-members.ts';
import { type Frame, frameKinds } from './peers/frames.ts';
import { PeerTransport } from './peers/transport.ts';
import type { Proposer } from './proposer.ts';
import { type Announcement, decodeAnnouncement, encodeAnnouncement } from './status.ts';

export interface PeerLinksContext {
  readonly setup: MemberSetup;
  readonly groupId: number;
  readonly group: Group;
  readonly membership: Membership;
  readonly proposer: Proposer;
  readonly requests: LeaderRequests;
  readonly corruption: CorruptionCheck;
  readonly interruptions: Interruptions;
  /** What the member's status says of its peers is another. */
  readonly onChange: () => void;
}

/** The links to the other members: each frame goes to whom it is for, and all who depend on a link hear when it breaks. */
export class PeerLinks {
  readonly transport: PeerTransport;
  private readonly context: PeerLinksContext;
  private readonly announcements = new Map<number, Announcement>();

  constructor(context: PeerLinksContext) {
    this.context = context;
    const { setup, membership } = context;
    const { runtime, logger, clusterId, memberId, listen } = setup;
    this.transport = new PeerTransport({
      ...{ runtime, logger, clusterId, memberId, listen },
      peers: [],
      announcement: encodeAnnouncement({ name: setup.name, clientUrls: setup.clientAdvertiseUrls }),
      admit: (greeting) => membership.admit(greeting),
      greeting: () => membership.greeting(),
      onRefusal: (refusal) => membership.refused(refusal),
      addressesOf: (urls) => urls.map((url) => parseUrl(url, 'The peer URL')),
      toldCluster: () => encodeToldCluster({ clusterId, members: membership.records }),
      onFrame: (peer, frame) => this.receive(peer, frame),
      onLink: (peer, state) => this.linkChanged(peer, state),
    });
  }

  /** What that member says of itself; undefined until it was heard. */
  announced(member: number): Announcement | undefined {
    return this.announcements.get(member);
  }

  private receive(from: number, frame: Frame): void {
    const { setup, groupId, group, membership, requests, corruption } = this.context;
    if (frame.kind === frameKinds.announcement) {
      this.announcements.set(from, decodeAnnouncement(frame.payload));
      membership.publishSoon();
      this.context.onChange();
    } else if (frame.group !== groupId) {
      setup.logger.debug({ from, group: frame.group }, 'A frame for an unknown group was dropped.');
    } else if (frame.kind === frameKinds.request || frame.kind === frameKinds.response) {
      requests.receive(from, frame);
    } else if (frame.kind === frameKinds.hashQuestion || frame.kind === frameKinds.hashAnswer) {
      corruption.receive(from, frame);
    } else {
      group.receive(from, frame);
    }
  }

  private linkChanged(peer: number, state: 'up' | 'down'): void {
    const { setup, group, membership, proposer, requests, interruptions } = this.context;
    setup.logger.info({ peer: membership.nameOf(peer), state }, 'The link to a peer changed.');
    group.linkChanged(peer, state);
    if (state === 'up') {
      interruptions.linkUp(peer);
      proposer.linkUp(peer);
    } else {
      interruptions.linkDown(peer);
      proposer.linkDown(peer);
      requests.release((asked) => asked !== peer);
    }
    this.context.onChange();
  }
}
