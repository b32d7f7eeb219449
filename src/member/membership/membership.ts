import { ConclaveError } from '../../errors/index.ts';
import {
  type Configuration,
  type ConfigurationAt,
  decodeConfiguration,
  type Entry,
  isVoter,
} from '../../raft/index.ts';
import type { Timer } from '../../runtime/index.ts';
import type { Group } from '../group.ts';
import { hexId, type MemberSetup, parseUrl } from '../options.ts';
import type { Greeting, Refusal, SaidOfItself } from '../peers/frames.ts';
import type { PeerAddress } from '../peers/transport.ts';
import type { Announcement } from '../status.ts';
import type { MemberDescription } from '../types.ts';
import { sameMembers } from './plan.ts';
import { decodeClusterRecord, type MemberRecord, recordsOf } from './records.ts';

/** What members say of themselves goes into the log soon after a leader heard it. */
const publishEveryMs = 100;
/** One that was removed answers what it still may, and hands over where it leads. */
const leaveAfterMs = 1000;

export interface MembershipContext {
  readonly setup: MemberSetup;
  readonly group: () => Group;
  /** Other members, by the configuration in force. */
  readonly follow: (peers: readonly PeerAddress[]) => void;
  readonly isConnected: (peer: number) => boolean;
  readonly announced: (member: number) => Announcement | undefined;
  readonly markRemoved: () => Promise<void>;
  /** The member stops by itself. */
  readonly fail: (error: unknown) => void;
}

/** Who is in the cluster, as this member knows it: whom to talk to, whom to let in, and when to leave. */
export class Membership {
  private readonly context: MembershipContext;
  private inForce: ConfigurationAt = { index: 0, configuration: { voters: [] } };
  private removed: readonly number[] = [];
  private known: readonly MemberRecord[] = [];
  /** Everybody in the latest configuration that is applied: where the one in force is not committed, it may come back. */
  private standing: readonly MemberRecord[] = [];
  private publishTimer: Timer | undefined;
  private leaving = false;
  private closed = false;

  constructor(context: MembershipContext) {
    this.context = context;
  }

  /** The core was made: what its log says is in force. `applied` is what the state stands at. */
  begin(inForce: ConfigurationAt, applied: Configuration): void {
    this.configured(inForce);
    this.noteApplied(applied);
  }

  get configuration(): Configuration {
    return this.inForce.configuration;
  }

  get configurationIndex(): number {
    return this.inForce.index;
  }

  /** Everybody in the configuration in force, by id. */
  get records(): readonly MemberRecord[] {
    return this.known;
  }

  /** The same with what members say of themselves, which a leader may have heard and not logged yet. */
  get latestRecords(): readonly MemberRecord[] {
    return this.known.map((record) => this.asAnnounced(record));
  }

  get isLearner(): boolean {
    return this.configuration.learners?.includes(this.context.setup.memberId) === true;
  }

  /** As clients see it: what a member says of itself may be newer than the log. */
  describe(): MemberDescription[] {
    const { setup, announced } = this.context;
    return this.known.map(({ memberId, name, peerUrls, clientUrls }) => {
      const isSelf = memberId === setup.memberId;
      const said = announced(memberId);
      const own = isSelf ? setup.clientAdvertiseUrls : (said?.clientUrls ?? clientUrls);
      return {
        memberId,
        name: isSelf ? setup.name : said?.name || name,
        isLearner: !isVoter(this.configuration, memberId) && this.configuration.voters.length > 0,
        peerUrls,
        clientUrls: own,
      };
    });
  }

  /** For people; empty for 0, which is nobody. */
  nameOf(memberId: number): string {
    const known = this.describe().find((member) => member.memberId === memberId);
    return known?.name || (memberId === 0 ? '' : hexId(memberId));
  }

  /** Another configuration is in force. */
  configured(inForce: ConfigurationAt): void {
    this.inForce = inForce;
    this.known = recordsOf(inForce.configuration, this.context.setup.members);
    this.followOthers();
    this.publishSoon();
  }

  private followOthers(): void {
    const { setup, follow } = this.context;
    const others = this.known.filter(({ memberId }) => memberId !== setup.memberId);
    follow(others.map(({ memberId, peerUrls }) => ({ memberId, addresses: peerUrls.map(addressOf) })));
  }

  /** A committed configuration is applied, from the log or with a snapshot. */
  applied(entry: Entry): void {
    if (entry.kind === 'configuration') this.noteApplied(decodeConfiguration(entry.data));
  }

  noteApplied(configuration: Configuration): void {
    this.standing = recordsOf(configuration, this.context.setup.members);
    // Those that leave are needed until the joint configuration is left, which applies another one.
    if (configuration.outgoing !== undefined) return;
    const before = this.removed;
    this.removed = decodeClusterRecord(configuration.context).removed;
    // One that was let in until now is let go, and told so when it comes again.
    if (this.removed.some((member) => !before.includes(member))) this.followOthers();
    if (this.removed.includes(this.context.setup.memberId)) this.leave();
  }

  /** What this member says of itself when it connects. */
  greeting(): SaidOfItself {
    const { setup, group } = this.context;
    const { term, lastIndex } = group().raft.status();
    // Before the log says that it joins, it is what it was started as: who lets it in must be able to answer it.
    const known = [...this.known, ...setup.members];
    return {
      fresh: term === 0 && lastIndex === 0 && !setup.returnsWithoutData,
      configurationIndex: this.inForce.index,
      peerUrls: known.find(({ memberId }) => memberId === setup.memberId)?.peerUrls ?? [],
    };
  }

  /**
   * Whether the member that greets is let in. One that we do not know may have joined while we were away: if it knows
   * of a later configuration than we do, it is. One that leaves by a change in our log that nobody has committed may lead
   * without ever hearing of that change, and only it can take it out of our log then.
   */
  admit(greeting: Greeting): Refusal | undefined {
    const { from } = greeting;
    const isFrom = ({ memberId }: MemberRecord) => memberId === from;
    const record = this.known.find(isFrom) ?? this.standing.find(isFrom);
    if (this.removed.includes(from)) return { code: 'removed', text: removedText(from) };
    if (record === undefined) {
      if (greeting.configurationIndex > this.inForce.index) return undefined;
      return { code: 'unknown', text: `Member ${hexId(from)} is not part of this cluster.` };
    }
    return record.hasData && greeting.fresh ? { code: 'lost-data', text: lostDataText(from) } : undefined;
  }

  /** Another member does not let us in. */
  refused({ code, text }: Refusal): void {
    if (code === 'removed') this.leave();
    // It may be about a greeting from before anything reached us, and have been on its way since: then we greet again.
    else if (code === 'lost-data' && !this.leaving && this.greeting().fresh) {
      this.leaving = true;
      this.context.fail(
        new ConclaveError('removed', text, { details: { memberId: this.context.setup.memberId } }),
      );
    }
  }

  /** The cluster does not take this member, which has nothing that anybody could miss. To be asked when it has stopped. */
  get isVacant(): boolean {
    return this.leaving && this.greeting().fresh;
  }

  private leave(): void {
    if (this.leaving || this.closed) return;
    this.leaving = true;
    const { setup, markRemoved, fail } = this.context;
    const error = new ConclaveError('removed', removedText(setup.memberId), {
      details: { memberId: setup.memberId },
    });
    setup.logger.warn({ memberId: hexId(setup.memberId) }, 'This member was removed from the cluster.');
    const stop = () => setup.runtime.timers.after(leaveAfterMs, () => fail(error));
    markRemoved().then(stop, fail);
  }

  /** Something was heard that the log may not say yet. */
  publishSoon(): void {
    if (this.publishTimer !== undefined || this.closed) return;
    if (this.context.group().role.role !== 'leader') return;
    const { timers } = this.context.setup.runtime;
    this.publishTimer = timers.after(publishEveryMs, () => this.publish(), { background: true });
  }

  private publish(): void {
    this.publishTimer = undefined;
    const group = this.context.group();
    if (this.closed || group.role.role !== 'leader') return;
    const records = this.latestRecords;
    if (records.every((record, position) => record === this.known[position])) {
      if (this.isWaitingForData) this.publishSoon();
      return;
    }
    // Refused while another change is under way: then the next attempt, or what that change brings, will do.
    group
      .changeMembership(this.inForce.index, sameMembers(this.configuration, records))
      .catch(() => undefined);
    this.publishSoon();
  }

  /** A member that is here and has acknowledged nothing yet will in a moment. */
  private get isWaitingForData(): boolean {
    return this.known.some(({ memberId, hasData }) => !hasData && this.context.isConnected(memberId));
  }

  /** The same record where there is nothing new. */
  private asAnnounced(record: MemberRecord): MemberRecord {
    const { setup, announced, group } = this.context;
    const { memberId } = record;
    const isSelf = memberId === setup.memberId;
    const said = isSelf ? { name: setup.name, clientUrls: setup.clientAdvertiseUrls } : announced(memberId);
    const name = said?.name || record.name;
    const clientUrls = said?.clientUrls ?? record.clientUrls;
    const hasData = record.hasData || isSelf || group().hasData(memberId);
    const same =
      name === record.name && hasData === record.hasData && clientUrls.join() === record.clientUrls.join();
    return same ? record : { ...record, name, clientUrls, hasData };
  }

  close(): void {
    this.closed = true;
    this.publishTimer?.cancel();
  }
}

function addressOf(url: string) {
  return parseUrl(url, 'The peer URL');
}

export function removedText(memberId: number): string {
  return (
    `Member ${hexId(memberId)} was removed from the cluster, and cannot come back under this id. To have it again, add ` +
    'it anew (conclave member add) and start it with an empty data folder and --initial-cluster-state existing.'
  );
}

function lostDataText(memberId: number): string {
  return (
    `Member ${hexId(memberId)} has run before and comes back without its data: what it voted and acknowledged is lost. ` +
    'Put its data folder back; or remove the member and add it anew (conclave member replace), and start it with an ' +
    'empty data folder and --initial-cluster-state existing.'
  );
}
