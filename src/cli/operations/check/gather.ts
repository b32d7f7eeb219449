import type { ConclaveClient } from '../../../client/index.ts';
import { findMembers, type Target, whyFailed, whyNoEndpoint } from '../../members.ts';
import { openClient } from '../../wiring.ts';
import { bestReading, type ClockRate, type ClockReading, clockRate } from './clock-rate.ts';

/** What one member told of itself. */
export interface MemberFacts {
  readonly memberId: number;
  readonly role: string;
  readonly term: number;
  readonly leader: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly version: string;
  readonly loopDelayP99Ms: number;
  /** 0: it has written nothing yet. */
  readonly diskSyncP99Ms: number;
  /** Since its start. */
  readonly diskSyncs: number;
  readonly sizeBytes: number;
  /** 0: none. */
  readonly quotaBytes: number;
  /** undefined: it could not be measured. */
  readonly clock: ClockRate | undefined;
  readonly disconnectedFrom: readonly string[];
}

export interface CheckedMember extends Target {
  readonly facts?: MemberFacts;
  /** Why it told nothing. */
  readonly error?: string;
}

export interface RaisedAlarm {
  /** Its id in hexadecimal; '0' where it is of the cluster. */
  readonly member: string;
  /** Empty where no member has that id. */
  readonly name: string;
  readonly alarm: string;
}

export interface Observations {
  readonly members: readonly CheckedMember[];
  /** Or why they could not be read: a majority has to agree on them, and they take a user that may. */
  readonly alarms: readonly RaisedAlarm[] | string;
  /** How long a read and a write took that a majority had to agree on; or why they failed. */
  readonly readMs: number | string;
  readonly writeMs: number | string;
}

const alarmNames = ['NONE', 'NOSPACE', 'CORRUPT'];
const readingsAtOnce = 5;
const writes = 10;
const leaseTtlMs = 10_000;

/** Asks every member, writes a little, waits, and asks again. */
export async function gather(
  endpoints: readonly string[],
  options: { readonly timeoutMs: number; readonly forMs: number },
): Promise<Observations> {
  const { timeoutMs, forMs } = options;
  const targets = await findMembers(endpoints, timeoutMs);
  const first = await Promise.all(targets.map((target) => readClock(target, timeoutMs)));
  const startMs = performance.now();
  await using client = openClient(endpoints);
  // Connecting and logging in is no part of what a read takes.
  await client.status({ timeoutMs }).catch(() => {});
  const readMs = await timed(() => client.get('\0', { timeoutMs }));
  const writeMs = await writeSome(client, timeoutMs);
  const alarms = await client.maintenance.alarms({ timeoutMs }).catch(whyFailed);
  const leftMs = forMs - (performance.now() - startMs);
  if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
  const members = await Promise.all(targets.map((target, at) => look(target, first[at], timeoutMs)));
  return {
    members,
    alarms:
      typeof alarms === 'string'
        ? alarms
        : alarms.map(({ memberID, alarm }) => ({
            member: memberID.toString(16),
            name: targets.find(({ id }) => id === memberID.toString(16))?.name ?? '',
            alarm: alarmNames[alarm] ?? String(alarm),
          })),
    readMs,
    writeMs,
  };
}

async function timed(work: () => Promise<unknown>): Promise<number | string> {
  const startMs = performance.now();
  try {
    await work();
    return performance.now() - startMs;
  } catch (error) {
    return whyFailed(error);
  }
}

/** Leases that are granted and revoked: through the log and onto the disk of each member, and no key changes. */
async function writeSome(client: ConclaveClient, timeoutMs: number): Promise<number | string> {
  const tookMs: number[] = [];
  for (let count = 0; count < writes; count++) {
    const took = await timed(async () => {
      const { lease } = await client.leaseGrant(leaseTtlMs, { timeoutMs });
      await client.leaseRevoke(lease, { timeoutMs });
    });
    if (typeof took === 'string') return took;
    tookMs.push(took / 2);
  }
  return tookMs.sort((a, b) => a - b)[writes >> 1] ?? 0;
}

async function readClock({ endpoint }: Target, timeoutMs: number): Promise<ClockReading | undefined> {
  if (endpoint === '') return undefined;
  try {
    await using client = openClient([endpoint]);
    // The first one makes the connection.
    await client.memberState({ endpoint, timeoutMs });
    const readings: ClockReading[] = [];
    for (let count = 0; count < readingsAtOnce; count++) {
      const askedMs = performance.now();
      const { uptimeMs } = await client.memberState({ endpoint, timeoutMs });
      readings.push({ askedMs, answeredMs: performance.now(), memberMs: uptimeMs });
    }
    return bestReading(readings);
  } catch {
    return undefined;
  }
}

async function look(
  target: Target,
  before: ClockReading | undefined,
  timeoutMs: number,
): Promise<CheckedMember> {
  const { endpoint } = target;
  if (endpoint === '') return { ...target, error: whyNoEndpoint(target) };
  const after = await readClock(target, timeoutMs);
  try {
    await using client = openClient([endpoint]);
    const options = { endpoint, timeoutMs };
    const [state, status] = await Promise.all([client.memberState(options), client.status(options)]);
    const { memberId, role, term, leader, commitIndex, appliedIndex, version } = state;
    const { loopDelayP99Ms, diskSyncP99Ms, diskSyncs } = state;
    // A member that was started anew meanwhile counts from 0.
    const measurable = before !== undefined && after !== undefined && after.memberMs > before.memberMs;
    const facts: MemberFacts = {
      ...{ memberId, role, term, leader, commitIndex, appliedIndex, version, loopDelayP99Ms, diskSyncP99Ms },
      ...{ diskSyncs, sizeBytes: status.dbSize, quotaBytes: status.dbSizeQuota },
      clock: measurable ? clockRate(before, after) : undefined,
      disconnectedFrom: state.peers.filter((peer) => !peer.connected).map((peer) => peer.name),
    };
    return { ...target, name: state.name, facts };
  } catch (error) {
    return { ...target, error: whyFailed(error) };
  }
}
