/**
 * Alarms that members raised, as etcd has them: while one stands, the commands that it concerns fail on every replica
 * alike, until somebody disarms it.
 */
import { finishHash, mixBigInt, mixHash } from './bytes.ts';
import type { Reader, Writer } from './encoding.ts';
import { MalformedData } from './errors.ts';
import { storageCost } from './storage-cost.ts';
import type { Command, CommandFailure } from './types.ts';

/**
 * The first two in the order of etcd's numbers, which begin at 1. 'corrupt' stops writes on all members, as etcd's;
 * 'corrupt-member' says that one member differs from a majority that agrees: that one stops, the rest goes on.
 */
export const alarmKinds = ['no-space', 'corrupt', 'corrupt-member'] as const;
export type AlarmKind = (typeof alarmKinds)[number];

export interface Alarm {
  /** Any number of 64 bits without a sign: who raises an alarm by hand may name any member. */
  readonly member: bigint;
  readonly kind: AlarmKind;
}

export interface AlarmCommand extends Alarm {
  readonly type: 'alarm';
  readonly raise: boolean;
}

function compareAlarms(left: Alarm, right: Alarm): number {
  const kinds = alarmKinds.indexOf(left.kind) - alarmKinds.indexOf(right.kind);
  return kinds !== 0 ? kinds : left.member < right.member ? -1 : Number(left.member > right.member);
}

/**
 * Of one kind. Each change and each write looks at them all, on every replica. Those of a cluster's members are a few; who
 * names others by hand adds nothing beyond this, and keeps no alarm of another kind from being raised.
 */
export const mostAlarms = 256;

export class AlarmTable {
  /** By kind and member; a new array at each change, so that snapshots may keep it. */
  all: readonly Alarm[] = [];

  /** What became of the alarm that the command names: itself, or nothing where none was there to be disarmed. */
  change({ member, kind, raise }: AlarmCommand): Alarm[] {
    const changed = { member, kind };
    const others = this.all.filter((alarm) => compareAlarms(alarm, changed) !== 0);
    if (!raise && others.length === this.all.length) return [];
    if (raise && others.filter((alarm) => alarm.kind === kind).length >= mostAlarms) return [changed];
    this.all = raise ? [...others, changed].sort(compareAlarms) : others;
    return [changed];
  }

  /** Why a command must not be applied now, if so. */
  refusal(command: Command): CommandFailure | undefined {
    if (this.has('corrupt') && changesKeys(command)) return 'corrupt';
    return this.has('no-space') && storageCost(command) > 0 ? 'no-space' : undefined;
  }

  hash(): number {
    let hash = 0;
    for (const { member, kind } of this.all) {
      hash = mixBigInt(mixHash(hash, alarmKinds.indexOf(kind)), BigInt.asIntN(64, member));
    }
    return finishHash(hash);
  }

  private has(kind: AlarmKind): boolean {
    return this.all.some((alarm) => alarm.kind === kind);
  }
}

/**
 * As etcd, which answers a transaction that only reads, and takes a nested one for more than that; but leases go on
 * being renewed, and expire with their keys.
 */
function changesKeys(command: Command): boolean {
  switch (command.type) {
    case 'txn': {
      const { success, failure } = command.request;
      return [...success, ...failure].some((operation) => operation.type !== 'range');
    }
    case 'put':
    case 'deleteRange':
    case 'txnSequence':
    case 'compact':
    case 'leaseGrant':
    case 'leaseRevoke':
      return true;
    default:
      return false;
  }
}

export function writeAlarm(writer: Writer, { member, kind }: Alarm): void {
  writer.byte(alarmKinds.indexOf(kind));
  writer.int64(BigInt.asIntN(64, member));
}

export function readAlarm(reader: Reader): Alarm {
  const number = reader.byte();
  const kind = alarmKinds[number];
  if (kind === undefined) throw new MalformedData(`${number} is not a known alarm.`);
  return { member: BigInt.asUintN(64, reader.int64()), kind };
}
