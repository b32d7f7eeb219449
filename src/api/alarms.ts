import type { Alarm, AlarmKind, KeyspaceReader } from '../keyspace/index.ts';
import type { AlarmMember, AlarmRequest, AlarmResponse } from '../wire/index.ts';
import { proposeFor } from './kv.ts';
import type { ApiServices } from './service.ts';
import { invalidArgument } from './status.ts';
import type { CallContext } from './types.ts';
import { untilLeft } from './waiting.ts';

const actions = ['get', 'activate', 'deactivate'] as const;

/** Lists, raises and disarms, as etcd: to disarm takes the member and the alarm; of nothing, nothing is answered. */
export async function alarm(
  api: ApiServices,
  request: AlarmRequest,
  context: CallContext,
): Promise<AlarmResponse> {
  const { member, headers } = api;
  const action = actions[request.action];
  if (action === undefined) {
    throw invalidArgument(`conclave: an alarm request has the unknown action ${request.action}`);
  }
  if (action === 'get') {
    await member.readBarrier(untilLeft(context));
    return { header: headers.header(), alarms: alarms(member.keyspace, request.alarm) };
  }
  const kind: AlarmKind | undefined = ([undefined, 'no-space', 'corrupt'] as const)[request.alarm];
  if (kind === undefined && action === 'deactivate') return { header: headers.header(), alarms: [] };
  // etcd's process ends when it is asked to raise none.
  if (kind === undefined) throw invalidArgument(`conclave: ${request.alarm} is no alarm to be raised`);
  const named = { raise: action === 'activate', member: request.memberID };
  // Whoever disarms etcd's alarm of a member means ours as well, which etcd's clients see as the same.
  const outcast = member.keyspace
    .alarms()
    .some((one) => one.kind === 'corrupt-member' && one.member === request.memberID);
  const meant = kind === 'corrupt' && action === 'deactivate' && outcast ? 'corrupt-member' : kind;
  const command = { type: 'alarm', ...named, kind: meant } as const;
  const { revision, outcome } = await proposeFor<'alarm'>(api, context, command);
  return { header: headers.header(revision), alarms: outcome.alarms.map(alarmMember) };
}

/** Those that stand, of one kind by etcd's number; 0: of all. */
function alarms(keyspace: KeyspaceReader, ofKind: number): AlarmMember[] {
  const all = keyspace.alarms().map(alarmMember);
  return ofKind === 0 ? all : all.filter((one) => one.alarm === ofKind);
}

function alarmMember({ member, kind }: Alarm): AlarmMember {
  return { memberID: member, alarm: wireAlarms[kind].number };
}

/** By etcd's number and name. */
export const wireAlarms = {
  'no-space': { number: 1, name: 'NOSPACE' },
  corrupt: { number: 2, name: 'CORRUPT' },
  'corrupt-member': { number: 2, name: 'CORRUPT' },
} as const;

/** As Go prints a message, which is what etcd's Status shows of an alarm: member 0 is left out, a space ends it. */
export function alarmText({ member, kind }: Alarm): string {
  return `${member === 0n ? '' : `memberID:${member} `}alarm:${wireAlarms[kind].name} `;
}
