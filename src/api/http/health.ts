import type { MemberHandle } from '../../member/types.ts';
import { wireAlarms } from '../alarms.ts';
import { toStatus } from '../status.ts';

/** How long a read that needs a majority may take before the member counts as unhealthy. */
const readTimeoutMs = 5000;

interface Check {
  readonly name: string;
  /** Why it fails; undefined when it does not. */
  run(member: MemberHandle): Promise<string | undefined>;
}

const checks = {
  /** Whether a member was found whose state is not that of the others. */
  dataCorruption: {
    name: 'data_corruption',
    async run(member) {
      return alarmsOf(member).includes('CORRUPT') ? 'alarm activated: CORRUPT' : undefined;
    },
  },
  /** Answered by this member alone: its loop turns, and its state can be read. */
  serializableRead: {
    name: 'serializable_read',
    async run(member) {
      return member.keyspace.revision > 0 ? undefined : 'the store cannot be read';
    },
  },
  linearizableRead: {
    name: 'linearizable_read',
    async run(member) {
      try {
        await member.readBarrier({ timeoutMs: readTimeoutMs });
        return undefined;
      } catch (error) {
        return toStatus(error).message;
      }
    },
  },
} satisfies Record<string, Check>;

/** Those that concern this member: another one that differs from the rest is stopped, and the rest is well. */
function alarmsOf(member: MemberHandle): string[] {
  const concerning = member.keyspace
    .alarms()
    .filter(({ kind, member: of }) => kind !== 'corrupt-member' || of === BigInt(member.memberId));
  return concerning.map(({ kind }) => wireAlarms[kind].name);
}

export interface HealthAnswer {
  readonly healthy: boolean;
  readonly text: string;
}

/**
 * As etcd 3.5's /health: whether no alarm stands (`exclude=NOSPACE` leaves one out), and this member knows a
 * leader and can read with a majority.
 */
export async function health(member: MemberHandle, query: URLSearchParams): Promise<HealthAnswer> {
  const excluded = new Set(query.getAll('exclude'));
  const reason = await unhealthyBecause(member, query.get('serializable') === 'true', excluded);
  const healthy = reason === undefined;
  return { healthy, text: JSON.stringify({ health: String(healthy), reason: reason ?? '' }) };
}

async function unhealthyBecause(
  member: MemberHandle,
  serializable: boolean,
  excluded: ReadonlySet<string>,
): Promise<string | undefined> {
  const alarm = alarmsOf(member).find((name) => !excluded.has(name));
  if (alarm !== undefined) return `ALARM ${alarm}`;
  if (serializable) return checks.serializableRead.run(member);
  if (member.status().raft.leader === 0) return 'RAFT NO LEADER';
  const failure = await checks.linearizableRead.run(member);
  return failure === undefined ? undefined : `QGET ERROR:${failure}`;
}

/** As etcd 3.5's /livez (is the process worth keeping?) and /readyz (is it worth sending requests to?). */
export async function probe(
  name: 'livez' | 'readyz',
  member: MemberHandle,
  query: URLSearchParams,
): Promise<HealthAnswer> {
  const wanted: readonly Check[] =
    name === 'livez'
      ? [checks.serializableRead]
      : [checks.dataCorruption, checks.serializableRead, checks.linearizableRead];
  const excluded = new Set(query.getAll('exclude'));
  const run = wanted.filter((check) => !excluded.has(check.name));
  const results = await Promise.all(run.map((check) => check.run(member)));
  const healthy = results.every((result) => result === undefined);
  const lines = run.map(({ name: check }, at) =>
    results[at] === undefined ? `[+]${check} ok\n` : `[-]${check} failed: ${results[at]}\n`,
  );
  const detailed = !healthy || query.has('verbose');
  return { healthy, text: `${detailed ? lines.join('') : ''}${healthy ? 'ok\n' : `${name} check failed\n`}` };
}
