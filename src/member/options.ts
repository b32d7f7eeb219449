import { createHash } from 'node:crypto';
import { ConclaveError } from '../errors/index.ts';
import { shown } from '../errors/option-names.ts';
import { type Address, nodeRuntime, type Runtime } from '../runtime/index.ts';
import type { AutoCompaction } from './auto-compaction.ts';
import { type Logger, silentLogger } from './logger.ts';
import type { MemberObserver } from './observer.ts';
import { standardQuotaBytes } from './quota.ts';

export interface InitialMember {
  readonly name: string;
  /** `http://host:port` or `https://host:port`, one or more. The runtime's network has the certificates. */
  readonly peerUrls: readonly string[];
}

/** In bytes of log entries, each of which costs 32 besides its data. At least 1. */
export interface QueueBounds {
  /** In one append message. Default 1 MiB. */
  readonly maxAppendBytes: number;
  /** On the way to one follower. Default 16 MiB. */
  readonly maxInflightBytes: number;
  /** Not committed yet; what comes beyond is refused with 'too-many-requests'. Default 64 MiB. */
  readonly maxUncommittedBytes: number;
}

export interface MemberOptions {
  /** Human-readable, unique in the cluster; must stand in `initialCluster`. */
  readonly name: string;
  /** Folder for log and snapshots; made if absent. */
  readonly dataDir: string;
  /** Where to listen for other members. Port 0 takes a free one (of use for a one-member cluster). */
  readonly peerListenUrls: readonly string[];
  /** Announced to the other members and shown by MemberList. */
  readonly clientAdvertiseUrls: readonly string[];
  /** All members of the cluster, this one included. */
  readonly initialCluster: readonly InitialMember[];
  /** Keeps clusters apart that were made from the same URLs. Default `conclave-cluster`. */
  readonly initialClusterToken?: string;
  /** Default 100. */
  readonly heartbeatIntervalMs?: number;
  /** Fixed election timeout. Absent: adaptive, 150 to 1000 ms. */
  readonly electionTimeoutMs?: number;
  /**
   * Commands applied between two snapshots. Default 100,000, as etcd's. Where the last one has more than 8 MiB, the log
   * has also to grow by as much.
   */
  readonly snapshotCount?: number;
  /** Bytes of log on disk after which a snapshot is made anyway. Default 256 MiB. */
  readonly snapshotLogBytes?: number;
  /**
   * Advanced: entries kept in memory behind a snapshot, so that a follower that is a little behind needs no snapshot.
   * Default 5000.
   */
  readonly snapshotCatchUpEntries?: number;
  /**
   * Advanced: a segment of the log is closed when it has this many bytes, and removed when no entry in it is needed.
   * Default 64 MiB, at least 4 KiB.
   */
  readonly logSegmentBytes?: number;
  /** Advanced: how much a leader holds; see `QueueBounds`. */
  readonly queueBounds?: Partial<QueueBounds>;
  readonly leaseReads?: boolean;
  /** Time between two comparisons of all members' data, in ms. Default 0: none. */
  readonly corruptCheckMs?: number;
  /** Compare this member's data with that of the others before it serves. Default false. */
  readonly initialCorruptCheck?: boolean;
  /**
   * Bytes of keys, values and history above which writes that add to them are refused, on every member, until some are
   * freed and the alarm is disarmed. 0: the default, 2 GiB. Negative: none.
   */
  readonly quotaBytes?: number;
  /** Default: nothing is compacted by itself. */
  readonly autoCompaction?: AutoCompaction;
  /**
   * 'new': the members of `initialCluster` make a cluster. 'existing': with an empty data folder this member joins the
   * one that those run already, which expects it under its peer URLs. Default 'new'. A data folder that is there says
   * more than both.
   */
  readonly initialClusterState?: 'new' | 'existing';
  /**
   * Dangerous: the cluster takes this member under its old id after it has lost all its data, and with it its votes and
   * what it acknowledged. For simulations, which know that a good copy of everything is left. Default false.
   */
  readonly returnsWithoutData?: boolean;
  /** Gives up a start that is under way, in joining a cluster above all. Afterwards it means nothing. */
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
  readonly runtime?: Runtime;
  readonly observer?: MemberObserver;
}

/** Options checked and completed, ids derived. */
export interface MemberSetup {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly name: string;
  readonly dataDir: string;
  readonly clusterId: number;
  readonly memberId: number;
  readonly listen: readonly Address[];
  readonly clientAdvertiseUrls: readonly string[];
  readonly members: readonly {
    readonly memberId: number;
    readonly name: string;
    readonly peerUrls: readonly string[];
    readonly addresses: readonly Address[];
  }[];
  readonly heartbeatIntervalMs: number;
  readonly electionTimeoutMs: number | undefined;
  readonly snapshotCount: number;
  readonly snapshotLogBytes: number;
  readonly snapshotCatchUpEntries: number;
  readonly logSegmentBytes: number;
  readonly queueBounds: QueueBounds;
  readonly leaseReads: boolean;
  readonly corruptCheckMs: number;
  readonly initialCorruptCheck: boolean;
  readonly quotaBytes: number;
  readonly autoCompaction: AutoCompaction | undefined;
  /** It takes no part until the cluster that is there has told it who belongs to it; `members` are those it was told of. */
  readonly joins: boolean;
  readonly returnsWithoutData: boolean;
  readonly signal: AbortSignal | undefined;
  readonly observer: MemberObserver;
}

/** The first 48 bits of a SHA-256 over the parts: ids that all members derive alike, and never 0. */
export function deriveId(...parts: readonly string[]): number {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part).update('\0');
  return digest.digest().readUIntBE(0, 6) + 1;
}

/** An id as etcd's tools show it. */
export function hexId(id: number): string {
  return id.toString(16);
}

/** @throws ConclaveError 'invalid-argument' on anything but `http://host:port` and `https://host:port`. */
export function parseUrl(url: string, what: string): Address {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (error) {
    throw new ConclaveError(
      'invalid-argument',
      `${what} ${JSON.stringify(url)} is not a URL; write it as http://host:port.`,
      { cause: error },
    );
  }
  const secure = parsed.protocol === 'https:';
  if (!secure && parsed.protocol !== 'http:') {
    throw new ConclaveError('invalid-argument', `${what} ${url} begins with neither http:// nor https://.`);
  }
  if (parsed.pathname !== '/' || parsed.search !== '' || parsed.hash !== '' || parsed.username !== '') {
    throw new ConclaveError(
      'invalid-argument',
      `${what} ${url} has more than host and port; write it as http://host:port.`,
    );
  }
  const host = parsed.hostname.startsWith('[') ? parsed.hostname.slice(1, -1) : parsed.hostname;
  const port = parsed.port === '' ? (secure ? 443 : 80) : Number(parsed.port);
  return secure ? { host, port, secure } : { host, port };
}

/** In the order of their ids. @throws ConclaveError 'invalid-argument' where a name or a URL stands twice. */
function initialMembers(initialCluster: readonly InitialMember[], token: string): MemberSetup['members'] {
  const names = new Set<string>();
  const urls = new Set<string>();
  for (const member of initialCluster) {
    if (names.has(member.name))
      throw new ConclaveError(
        'invalid-argument',
        `The name ${member.name} stands twice in the initial cluster.`,
      );
    names.add(member.name);
    if (member.peerUrls.length === 0)
      throw new ConclaveError(
        'invalid-argument',
        `Member ${member.name} has no peer URL in the initial cluster.`,
      );
    for (const url of member.peerUrls) {
      if (urls.has(url))
        throw new ConclaveError(
          'invalid-argument',
          `The peer URL ${url} stands twice in the initial cluster.`,
        );
      urls.add(url);
    }
  }
  const members = initialCluster.map((member) => ({
    memberId: deriveId(token, member.name, ...[...member.peerUrls].sort()),
    name: member.name,
    peerUrls: member.peerUrls,
    addresses: member.peerUrls.map((url) => parseUrl(url, 'The peer URL')),
  }));
  return members.sort((a, b) => a.memberId - b.memberId);
}

/** Checks the options and derives the ids: the same initial cluster and token give the same ids on every member. */
export function setUp(options: MemberOptions): MemberSetup {
  const { name, initialCluster } = options;
  if (name === '') throw new ConclaveError('invalid-argument', 'The member needs a name.');
  const token = options.initialClusterToken ?? 'conclave-cluster';
  const members = initialMembers(initialCluster, token);
  const self = members.find((member) => member.name === name);
  if (!self) {
    const names = initialCluster.map((member) => member.name).join(', ');
    throw new ConclaveError(
      'invalid-argument',
      `The member's name ${name} is missing from the initial cluster (${names}).`,
    );
  }
  return {
    runtime: options.runtime ?? nodeRuntime(),
    logger: options.logger ?? silentLogger,
    name,
    dataDir: options.dataDir,
    clusterId: deriveId(token, ...members.map((member) => String(member.memberId))),
    memberId: self.memberId,
    listen: options.peerListenUrls.map((url) => parseUrl(url, 'The peer listen URL')),
    clientAdvertiseUrls: options.clientAdvertiseUrls,
    members,
    heartbeatIntervalMs: inRange('heartbeatIntervalMs', options.heartbeatIntervalMs ?? 100, 5, 10_000),
    electionTimeoutMs:
      options.electionTimeoutMs === undefined
        ? undefined
        : inRange('electionTimeoutMs', options.electionTimeoutMs, 20, 50_000),
    snapshotCount: inRange('snapshotCount', options.snapshotCount ?? 100_000, 1, 1e9),
    snapshotLogBytes: inRange(
      'snapshotLogBytes',
      options.snapshotLogBytes ?? 256 * 1024 * 1024,
      1024,
      2 ** 40,
    ),
    snapshotCatchUpEntries: wholeInRange(
      'snapshotCatchUpEntries',
      options.snapshotCatchUpEntries ?? 5000,
      0,
      1e9,
    ),
    logSegmentBytes: wholeInRange(
      'logSegmentBytes',
      options.logSegmentBytes ?? 64 * 1024 * 1024,
      4096,
      2 ** 31,
    ),
    queueBounds: checkBounds(options.queueBounds ?? {}),
    leaseReads: options.leaseReads ?? false,
    corruptCheckMs: inRange('corruptCheckMs', options.corruptCheckMs ?? 0, 0, 2 ** 31 - 1),
    initialCorruptCheck: options.initialCorruptCheck ?? false,
    quotaBytes: checkQuota(options.quotaBytes ?? 0),
    autoCompaction: checkAutoCompaction(options.autoCompaction),
    joins: options.initialClusterState === 'existing',
    returnsWithoutData: options.returnsWithoutData ?? false,
    signal: options.signal,
    observer: options.observer ?? {},
  };
}

function checkBounds(bounds: Partial<QueueBounds>): QueueBounds {
  const mebibyte = 1024 * 1024;
  const bytes = (name: keyof QueueBounds, usual: number): number =>
    wholeInRange(`queueBounds.${name}`, bounds[name] ?? usual, 1, 2 ** 31);
  return {
    maxAppendBytes: bytes('maxAppendBytes', mebibyte),
    maxInflightBytes: bytes('maxInflightBytes', 16 * mebibyte),
    maxUncommittedBytes: bytes('maxUncommittedBytes', 64 * mebibyte),
  };
}

function checkQuota(quotaBytes: number): number {
  if (quotaBytes === 0) return standardQuotaBytes;
  return wholeInRange('quotaBytes', quotaBytes, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
}

function checkAutoCompaction(setting: AutoCompaction | undefined): AutoCompaction | undefined {
  if (setting?.mode === 'periodic') inRange('autoCompaction.retentionMs', setting.retentionMs, 100, 2 ** 45);
  if (setting?.mode === 'revision')
    wholeInRange('autoCompaction.retention', setting.retention, 1, Number.MAX_SAFE_INTEGER);
  if (setting?.mode === 'revision' && setting.everyMs !== undefined)
    inRange('autoCompaction.everyMs', setting.everyMs, 100, 2 ** 31 - 1);
  return setting;
}

function inRange(what: string, value: number, least: number, most: number): number {
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw new ConclaveError(
      'invalid-argument',
      `${what} is ${shown(value)}; it must be between ${least} and ${most}.`,
    );
  }
  return value;
}

function wholeInRange(what: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value)) return inRange(what, value, least, most);
  throw new ConclaveError('invalid-argument', `${what} is ${shown(value)}; it must be a whole number.`);
}
