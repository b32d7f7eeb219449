import { type AnyMethod, type ProposeRequest, services } from '../../wire/index.ts';
import type { Requirement } from './access.ts';

type Policy = { readonly [Service in keyof typeof services]: Rules<(typeof services)[Service]> };
type Rules<Service> = { readonly [Name in keyof Service]: Requirement | ((request: never) => Requirement) };

const listAlarms = 0;

/**
 * What each method asks of its caller while auth is enabled. As etcd since 3.5.29 and 3.4.43: before, leases, alarms,
 * compaction and the list of members were open to anybody (CVE-2026-33413), and nested transactions were not looked into
 * (CVE-2026-33343).
 */
const policy: Policy = {
  KV: { range: 'keys', put: 'keys', deleteRange: 'keys', txn: 'keys', compact: 'root' },
  Watch: { watch: 'keys' },
  Lease: {
    leaseGrant: 'user',
    leaseRevoke: 'user',
    leaseKeepAlive: 'user',
    leaseTimeToLive: 'user',
    leaseLeases: 'user',
  },
  Cluster: {
    memberAdd: 'root',
    memberRemove: 'root',
    memberUpdate: 'root',
    memberList: 'user',
    memberPromote: 'root',
  },
  Maintenance: {
    alarm: ({ action }: { readonly action: number }) => (action === listAlarms ? 'user' : 'root'),
    status: 'user',
    defragment: 'root',
    hash: 'root',
    hashKV: 'root',
    snapshot: 'root',
    moveLeader: 'root',
    downgrade: 'root',
  },
  Auth: {
    authEnable: 'root',
    authDisable: 'root',
    authStatus: 'root',
    authenticate: 'nothing',
    userAdd: 'root',
    // Everyone may look at itself and its own roles: the handlers see to that.
    userGet: 'keys',
    userList: 'root',
    userDelete: 'root',
    userChangePassword: 'root',
    userGrantRole: 'root',
    userRevokeRole: 'root',
    roleAdd: 'root',
    roleGet: 'keys',
    roleList: 'root',
    roleDelete: 'root',
    roleGrantPermission: 'root',
    roleRevokePermission: 'root',
  },
  Election: { campaign: 'keys', proclaim: 'keys', leader: 'keys', observe: 'keys', resign: 'keys' },
  Lock: { lock: 'keys', unlock: 'keys' },
  Conclave: {
    registerClient: 'user',
    propose: ({ request }: ProposeRequest) => (request?.$case === 'compaction' ? 'root' : 'user'),
    leaseGrantMs: 'user',
    keepAliveBatch: 'user',
    attach: 'keys',
    memberState: 'user',
  },
  // What is in them is public anyway, and load balancers that ask for health have no user.
  Health: { check: 'nothing', watch: 'nothing' },
  Reflection: { serverReflectionInfo: 'nothing' },
  OlderReflection: { serverReflectionInfo: 'nothing' },
};

const requirements = new Map<AnyMethod, Requirement | ((request: never) => Requirement)>();
for (const [name, methods] of Object.entries(services) as [
  keyof typeof services,
  Record<string, AnyMethod>,
][]) {
  const rules: Readonly<Record<string, Requirement | ((request: never) => Requirement)>> = policy[name];
  for (const [method, descriptor] of Object.entries(methods)) {
    requirements.set(descriptor, rules[method] ?? 'root');
  }
}

/** What a call of the method asks of its caller. `request`: undefined for a stream of requests. */
export function requirementOf(method: AnyMethod, request: unknown): Requirement {
  const requirement = requirements.get(method) ?? 'root';
  return typeof requirement === 'function' ? requirement(request as never) : requirement;
}
